"""The check at the end of ``make demo``."""

import pytest

from facetell.demo import NO_FACE, check_scored
from facetell.report.result import write_result
from facetell.types import FacetellError, Status, Verdict, VideoVerdict


def verdict(name, status=Status.SCORED):
    return VideoVerdict(f"out/videos/{name}", status, Verdict.NONE, None, None)


@pytest.fixture
def folder(tmp_path):
    videos = tmp_path / "videos"
    videos.mkdir()
    for name in ("a.mp4", "b.mp4", NO_FACE):
        (videos / name).touch()
    return videos


def test_every_video_with_a_face_is_scored(folder, tmp_path):
    write_result([verdict("a.mp4"), verdict("b.mp4"), verdict(NO_FACE, Status.NO_FACE)], tmp_path / "r.json")
    check_scored(folder, tmp_path / "r.json")


@pytest.mark.parametrize(
    ("held", "missed"),
    [
        ([verdict("a.mp4"), verdict("b.mp4", Status.NO_FACE)], "b.mp4"),
        ([verdict("b.mp4")], "a.mp4"),  # as when it was interrupted
        (None, "a.mp4, b.mp4"),
    ],
)
def test_a_video_that_is_not_scored_is_named(folder, tmp_path, held, missed):
    if held is not None:
        write_result(held, tmp_path / "r.json")
    with pytest.raises(FacetellError, match=f"not scored, although they show a face: {missed};"):
        check_scored(folder, tmp_path / "r.json")
