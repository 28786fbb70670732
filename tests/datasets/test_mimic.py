"""Miniatures: repeatable, whole or not at all, and of people that differ."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facetell.assets import file_sha256
from facetell.datasets.mimic.make import MIMICS, make_miniature
from facetell.datasets.mimic.people import scene
from facetell.datasets.registry import BENCHMARKS
from facetell.media.reader import probe
from facetell.types import FacetellError


def test_every_benchmark_has_a_miniature_but_the_manifest_itself() -> None:
    assert set(MIMICS) == set(BENCHMARKS) - {"csv"}


def test_a_miniature_repeats_to_the_last_byte(tmp_path: Path) -> None:
    sums = []
    for number in range(2):
        root = tmp_path / str(number)
        count = make_miniature("pair", root, videos=6, seconds=0.5)
        assert count == 12
        sums.append({p.relative_to(root): file_sha256(p) for p in sorted(root.rglob("*")) if p.is_file()})
    assert sums[0] == sums[1]


def test_its_videos_have_the_length_that_is_asked_for(tmp_path: Path) -> None:
    make_miniature("pair", tmp_path / "pair", videos=6, seconds=1.5)
    for path in (tmp_path / "pair/real").iterdir():
        assert probe(path).duration == pytest.approx(1.5, abs=0.06)


def test_a_face_is_large_enough_to_be_scored() -> None:
    for number in range(6):
        landmarks = scene(number, 0.5).landmarks
        widths = np.ptp(landmarks[..., 0], axis=1)
        assert np.median(widths) > 70
        inside = (landmarks > 0) & (landmarks < (320, 180))
        assert inside.mean() > 0.97


@pytest.mark.parametrize(
    ("name", "settings", "named"),
    [
        ("ffpp2", {}, "choose one of ffpp"),
        ("csv", {}, "no miniature"),
        ("ffpp", {"videos": 2}, "6 to 200"),
        ("ffpp", {"seconds": 60}, "seconds"),
    ],
)
def test_what_cannot_be_made_is_told(name: str, settings: dict[str, int], named: str, tmp_path: Path) -> None:
    with pytest.raises(FacetellError, match=named):
        make_miniature(name, tmp_path / "out", **settings)
    assert not list(tmp_path.iterdir())


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(FacetellError, match="exists already"):
        make_miniature("pair", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
