"""Distorted videos are scored at the places where the clean video shows the faces, followed by time."""

import math

import numpy as np
import pytest

from facetell.datasets.manifest import Entry, Manifest
from facetell.detector import KEEPALIVE, Settings
from facetell.distort import BEYOND, KINDS, PUBLISHED, distort_stream
from facetell.evaluate.scoring import score_manifest
from facetell.evaluate.scoring_faces import FacePlaces, score_at, snapped
from facetell.evaluate.scoring_jobs import ScoringSettings
from facetell.evaluate.scoring_videos import distorted
from facetell.faces.spread import step_of
from facetell.types import Pose
from facetell.video.reader import VideoReader
from fixtures import FAST, mosaic, sample_frames, write_frames

FPS = 30


@pytest.fixture(scope="module")
def cut_video(tmp_path_factory):
    """The man, a scene cut, the woman, at 30 frames per second: 1.7 s and 1.6 s."""
    path = tmp_path_factory.mktemp("cut") / "cut.mp4"
    return write_frames(path, [*sample_frames("sample_man", 50), *sample_frames("sample_woman", 48)], fps=FPS)


@pytest.fixture(scope="module")
def clean(detector, cut_video):
    """The verdict on it and the places of its faces."""
    places = FacePlaces()
    return places.read_clean(detector, cut_video), places


def replay(clean, detector, change=lambda image: image):
    path, places = clean[0].path, clean[1]
    with VideoReader(path) as reader:
        return score_at(
            places, ((raw.time, lambda raw=raw: change(raw.rgb())) for raw in reader), FPS, detector, lambda a, b: True
        )


def clips(tracks):
    return [(track.track_id, clip.t0, clip.t1, clip.crop, clip.logit) for track in tracks for clip in track.clips]


def test_the_clean_pictures_at_their_own_places_give_the_scores_of_detection(clean, detector):
    verdict = clean[0]
    assert len({track.track_id for track in verdict.tracks}) == 2, "the scene cut begins a new track"
    assert clips(replay(clean, detector)) == clips(verdict.tracks)


def test_black_pictures_are_scored_at_the_places_of_the_clean_faces(clean, detector):
    black = clips(replay(clean, detector, np.zeros_like))
    assert [clip[:4] for clip in black] == [clip[:4] for clip in clips(clean[0].tracks)]
    assert len({clip[4] for clip in black}) == 1, "black is black wherever it is cut"


def test_pictures_of_another_size_are_cut_at_the_same_places(clean, detector):
    small = replay(clean, detector, lambda image: image.reshape(90, 4, 160, 4, 3).mean(axis=(1, 3)).astype(np.uint8))
    # The faces are now too small to be scored by themselves: which are scored is settled by the clean video.
    assert [clip[:3] for clip in clips(small)] == [clip[:3] for clip in clips(clean[0].tracks)]
    for mine, of_clean in zip(clips(small), clips(clean[0].tracks), strict=True):
        assert np.array(mine[3][:3]) * 4 == pytest.approx(np.array(of_clean[3][:3]))


# --- places by time


def places_of(looks):
    places = FacePlaces()
    for time, xs in looks:
        places.add(time, {track: Pose(x, 5, 10, 20, 0) for track, x in xs.items()})
    return places


def test_a_face_is_between_two_looks_where_a_line_puts_it():
    places = places_of([(0.0, {0: 0.0, 1: 5.0}), (0.2, {0: 10.0}), (0.4, {0: 10.0, 2: 7.0})])
    assert places.at(0.0)[0] == Pose(0, 5, 10, 20, 0) and set(places.at(0.0)) == {0, 1}
    assert places.at(0.05)[0] == pytest.approx((2.5, 5, 10, 20, 0)) and set(places.at(0.05)) == {0}
    assert set(places.at(0.3)) == {0} and set(places.at(0.4)) == {0, 2}


def test_a_roll_is_interpolated_the_shorter_way_round():
    places = FacePlaces()
    for time, degrees in ((0.0, 170), (0.2, -170)):
        places.add(time, {0: Pose(0, 0, 10, 20, math.radians(degrees))})
    assert abs(math.degrees(places.at(0.1)[0].roll)) == pytest.approx(180)


def test_before_the_first_look_and_long_after_the_last_nobody_is_there():
    places = places_of([(0.5, {0: 1.0}), (0.6, {0: 1.0})])
    assert places.at(0.4) == {} and places.at(0.6 + 2 * KEEPALIVE) == {}
    assert places.at(0.6 + KEEPALIVE / 2) == places.at(0.6)
    assert places and not places_of([(0.0, {}), (1.0, {})]) and places_of([]).at(0.0) == {}


def test_times_are_mended_by_no_more_than_a_rounding():
    times = [i * 1001 / 30000 for i in range(1000)]
    assert [snapped(times, round(time, 3)) for time in times] == times
    assert snapped(times, times[7] + 0.01) == times[7] + 0.01 and snapped([], 1.5) == 1.5


# --- distorted streams


