"""Fixtures of all tests: sample videos, and one loaded detector for the session."""

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from facetell.assets import locate
from facetell.detector import Detector, Settings
from facetell.faces.detector import FaceDetector
from facetell.faces.mesh import FaceMesh
from fixtures import FAST, SECONDS, TINY, sample_frames, write_frames

# Tests send these signals. In the background or under nohup they are ignored, also by child processes.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)

# Variables that change what the commands print or require.
PRINTING = ("COLUMNS", "LINES", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE")
for name in (*PRINTING, "FACETELL_TOKEN", "FACETELL_WEBHOOK_SECRET"):
    os.environ.pop(name, None)


@pytest.fixture(scope="session")
def woman() -> Path:
    """20 s of a woman speaking, laughing, covering her mouth; 640 x 360, 23.976 fps."""
    return locate("sample_woman")


@pytest.fixture(scope="session")
def man() -> Path:
    """2.4 s of a man; 640 x 360, 30 fps."""
    return locate("sample_man")


@pytest.fixture(scope="session")
def detector() -> Detector:
    """The fast released model, loaded once."""
    return Detector(FAST, Settings(max_clips=0))


@pytest.fixture(scope="session")
def face_networks() -> tuple[FaceDetector, FaceMesh]:
    return FaceDetector(), FaceMesh()


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """PyTorch uses one thread: the networks of the tests are tiny, and the machine is shared."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared clips of two people and a forgery: a copy of the man's video, stated to be made from it."""
    from facetell.cli import main
    from facetell.datasets.manifest import Entry, Manifest, write_manifest

    data, out, entries = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("prepared"), []
    for split in ("train", "val"):
        for name in ("woman", "man"):
            write_frames(data / f"{split}_{name}.mp4", sample_frames(f"sample_{name}", 72), fps=25)
            entries.append(Entry(f"{split}_{name}.mp4", 0, split, name))
        shutil.copy(data / f"{split}_man.mp4", data / f"{split}_fake.mp4")
        entries.append(Entry(f"{split}_fake.mp4", 1, split, "man", method="G", source=f"{split}_man.mp4"))
    write_manifest(Manifest(data, tuple(entries)), data / "manifest.csv")
    assert main(["prepare", str(data), "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="session")
def data(prepared: Path) -> Any:
    """The configuration of these clips, which are decoded."""
    from facetell.train.config import DataConfig
    from facetell.train.corpus import decode_all

    decode_all(config := DataConfig(folders=(str(prepared),)), 0)
    return config


@pytest.fixture
def tiny(data: Any) -> Callable[..., Any]:
    """A function that returns the configuration ``TINY`` for these clips, with changes such as "steps=2"."""
    from facetell.train.config import read_config

    return lambda *changes: read_config(TINY, [f"data.folders=[{data.folders[0]}]", *changes])


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium; tests that need it are skipped where there is none."""
    from chromium import launched  # imports playwright

    with launched() as chromium:
        yield chromium


@pytest.fixture
def open_page(browser: Any, request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """A function that opens an empty page, on which no script may fail; those of the server may refuse requests."""
    from playwright.sync_api import expect

    contexts, problems = list[Any](), list[str]()
    allowed = ("Failed to load", "[DOM]") if request.path.parent.name == "serve" else ()

    def new(**options: Any) -> Any:
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(1000 * SECONDS)
        expect.set_options(timeout=1000 * SECONDS)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda m: m.text.startswith(allowed) or problems.append(m.text))
        return page

    yield new
    for context in contexts:
        context.close()
    assert problems == []
