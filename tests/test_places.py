"""Distorted videos are scored at the places of the faces in the clean video, by time."""

import math
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from facetell.batch.score import ScoringSettings, distorted, score_manifest
from facetell.datasets.manifest import Entry, Manifest
from facetell.detector import Settings
from facetell.distort import BEYOND, KINDS, PUBLISHED, distort_stream
from facetell.faces.spread import step_of
from facetell.faces.tracker import LOOK_EVERY
from facetell.places import FacePlaces, score_at
from facetell.types import Pose
from facetell.video.reader import VideoReader
from fixtures import FAST, frames_of, mosaic, sample_frames, write_frames

FPS = 30


@pytest.fixture(scope="module")
def cut_video(tmp_path_factory):
    path = tmp_path_factory.mktemp("cut") / "cut.mp4"
    return write_frames(path, [*sample_frames("sample_man", 50), *sample_frames("sample_woman", 48)], fps=FPS)


@pytest.fixture(scope="module")
def manifest(cut_video):
    return Manifest(cut_video.parent, (Entry(cut_video.name, 1, "test"),))


@pytest.fixture(scope="module")
def clean(detector, cut_video):
    places = FacePlaces()
    return places.read_clean(detector, cut_video), places


def replay(clean, detector, change=lambda image: image):
    verdict, places = clean
    with VideoReader(verdict.path) as reader:
        frames = ((raw.time, lambda raw=raw: change(raw.rgb())) for raw in reader)
        return score_at(places, frames, FPS, detector)


def clips(tracks):
    return [(track.track_id, clip.t0, clip.t1, clip.crop, clip.logit) for track in tracks for clip in track.clips]


def test_the_clean_frames_at_their_own_places_give_the_scores_of_detection(clean, detector):
    tracks = clean[0].tracks
    assert len({track.track_id for track in tracks}) == 2, "the scene cut begins a new track"
    assert clips(replay(clean, detector)) == clips(tracks)


def test_frames_of_another_size_are_cropped_at_the_same_places(clean, detector):
    small = replay(clean, detector, lambda image: image.reshape(90, 4, 160, 4, 3).mean(axis=(1, 3)).astype(np.uint8))
    # The faces are now too small to be scored by themselves: the clean video decides which are scored.
    assert [clip[:3] for clip in clips(small)] == [clip[:3] for clip in clips(clean[0].tracks)]
    for mine, of_clean in zip(clips(small), clips(clean[0].tracks), strict=True):
        assert np.array(mine[3][:3]) * 4 == pytest.approx(np.array(of_clean[3][:3]))


def test_poses_are_interpolated_between_two_detections():
    places = FacePlaces()
    assert not places and places.at(0.0) == {}
    for time, xs in ((0.2, {0: 0.0, 1: 5.0}), (0.4, {0: 10.0}), (0.6, {0: 10.0, 2: 7.0})):
        roll = math.radians(170 if time < 0.3 else -170)
        places.add(time, {track: Pose(x, 5, 10, 20, roll) for track, x in xs.items()})
    assert places and places.at(0.1) == {}
    assert set(places.at(0.2)) == {0, 1} and places.at(0.2)[1].x == 5
    assert places.at(0.25)[0][:4] == pytest.approx((2.5, 5, 10, 20)) and set(places.at(0.25)) == {0}
    assert abs(math.degrees(places.at(0.3)[0].roll)) == pytest.approx(180), "the shorter arc"
    assert places.at(0.6 + LOOK_EVERY / 2) == places.at(0.6) and set(places.at(0.6)) == {0, 2}
    assert places.at(0.6 + 2 * LOOK_EVERY) == {}