@pytest.mark.parametrize("code", sorted({*KINDS} - {"VC"}))  # VC does not repeat to the last bit
def test_pictures_are_those_of_the_distortion(cut_video, code):
    with VideoReader(cut_video) as reader:
        raws = [(raw.rgb(), raw.time) for raw in reader][:20]
        end = raws[-1][1] + 0.001
    expected = list(distort_stream(raws, code, 2, fps=FPS, seed=0))
    with VideoReader(cut_video) as reader:
        found = [(picture(), time) for time, picture in distorted(reader, (code, 2), FPS, end)]
    assert len(found) == len(expected)
    clean_times = [time for _, time in raws]
    for (mine, my_time), (theirs, their_time) in zip(found, expected, strict=True):
        assert np.array_equal(mine, theirs) and my_time == pytest.approx(their_time, abs=0.001)
        assert code == "FPS" or my_time in clean_times


@pytest.fixture(scope="module")
def under_all(cut_video):
    """The scores of a video clean and under every kind at level 5 (FPS at 3: 15 frames per second)."""
    manifest = Manifest(cut_video.parent, (Entry(cut_video.name, 1, "test"),))
    kinds = tuple((code, 3 if code == "FPS" else 5) for code in KINDS)
    return score_manifest(manifest, FAST, settings=ScoringSettings(distortions=kinds))


@pytest.mark.parametrize("code", PUBLISHED + tuple(code for code in BEYOND if code not in ("DROP", "FPS")))
def test_what_leaves_time_alone_is_scored_on_the_same_clips(under_all, code):
    clean, mine = under_all.select(distortion=""), under_all.select(distortion=code)
    for name in ("track", "clip", "t0", "t1", "status", "label"):
        assert mine[name].tolist() == clean[name].tolist(), name
    assert (mine["level"] == 5).all()
    assert (mine["logit"] != clean["logit"]).any()


def test_of_many_clips_the_same_are_chosen_under_a_distortion(cut_video):
    manifest = Manifest(cut_video.parent, (Entry(cut_video.name, 1, "test"),))
    of_all, of_some = (
        score_manifest(manifest, FAST, ScoringSettings(Settings(3.0, max_clips), distortions=(("GB", 1),)))
        for max_clips in (0, 2)
    )
    assert of_some.about["settings"]["max_clips"] == 2 and "max_clips" not in of_all.about["settings"]
    for track in (0, 1):
        whole, clean, softened = (
            scores.select(distortion=code, track=track)["t0"].tolist()
            for scores, code in ((of_all, ""), (of_some, ""), (of_some, "GB"))
        )
        assert clean == softened == whole[:: step_of(len(whole), 2)] and len(clean) <= 2 < len(whole)


def test_frames_that_are_missing_stretch_a_clip(under_all):
    mine, clean = under_all.select(distortion="DROP"), under_all.select(distortion="")
    assert {*mine["track"].tolist()} == {*clean["track"].tolist()}
    lengths = mine["t1"] - mine["t0"]
    assert lengths.max() > 7 / FPS + 0.01 and lengths.min() > 7 / FPS - 0.001


def test_at_a_lower_rate_a_clip_lasts_longer(under_all):
    mine = under_all.select(distortion="FPS")
    assert mine["t1"] - mine["t0"] == pytest.approx(7 / 15)
    assert {*mine["track"].tolist()} == {0, 1}


def test_without_the_clean_ones_the_distorted_are_the_same(under_all, cut_video):
    manifest = Manifest(cut_video.parent, (Entry(cut_video.name, 1, "test"),))
    alone = score_manifest(manifest, FAST, settings=ScoringSettings(distortions=(("GB", 5),), clean=False))
    assert {*alone["distortion"].tolist()} == {"GB"}
    assert alone["logit"].tolist() == under_all.select(distortion="GB")["logit"].tolist()


def test_what_is_left_out_of_the_clean_video_is_left_out_under_a_distortion(tmp_path):
    """Pixelated until 1.5 s, of which a part of the video begins at 1 s: its clip at 2 s is scored, that at 1 s not."""
    frames = [mosaic(image, 10) if i < 45 else image for i, image in enumerate(sample_frames("sample_woman", 70))]
    write_frames(tmp_path / "a.mp4", frames, fps=FPS)
    manifest = Manifest(tmp_path, (Entry("a.mp4", 1, "test", start=1.0),))
    for clean in (True, False):
        found = score_manifest(manifest, FAST, settings=ScoringSettings(distortions=(("GB", 3),), clean=clean))
        assert found["distortion"].tolist() == [""] * clean + ["GB"]
        assert found["status"].tolist() == ["scored"] * len(found["t0"]) and found["t0"] == pytest.approx(2.0)


def test_a_video_without_a_face_has_a_row_under_each_condition(tmp_path):
    write_frames(tmp_path / "grey.mp4", [np.full((96, 96, 3), 99, np.uint8)] * 10)
    manifest = Manifest(tmp_path, (Entry("grey.mp4", 0, "test"), Entry("gone.mp4", 0, "test")))
    scores = score_manifest(manifest, FAST, settings=ScoringSettings(distortions=(("GB", 1), ("VC", 2))))
    assert scores["status"].tolist() == ["no_face"] * 3 + ["unreadable"] * 3
    assert scores["distortion"].tolist() == ["", "GB", "VC"] * 2 and scores["level"].tolist() == [0, 1, 2] * 2
