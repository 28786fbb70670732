"""One server for the tests that leave it as they found it."""

import pytest
from serving import Server, short_video


@pytest.fixture(scope="session")
def short(tmp_path_factory):
    return short_video(tmp_path_factory.mktemp("short"))


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """With limits that a test can reach."""
    data = tmp_path_factory.mktemp("served") / "data"
    with Server(data, "--max-mb", "8", "--max-minutes", "0.5", "--max-megapixels", "1", "--max-queue", "300") as server:
        yield server