@pytest.mark.parametrize("code", sorted({*KINDS} - {"VC"}))  # VC is not reproducible to the last bit
def test_frames_are_those_of_the_distortion(cut_video, code):
    raws = frames_of(cut_video, 20)
    expected = list(distort_stream(raws, code, 2, fps=FPS, seed=0))
    with VideoReader(cut_video) as reader:
        found = [(frame(), time) for time, frame in distorted(islice(reader, 20), (code, 2), FPS)]
    for (mine, my_time), (theirs, their_time) in zip(found, expected, strict=True):
        assert np.array_equal(mine, theirs) and my_time == pytest.approx(their_time, abs=0.001)
        assert code == "FPS" or my_time in [time for _, time in raws]


def test_kinds_that_do_not_change_time_are_scored_on_the_same_clips_and_the_others_stretch_them(manifest, tmp_path):
    """Clean and under every kind at level 5 (FPS at 3: 15 frames per second); two of the videos are not scored."""
    kinds = tuple((code, 3 if code == "FPS" else 5) for code in KINDS)
    write_frames(tmp_path / "grey.mp4", [np.full((96, 96, 3), 99, np.uint8)] * 10)
    others = (Entry(str(tmp_path / "grey.mp4"), 0, "test"), Entry("gone.mp4", 0, "test"))
    whole = replace(manifest, entries=(*manifest.entries, *others))
    under_all = score_manifest(whole, FAST, settings=ScoringSettings(distortions=kinds))
    unscored = under_all.where(under_all["status"] != "scored")
    assert unscored["status"].tolist() == [*["no_face"] * (1 + len(kinds)), *["unreadable"] * (1 + len(kinds))]
    assert unscored["distortion"].tolist() == ["", *KINDS] * 2
    under_all = under_all.scored
    clean = under_all.select(distortion="")
    for code in {*PUBLISHED, *BEYOND} - {"DROP", "FPS"}:
        mine = under_all.select(distortion=code)
        for name in ("track", "clip", "t0", "t1", "status", "label"):
            assert mine[name].tolist() == clean[name].tolist(), (code, name)
        assert (mine["level"] == 5).all() and (mine["logit"] != clean["logit"]).any()
    dropped, slow = under_all.select(distortion="DROP"), under_all.select(distortion="FPS")
    assert {*dropped["track"].tolist()} == {*slow["track"].tolist()} == {0, 1}
    lengths = dropped["t1"] - dropped["t0"]
    assert lengths.max() > 7 / FPS + 0.01 and lengths.min() > 7 / FPS - 0.001
    assert slow["t1"] - slow["t0"] == pytest.approx(7 / 15)


def test_of_many_clips_the_same_are_chosen_under_a_distortion(manifest):
    settings = (ScoringSettings(Settings(3.0, most), distortions=(("GB", 1),)) for most in (0, 2))
    of_all, of_some = (score_manifest(manifest, FAST, each) for each in settings)
    assert of_some.about["settings"]["max_clips"] == 2 and "max_clips" not in of_all.about["settings"]
    for track in (0, 1):
        parts = ((of_all, ""), (of_some, ""), (of_some, "GB"))
        of_track = (scores.select(distortion=code, track=track) for scores, code in parts)
        whole, clean, softened = (part["t0"].tolist() for part in of_track)
        assert clean == softened == whole[:: step_of(len(whole), 2)] and len(clean) <= 2 < len(whole)


def test_what_is_left_out_of_the_clean_video_is_left_out_under_a_distortion(tmp_path):
    """Pixelated until 0.7 s: its first clip is not scored."""
    frames = [mosaic(image, 10) if i < 20 else image for i, image in enumerate(sample_frames("sample_woman", 70))]
    write_frames(tmp_path / "a.mp4", frames, fps=FPS)
    manifest = Manifest(tmp_path, (Entry("a.mp4", 1, "test"),))
    settings = (ScoringSettings(distortions=(("GB", 3),), clean=clean) for clean in (True, False))
    both, alone = (score_manifest(manifest, FAST, each) for each in settings)
    clean, softened = (both.select(distortion=code) for code in ("", "GB"))
    assert clean["t0"].tolist() == softened["t0"].tolist() and clean["t0"].min() > 0.6
    assert alone["logit"].tolist() == softened["logit"].tolist()
