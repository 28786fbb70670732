"""Fixtures of all tests: sample videos, and one loaded detector for the session."""

import functools
import itertools
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
from facetell.types import Frame
from facetell.video.reader import VideoReader
from fixtures import FAST

# Tests send these signals. In the background or under nohup they are ignored, also by child processes.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)


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


@pytest.fixture(scope="session")
def frames() -> Callable[..., list[Frame]]:
    """Reads the first ``count`` frames of a short video, by default all; the latest results are cached."""

    @functools.lru_cache(8)
    def first(path: Path, count: int) -> list[Frame]:
        with VideoReader(path) as reader:
            return [Frame(raw.index, raw.time, raw.rgb()) for raw in itertools.islice(reader, count)]

    def read(path: Path, count: int | None = None) -> list[Frame]:
        return first.__wrapped__(path, sys.maxsize) if count is None else first(path, count)

    return read


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium; tests that need it are skipped where there is none."""
    from chromium import launched  # imports playwright

    with launched() as chromium:
        yield chromium
