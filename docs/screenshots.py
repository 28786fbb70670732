"""Take the screenshots of the documentation from the videos and the report of `make demo`: `make screenshots`."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
from PIL import Image
from playwright.sync_api import Browser

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from chromium import launched

ROOT = Path(__file__).parents[1]
IMAGES = ROOT / "docs" / "images"
UPLOADED = ("woman-real.mp4", "woman-forged-swap.mp4", "no-face.mp4")
COLOURS = 128  # of a palette, so that the files stay small


def take(browser: Browser, address: str, name: str, height: int, width: int = 1280) -> None:
    """Store what a window of this size shows."""
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(address)
    page.wait_for_timeout(500)  # events of the page
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    page.close()
    image.quantize(COLOURS).save(IMAGES / name, optimize=True)
    print(IMAGES / name)


def main() -> None:
    report = ROOT / "out" / "report.html"
    if not report.exists():
        raise SystemExit(f"there is no {report}; run `make demo` first")
    with launched() as browser, tempfile.TemporaryDirectory() as folder:
        take(browser, report.as_uri(), "report.png", 980)
        command = [sys.executable, "-m", "facetell", "serve", "--port", "0", "--data", folder]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout is not None
                (url,) = re.findall(r"serves (\S+),", server.stdout.readline())
                jobs = []
                for name in UPLOADED:
                    with (ROOT / "out" / "videos" / name).open("rb") as video:
                        jobs.append(httpx.post(f"{url}/v1/jobs", files={"file": (name, video)}, timeout=60).json())
                for job in jobs:
                    while httpx.get(f"{url}/v1/jobs/{job['id']}").json()["state"] in ("queued", "running"):
                        time.sleep(0.5)
                take(browser, url, "serve.png", 760)
            finally:
                server.terminate()


if __name__ == "__main__":
    main()
