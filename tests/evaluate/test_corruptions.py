"""Corruptions change what they say and nothing else; clean scores are those of detection."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from facetell import Detector
from facetell.datasets.manifest import Entry, Manifest
from facetell.evaluate.corruptions import (
    BLURS,
    LIMITS,
    RATE,
    SECONDS,
    SHORTCUTS,
    SIDE,
    WIDTHS,
    Outcome,
    by_length,
    least_face_width,
    outcomes,
    score_corrupted,
)
from facetell.evaluate.scores import Scores, from_rows
from facetell.metrics.intervals import Estimate
from facetell.places import FacePlaces
from facetell.types import Pose, UInt8Array
from facetell.video.reader import VideoReader
from fixtures import FAST, sample_frames, write_frames

FACE = Pose(70, 70, 60, 80, 0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of each of two people."""
    folder = tmp_path_factory.mktemp("people")
    for who in ("man", "woman"):
        write_frames(folder / f"{who}.mp4", sample_frames(f"sample_{who}", 30), fps=30)
    return folder


@pytest.fixture(scope="module")
def scores(folder: Path) -> Scores:
    entries = (Entry("man.mp4", 0, "val", "man"), Entry("woman.mp4", 1, "val", "woman"), Entry("no.mp4", 0, "val"))
    return score_corrupted(Detector(FAST), Manifest(folder, entries), SHORTCUTS)


def test_clean_scores_are_those_of_detection_and_every_corruption_changes_them(folder: Path, scores: Scores) -> None:
    (track,) = Detector(FAST)(folder / "man.mp4").tracks
    clean = scores.select(video="man.mp4", distortion="")
    assert clean["logit"].tolist() == [clip.logit for clip in track.clips]
    for name in SHORTCUTS:
        corrupted = scores.select(video="man.mp4", distortion=name)
        assert corrupted["t0"] == pytest.approx(clean["t0"], abs=1.5 / RATE)
        assert not np.array_equal(corrupted["logit"], clean["logit"])


def test_a_photo_beside_a_face_is_not_scored_when_corrupted(tmp_path: Path) -> None:
    man, woman = (sample_frames(f"sample_{who}", 30) for who in ("man", "woman"))
    write_frames(tmp_path / "both.mp4", [np.hstack([frame, woman[0]]) for frame in man], fps=30)
    manifest = Manifest(tmp_path, (Entry("both.mp4", 0, "val"),))
    scores = score_corrupted(Detector(FAST), manifest, {"resampled": SHORTCUTS["resampled"]})
    clean, resampled = ({*scores.select(distortion=name)["track"].tolist()} for name in ("", "resampled"))
    assert clean == resampled and scores.videos()["faces"].tolist() == [1, 1]


def test_outcomes_are_of_the_videos_scored_under_every_corruption(scores: Scores) -> None:
    found = outcomes(scores, SHORTCUTS, draws=0)
    assert list(found) == ["", *SHORTCUTS]
    assert {(s.reals, s.fakes) for s in found.values()} == {(1, 1)}


def frames(name: str, video: Path) -> tuple[list[float], list[UInt8Array]]:
    """Times and images of a corrupted version, "" the clean one."""
    places = FacePlaces(*plain_size(video))
    for time in np.arange(0, 1.2, 0.01):
        places.add(float(time), {0: FACE})
    with VideoReader(video) as reader:
        if not name:
            pairs = [(raw.time, raw.rgb()) for raw in reader]
        else:
            pairs = [(time, image()) for time, image in (SHORTCUTS | LIMITS)[name].frames(reader, places)]
    return [time for time, _ in pairs], [image for _, image in pairs]


def plain_size(video: Path) -> tuple[int, int]:
    with VideoReader(video) as reader:
        height, width = next(iter(reader)).rgb().shape[:2]
    return width, height


def edges(image: UInt8Array) -> float:
    return float(np.abs(cv2.Laplacian(image, cv2.CV_32F)).mean())


def test_the_background_is_blurred_and_the_face_is_not(folder: Path) -> None:
    _, clean = frames("", folder / "man.mp4")
    _, blurred = frames("background", folder / "man.mp4")
    assert len(blurred) == len(clean)
    x, y = round(FACE.x), round(FACE.y)
    face = slice(y - 5, y + 5), slice(x - 5, x + 5)
    assert np.array_equal(blurred[5][face], clean[5][face])
    assert edges(blurred[5][:, -60:]) < 0.5 * edges(clean[5][:, -60:])


def test_rate_and_size_are_those_of_the_resampled_version(folder: Path) -> None:
    times, images = frames("resampled", folder / "man.mp4")
    assert times == pytest.approx(np.arange(len(times)) / RATE) and len(times) == pytest.approx(RATE, abs=2)
    assert {min(image.shape[:2]) for image in images} == {SIDE}


def test_coarser_coding_and_more_blur_lose_more(folder: Path) -> None:
    clean = np.stack(frames("", folder / "man.mp4")[1]).astype(np.float32)
    coded = [np.abs(np.stack(frames(f"crf{crf}", folder / "man.mp4")[1]) - clean).mean() for crf in (23, 32, 40)]
    assert 0 < coded[0] < coded[1] < coded[2]
    detail = [edges(frames(name, folder / "man.mp4")[1][0]) for name in ("", *(f"blur{share:g}" for share in BLURS))]
    assert detail == sorted(detail, reverse=True) and detail[-1] < 0.6 * detail[0]


@pytest.mark.parametrize("width", WIDTHS)
def test_faces_are_reduced_to_a_width_and_never_enlarged(folder: Path, width: int) -> None:
    clean, shrunk = (frames(name, folder / "man.mp4")[1][0] for name in ("", f"width{width}"))
    scale = min(1.0, width / FACE.width)
    assert shrunk.shape[:2] == pytest.approx(np.multiply(clean.shape[:2], scale), abs=1)


@pytest.mark.parametrize(
    ("changed", "least"),
    [
        ({}, 32),
        ({"width48": (0.7, 0.05)}, 64),  # 32 is within the loss, a larger width is not
        ({"width64": (0.8, 0.2)}, 80),
        ({"width64": (0.76, 0.09)}, 32),
        ({"width128": (0.5, 0.05)}, 128),
    ],
)
def test_the_least_width_is_the_last_within_the_loss(changed: dict[str, tuple[float, float]], least: int) -> None:
    figures = dict.fromkeys(("", *LIMITS), (0.8, 0.05)) | changed
    found = {name: Outcome("", 20, 20, *map(Estimate, pair)) for name, pair in figures.items()}
    assert least_face_width(found) == least


def test_short_footage_is_the_beginning_of_each_face() -> None:
    rows = [
        {"video": f"{label}{n}", "label": label, "identity": f"{label}{n}", "distortion": "", "clip": clip}
        | {"t0": clip, "logit": float(label if clip else 1 - label)}  # the first second has the opposite scores
        for label in (0, 1)
        for n in range(3)
        for clip in range(4)
    ]
    found = by_length(from_rows(rows, {}))
    assert [found[f"seconds{count}"].auc.value for count in SECONDS] == [0.0, 0.5, 1.0]
