"""What may import what, and odd videos at the door."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from facetell.distort import distort_video
from facetell.forge.video import forge_video
from facetell.types import FacetellError
from facetell.video.reader import VideoReader
from fixtures import ODD, odd_size, rotated, variable_rate, zero_bytes


def modules_after(statement: str) -> set[str]:
    """Names of all modules that are loaded once ``statement`` has run in a process of its own."""
    code = f"{statement}; import sys; print(' '.join(sys.modules))"
    return set(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split())


def test_detecting_does_not_load_forging() -> None:
    loaded = modules_after("import facetell.detector, facetell.cli.detect")
    assert not {name for name in loaded if name.startswith(("facetell.forge", "facetell.distort", "torch"))}


def test_forging_and_distorting_need_no_torch() -> None:
    assert "torch" not in modules_after("import facetell.forge.video, facetell.forge.sheet, facetell.distort")


@pytest.mark.parametrize("make", [rotated, variable_rate, odd_size], ids=["rotated", "variable_rate", "odd_size"])
def test_odd_videos_are_forged_and_distorted_upright_and_in_time(make: object, tmp_path: Path) -> None:
    source = make(tmp_path)  # type: ignore[operator]
    made = forge_video(source, tmp_path / "forged.mp4", "drift")
    assert made.forged == made.frames == 24
    distort_video(source, tmp_path / "distorted.mp4", "GB", 1)
    with VideoReader(source) as reader:
        shape, times = None, []
        for raw in reader:
            shape = raw.rgb().shape
            times.append(raw.time)
    assert shape is not None
    for name in ("forged.mp4", "distorted.mp4"):
        with VideoReader(tmp_path / name) as reader:
            back = [(raw.rgb().shape, raw.time) for raw in reader]
        # 4:2:0 halves the chroma: an odd side grows by one.
        assert back[0][0] == (shape[0] + shape[0] % 2, shape[1] + shape[1] % 2, 3)
        assert [time for _, time in back] == pytest.approx(times, abs=1e-3)


def test_unfit_videos_are_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(FacetellError, match="empty"):
        forge_video(zero_bytes(tmp_path), tmp_path / "a.mp4", "sbv")
    with pytest.raises(FacetellError, match="8 frames"):
        forge_video(ODD["one_frame"](tmp_path), tmp_path / "a.mp4", "sbv")
    assert not (tmp_path / "a.mp4").exists()
