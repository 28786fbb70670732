"""A headless Chromium: the one on the path, or installed from Debian's packages where that can be done."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
INSTALL_SECONDS = 180
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}  # viewports


@contextlib.contextmanager
def launched() -> Iterator[Browser]:
    """The browser; skips the test, with the reason, where there is none and none can be installed."""
    path = find_chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


def find_chromium() -> str:
    """Path of the browser; skips the test, with the reason, where there is none and none can be installed."""
    if found := _on_path():
        return found
    if os.geteuid() != 0 or not Path("/etc/debian_version").exists():
        pytest.skip("no Chromium on the path, and it can be installed by root on Debian only")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    said = ""
    for command in (["apt-get", "install", "-y", "--no-install-recommends", "chromium"], ["apt-get", "update"]) * 2:
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            pytest.skip(f"Chromium could not be installed: {error}")
        if found := _on_path():
            return found
        said = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else ""
    pytest.skip(f"Chromium could not be installed: {said}")


def _on_path() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)
