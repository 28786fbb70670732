"""One server for the tests that leave it as they found it."""

import pytest
from playwright.sync_api import expect
from serving import SECONDS, Server, short_video


@pytest.fixture(scope="session")
def short(tmp_path_factory):
    return short_video(tmp_path_factory.mktemp("short"))


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """With limits that a test can reach."""
    data = tmp_path_factory.mktemp("served") / "data"
    with Server(data, "--max-mb", "8", "--max-minutes", "0.5", "--max-megapixels", "1", "--max-queue", "300") as server:
        yield server


@pytest.fixture
def open_page(browser):
    """A function that opens an empty page, on which no script may fail and nothing may violate the policy."""
    contexts, problems = [], []

    def new(**options):
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(1000 * SECONDS)
        expect.set_options(timeout=1000 * SECONDS)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda m: "Content Security Policy" in m.text and problems.append(m.text))
        return page

    yield new
    for context in contexts:
        context.close()
    assert problems == []
