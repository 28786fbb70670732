"""Take pictures of reports and pages, from the videos and the report of `make demo`: `make screenshots`.

Reports of one video and of 20, the page of the server, the page of a job and an evaluation; each on a desk and on a
telephone, in light and in dark. They are written to out/screenshots, to be looked at; two of them are in the README.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from PIL import Image
from playwright.sync_api import Browser

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from chromium import DESK, PHONE, launched

ROOT = Path(__file__).parents[1]
OUT, IMAGES = ROOT / "out" / "screenshots", ROOT / "docs" / "images"
VIDEOS = ROOT / "out" / "videos"
UPLOADED = ("woman-real.mp4", "woman-forged-swap.mp4", "no-face.mp4")
IN_README = {"report": 980, "serve": 760}  # heights
COLOURS = 128  # of a palette, so that the files stay small


def take(browser: Browser, address: str, name: str) -> None:
    """Store what a page shows at both widths, whole, in light and in dark, and in the README's size."""
    for (device, size), colours in itertools.product({"desk": DESK, "phone": PHONE}.items(), ("light", "dark")):
        page = browser.new_page(viewport=size, color_scheme=colours)
        page.goto(address)
        page.wait_for_timeout(500)  # events of the page
        store(page.screenshot(full_page=True), OUT / f"{name}-{device}-{colours}.png")
        if name in IN_README and (device, colours) == ("desk", "light"):
            page.set_viewport_size({**DESK, "height": IN_README[name]})
            store(page.screenshot(), IMAGES / f"{name}.png")
        page.close()


def store(shot: bytes, path: Path) -> None:
    """Write a picture with few colours."""
    Image.open(io.BytesIO(shot)).convert("RGB").quantize(COLOURS).save(path, optimize=True)
    print(path)


def facetell(*words: str | Path) -> list[str]:
    """The command of a verb."""
    return [sys.executable, "-m", "facetell", *map(str, words)]


def reports(folder: Path) -> dict[str, Path]:
    """The report of the demonstration, of one video, of 20, and an evaluation of the demonstration's scores."""
    (folder / "videos").mkdir()
    for number, video in zip(range(20), itertools.cycle(sorted(VIDEOS.iterdir()))):
        shutil.copy(video, folder / "videos" / f"{number:02d}-{video.name}")
    one, twenty, scores = folder / "one.html", folder / "twenty.html", folder / "demo.csv"
    subprocess.run(facetell("detect", VIDEOS / UPLOADED[1], "--report", one, "-q"), check=True)
    subprocess.run(facetell("detect", folder / "videos", "--report", twenty, "-q"), check=False)  # some have no face
    with scores.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "label", "score"))
        for video in json.loads((ROOT / "out" / "result.json").read_text())["videos"]:
            if video["probability"] is not None:
                rows.writerow((video["path"], int("forged" in video["path"]), video["probability"]))
    subprocess.run(facetell("evaluate", scores, "--out", folder), check=True, stdout=subprocess.DEVNULL)
    pages = {"report": ROOT / "out" / "report.html", "report-1": one, "report-20": twenty}
    return pages | {"evaluation": next(folder.glob("all*.html"))}


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """The address of a server whose jobs are done."""
    command = facetell("serve", "--port", "0", "--data", folder)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            (url,) = re.findall(r"serves (\S+),", process.stdout.readline())
            for name in UPLOADED:
                with (VIDEOS / name).open("rb") as video:
                    httpx.post(f"{url}/v1/jobs", files={"file": (name, video)}, timeout=60).raise_for_status()
            while any(job["state"] in ("queued", "running") for job in jobs(url)):
                time.sleep(0.5)
            yield url
        finally:
            process.terminate()


def jobs(url: str) -> list[dict[str, str]]:
    """All jobs of a server."""
    return list(httpx.get(f"{url}/v1/jobs").json()["jobs"])


def main() -> None:
    if not (ROOT / "out" / "report.html").exists():
        raise SystemExit("there is no out/report.html; run `make demo` first")
    OUT.mkdir(exist_ok=True)
    with launched() as browser, tempfile.TemporaryDirectory() as folder:
        for name, path in reports(Path(folder)).items():
            take(browser, path.as_uri(), name)
        with server(Path(folder) / "data") as url:
            take(browser, url, "serve")
            for job in jobs(url):
                take(browser, f"{url}/jobs/{job['id']}", f"job-{Path(job['name']).stem}")


if __name__ == "__main__":
    main()
