"""The treatments do what they say, and to nothing else; the untreated scores are those of detection."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from facetell import Detector
from facetell.datasets.manifest import Entry, Manifest
from facetell.evaluate.scores import Scores
from facetell.evaluate.scoring_faces import FacePlaces
from facetell.evaluate.shortcuts import RATE, SHORTCUTS, SIDE
from facetell.evaluate.treatments import outcomes, score_treated
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
    return score_treated(Detector(FAST), Manifest(folder, entries), SHORTCUTS)


def test_untreated_scores_are_those_of_detection(folder: Path, scores: Scores) -> None:
    (track,) = Detector(FAST)(folder / "man.mp4").tracks
    untreated = scores.select(video="man.mp4", distortion="")
    assert untreated["logit"].tolist() == [clip.logit for clip in track.clips]


def test_every_treatment_changes_the_scores_of_the_same_clips(scores: Scores) -> None:
    untreated = scores.select(video="man.mp4", distortion="")
    for name in SHORTCUTS:
        treated = scores.select(video="man.mp4", distortion=name)
        assert treated["t0"] == pytest.approx(untreated["t0"], abs=1.5 / RATE)
        assert not np.array_equal(treated["logit"], untreated["logit"])


def test_a_photo_beside_a_face_is_scored_under_no_treatment(tmp_path: Path) -> None:
    man, woman = (sample_frames(f"sample_{who}", 30) for who in ("man", "woman"))
    write_frames(tmp_path / "both.mp4", [np.hstack([frame, woman[0]]) for frame in man], fps=30)
    manifest = Manifest(tmp_path, (Entry("both.mp4", 0, "val"),))
    scores = score_treated(Detector(FAST), manifest, {"resampled": SHORTCUTS["resampled"]})
    assert {*scores.select(distortion="resampled")["track"].tolist()} == {
        *scores.select(distortion="")["track"].tolist()
    }
    assert scores.videos()["faces"].tolist() == [1, 1]


def test_tables_hold_the_videos_scored_throughout(scores: Scores) -> None:
    found = outcomes(scores, SHORTCUTS, draws=0)
    assert list(found) == ["", *SHORTCUTS]
    assert {(s.reals, s.fakes) for s in found.values()} == {(1, 1)}


def treated(name: str, video: Path, places: FacePlaces) -> tuple[list[float], list[UInt8Array]]:
    with VideoReader(video) as reader:
        made = [(time, picture()) for time, picture in SHORTCUTS[name].pictures(reader, places)[0]]
    return [time for time, _ in made], [image for _, image in made]


def plain(video: Path) -> list[UInt8Array]:
    with VideoReader(video) as reader:
        return [raw.rgb() for raw in reader]


def test_the_background_is_blurred_and_the_face_is_not(folder: Path) -> None:
    pictures = plain(folder / "man.mp4")
    places = FacePlaces(*pictures[0].shape[1::-1])
    for time in np.arange(0, 1.2, 0.01):
        places.add(float(time), {0: FACE})
    _, blurred = treated("background", folder / "man.mp4", places)
    assert len(blurred) == len(pictures)
    x, y = round(FACE.x), round(FACE.y)
    assert np.array_equal(blurred[5][y - 5 : y + 5, x - 5 : x + 5], pictures[5][y - 5 : y + 5, x - 5 : x + 5])

    def edges(image: UInt8Array) -> float:
        return float(np.abs(cv2.Laplacian(image[:, -60:], cv2.CV_32F)).mean())

    assert edges(blurred[5]) < 0.5 * edges(pictures[5])


def test_rate_and_size_are_brought_to_one(folder: Path) -> None:
    times, pictures = treated("resampled", folder / "man.mp4", FacePlaces())
    assert times == pytest.approx(np.arange(len(times)) / RATE)
    assert len(times) == pytest.approx(RATE, abs=2)
    assert {min(picture.shape[:2]) for picture in pictures} == {SIDE}


def test_coarser_coding_loses_more(folder: Path) -> None:
    before = np.stack(plain(folder / "man.mp4")).astype(np.float32)
    errors = [
        float(np.abs(np.stack(treated(name, folder / "man.mp4", FacePlaces())[1]) - before).mean())
        for name in ("crf23", "crf32", "crf40")
    ]
    assert 0 < errors[0] < errors[1] < errors[2]
