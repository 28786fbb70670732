"""A headless Chromium: the one on the path, or the one of Debian, which root installs where it is missing."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]
INSTALL_SECONDS = 180
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}  # viewports


@contextlib.contextmanager
def launched() -> Iterator[Browser]:
    """The browser; skips the test, with the reason, where there is none and none can be installed."""
    path = _on_path() or _install()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


def check_accessible(page: Page) -> None:
    """With all details open there is no horizontal scrolling, and axe-core reports nothing, in light and in dark."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="the extra `dev` has axe-core")
    page.evaluate("for (const details of document.querySelectorAll('details')) details.open = true")
    page.wait_for_load_state()  # without its style a page has another width
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    for colours in ("light", "dark"):
        page.emulate_media(color_scheme=colours)
        found = axe.Axe().run(page)
        assert found.violations_count == 0, found.generate_report()


def _install() -> str:
    message = "only root can install it"
    if os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in ("apt-get update", "apt-get install -y --no-install-recommends chromium"):
            try:
                done = subprocess.run(
                    command.split(), env=environment, capture_output=True, text=True, timeout=INSTALL_SECONDS
                )
            except subprocess.TimeoutExpired as error:
                pytest.skip(f"Chromium could not be installed: {error}")
            message = done.stderr.strip()
    return _on_path() or pytest.skip(f"there is no Chromium on the path, and none could be installed: {message}")


def _on_path() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)
