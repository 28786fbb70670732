"""The main job on real footage and on every kind of odd or broken input."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import av
import pytest

import facetell
from facetell.assets import locate
from facetell.detector import Detector, Settings
from facetell.types import FacetellError, Status, Verdict
from facetell.video.reader import VideoReader
from facetell.video.writer import VideoWriter
from fixtures import BROKEN, FAST, ODD, at_rate, mosaic, sample_frames, write_frames
from video.odd_clocks import avi_of_double_rate, h264, mp4_without_ctts


def check_scored(verdict):
    assert verdict.status is Status.SCORED, verdict.message
    assert 0 <= verdict.interval[0] <= verdict.probability <= verdict.interval[1] <= 1
    assert verdict.probability == max(t.probability for t in verdict.tracks if t.probability is not None)
    assert verdict.most_suspect is not None and verdict.message == ""


def check_abstained(verdict, status):
    assert verdict.status is status
    assert verdict.probability is None and verdict.interval is None and verdict.verdict is Verdict.NONE
    assert all(track.probability is None for track in verdict.tracks)
    assert verdict.message


@pytest.fixture(scope="module")
def of_woman(detector, woman):
    return detector(woman)


def test_every_second_of_a_real_person_is_scored(of_woman):
    check_scored(of_woman)
    (track,) = of_woman.tracks
    seconds = [int(clip.t0) for clip in track.clips]
    # 19.7 s: the last period is too short for a clip to be sure of.
    assert set(range(19)) <= set(seconds) and len(seconds) == len(set(seconds))
    assert all(clip.t1 - clip.t0 == pytest.approx(7 * 1001 / 24000, abs=0.002) for clip in track.clips)
    assert all(100 < clip.crop.side < 400 for clip in track.clips)
    assert of_woman.duration == pytest.approx(19.69, abs=0.1) and (of_woman.width, of_woman.height) == (640, 360)


def test_a_run_repeats_bit_for_bit(detector, woman, of_woman):
    assert replace(detector(woman), seconds_spent=0) == replace(of_woman, seconds_spent=0)


def test_what_is_needed_to_repeat_a_run_is_in_the_result(of_woman, detector, woman):
    from facetell.files import file_sha256

    assert of_woman.sha256 == file_sha256(woman)
    assert of_woman.provenance["model"]["sha256"] == detector.engine.sha256
    assert of_woman.provenance["settings"]["clips_per_second"] == 1.0
    assert set(of_woman.provenance) == {"facetell", "python", "libraries", "model", "engine", "assets", "settings"}
    assert {"av", "ffmpeg", "numpy", "opencv-python-headless", "openvino"} == set(of_woman.provenance["libraries"])


def test_denser_scoring_gives_more_clips(man):
    dense = Detector(FAST, settings=Settings(clips_per_second=3.0))(man)
    check_scored(dense)
    assert len(dense.tracks[0].clips) >= 6


@pytest.fixture(scope="module")
def bounded():
    return Detector(FAST, Settings(max_clips=4))


@pytest.fixture(scope="module")
def few(bounded, woman):
    return bounded(woman)


def test_with_a_bound_an_even_part_of_the_clips_is_scored(few, of_woman):
    check_scored(few)
    (track,), (whole,) = few.tracks, of_woman.tracks
    assert track.clips_seen == whole.clips_seen == len(whole.clips)
    step = 8 if len(whole.clips) > 16 else 4
    assert [(clip.t0, clip.logit) for clip in track.clips] == [(c.t0, c.logit) for c in whole.clips[::step]]
    assert few.interval[1] - few.interval[0] > of_woman.interval[1] - of_woman.interval[0]
    assert few.provenance["settings"]["max_clips"] == 4 and of_woman.provenance["settings"]["max_clips"] == 0


def test_a_length_that_no_file_states_changes_nothing(few, bounded, woman, tmp_path):
    path = tmp_path / "live.mkv"
    with av.open(str(woman)) as source, av.open(str(path), "w", options={"live": "1"}) as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                target.mux(packet)
    with VideoReader(path) as reader:
        assert reader.duration is None
    (track,), (same,) = bounded(path).tracks, few.tracks
    assert [clip.logit for clip in track.clips] == [clip.logit for clip in same.clips]


def test_a_face_that_goes_is_scored_when_it_is_gone():
    """Two clips of three are held until then: by its length the video could have given more."""
    verdict = Detector(FAST, Settings(max_clips=2))(locate("sample_face_then_none"))
    check_scored(verdict)
    (track,) = verdict.tracks
    assert track.clips_seen > 2 >= len(track.clips) and track.clips[0].t0 < 0.5 < track.clips[-1].t0


def test_a_negative_bound_is_refused():
    with pytest.raises(FacetellError, match="max_clips is a whole number of at least 0"):
        Detector(FAST, Settings(max_clips=-1))


def test_the_threshold_decides_the_word(man):
    assert Detector(FAST, settings=Settings(threshold=0.0))(man).verdict is Verdict.FORGED
    assert Detector(FAST, settings=Settings(threshold=1.0))(man).verdict is not Verdict.FORGED


@pytest.mark.parametrize("make", BROKEN.values(), ids=BROKEN)
def test_broken_files_are_unreadable(detector, make, tmp_path):
    path = make(tmp_path)
    verdict = detector(path)
    check_abstained(verdict, Status.UNREADABLE)
    assert path.name in verdict.message and "\n" not in verdict.message
    assert verdict.sha256 is not None


def test_what_is_no_file_is_unreadable(detector, tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (tmp_path / "none.mp4", tmp_path, tmp_path / "pipe.mp4", Path("/dev/zero")):
        verdict = detector(path)
        check_abstained(verdict, Status.UNREADABLE)
        assert verdict.sha256 is None and str(path) in verdict.message


TOO_LITTLE = {"one_frame": {Status.TOO_SHORT}, "tiny": {Status.NO_FACE}, "ribbon": {Status.NO_FACE}}


@pytest.mark.parametrize("name", sorted(set(ODD) - {"twenty_faces"}))
def test_odd_files_are_scored_or_abstained_from_with_reason(detector, name, tmp_path):
    verdict = detector(ODD[name](tmp_path))
    if name in TOO_LITTLE:
        check_abstained(verdict, next(iter(TOO_LITTLE[name])))
    else:
        check_scored(verdict)
        assert len(verdict.tracks) == 1


@pytest.mark.parametrize("name", ["truncated", "damaged", "variable_rate"])
def test_damage_and_uneven_time_are_told_beside_the_score(detector, name, tmp_path):
    verdict = detector(ODD[name](tmp_path))
    check_scored(verdict)
    assert verdict.warnings


@pytest.mark.parametrize("fps", [24, 25, 30, 50, 60])
def test_all_frame_rates_give_clips_of_much_the_same_length(detector, fps, tmp_path):
    verdict = detector(at_rate(fps)(tmp_path))
    check_scored(verdict)
    clip = verdict.tracks[0].clips[0]
    assert clip.t1 - clip.t0 == pytest.approx(7 / 25, rel=0.2)


def test_no_face(detector):
    check_abstained(detector(locate("sample_no_face")), Status.NO_FACE)


@pytest.mark.parametrize(("name", "first_half"), [("sample_face_then_none", True), ("sample_none_then_face", False)])
def test_a_face_in_half_of_a_video_is_scored_where_it_is(detector, name, first_half):
    verdict = detector(locate(name))
    check_scored(verdict)
    times = [(clip.t0, clip.t1) for track in verdict.tracks for clip in track.clips]
    if first_half:
        assert max(t1 for _, t1 in times) < 3.2
    else:
        assert min(t0 for t0, _ in times) > 2.8


def test_twenty_faces_are_followed_up_to_the_limit(detector, tmp_path):
    path = ODD["twenty_faces"](tmp_path)
    verdict = Detector(FAST, settings=Settings(max_faces=20))(path)
    assert len(verdict.tracks) == 20
    assert verdict.threshold_faces == 20 and verdict.threshold == detector.threshold_of(20) > detector.threshold
    five = Detector(FAST, settings=Settings(max_faces=5, threshold=0.7))(path)
    assert len(five.tracks) == 5
    assert (five.threshold, five.threshold_faces) == (0.7, 1)  # given: used for any number of faces


def test_a_small_face_is_told_to_be_too_small(detector, man, tmp_path):
    import cv2

    small = [cv2.resize(image, (106, 60), interpolation=cv2.INTER_AREA) for image in sample_frames("sample_man")]
    verdict = detector(write_frames(tmp_path / "small.mp4", small))
    check_abstained(verdict, Status.FACE_TOO_SMALL)
    assert "pixels wide" in verdict.message


def test_a_photo_shown_as_a_video_is_not_scored(detector, tmp_path):
    verdict = detector(write_frames(tmp_path / "photo.mp4", [sample_frames()[0]] * 60, fps=25))
    check_abstained(verdict, Status.NO_MOTION)
    assert "does not move" in verdict.message


def test_a_frozen_part_is_left_out_and_counted(detector, tmp_path):
    frames = sample_frames("sample_woman", 48)
    verdict = detector(write_frames(tmp_path / "frozen.mp4", [*frames, *[frames[-1]] * 52], fps=25))
    check_scored(verdict)
    assert len(verdict.tracks[0].clips) == 2
    assert any("2 clips were not scored" in warning for warning in verdict.warnings)


def test_a_mosaic_over_the_face_is_not_scored(detector, tmp_path):
    frames = [mosaic(image, 8) for image in sample_frames("sample_man", 48)]
    verdict = detector(write_frames(tmp_path / "mosaic.mp4", frames))
    check_abstained(verdict, Status.FACE_OBSCURED)
    assert "pixelated" in verdict.message


def test_a_scene_cut_ends_the_track_and_no_clip_reaches_across(detector, tmp_path):
    frames = [*sample_frames("sample_woman", 20), *sample_frames("sample_man", 30)]
    verdict = detector(write_frames(tmp_path / "cut.mp4", frames, fps=25))
    check_scored(verdict)
    assert len(verdict.tracks) == 2
    assert all(clip.t1 < 0.8 or clip.t0 >= 0.8 for track in verdict.tracks for clip in track.clips)


@pytest.mark.parametrize("make", [avi_of_double_rate, mp4_without_ctts])
def test_stamps_in_decoding_order_change_nothing(detector, make, tmp_path):
    frames = sample_frames()
    expected, verdict = detector(h264(tmp_path / "right.mp4", frames)), detector(make(tmp_path, frames))
    check_scored(verdict)
    assert verdict.tracks[0].clips[0].t1 == pytest.approx(expected.tracks[0].clips[0].t1)
    assert verdict.probability == expected.probability and verdict.fps == expected.fps and verdict.warnings == ()


def test_a_leap_of_the_clock_is_in_no_time_and_no_clip(detector, tmp_path):
    frames = sample_frames("sample_woman", 48)
    times = [number / 24 + 50_000 * (number >= 30) for number in range(48)]
    with VideoWriter(tmp_path / "leap.mkv", fps=24, width=640, height=360, options={"preset": "ultrafast"}) as writer:
        for image, time in zip(frames, times, strict=True):
            writer.write(image, time)
    verdict = detector(tmp_path / "leap.mkv")
    check_scored(verdict)
    assert verdict.duration == pytest.approx(2.0, abs=0.01)
    assert verdict.warnings == ("the clock leaps forward by 13:53:20 at 1.25 s: times here count without the leap",)
    assert all(clip.t1 < 1.25 or clip.t0 > 1.25 for track in verdict.tracks for clip in track.clips)


def test_no_more_than_a_few_frames_are_held_at_a_time(detector, woman, monkeypatch):
    """Every RGB frame that is still referenced is counted while a video runs: the bound is that of one clip."""
    import weakref

    from facetell.video.frame import RawFrame

    alive: set[int] = set()
    most = 0
    convert = RawFrame.rgb

    def counted(self):
        nonlocal most
        image = convert(self).copy()
        alive.add(key := id(image))
        weakref.finalize(image, alive.discard, key)
        most = max(most, len(alive))
        return image

    monkeypatch.setattr(RawFrame, "rgb", counted)
    check_scored(detector(woman))
    assert 0 < most <= detector.engine.info.clip_frames + 4


def test_importing_the_package_imports_no_large_library():
    code = (
        "import sys; import facetell;"
        "heavy = {'torch', 'cv2', 'numpy', 'openvino'} & set(sys.modules); assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_detecting_imports_neither_torch_nor_training():
    code = (
        "import sys; import facetell; from facetell.assets import locate;"
        "facetell.detect(locate('sample_no_face'), 'facetell-fast');"
        "bad = [m for m in sys.modules if m.split('.')[0] in ('torch', 'onnxruntime', 'onnx', 'matplotlib')"
        " or m.startswith(('facetell.train', 'facetell.forge', 'facetell.models'))]; assert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_package_offers_what_it_says():
    for name in facetell.__all__:
        assert getattr(facetell, name) is not None
    assert callable(facetell.detect)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = facetell.nonsense
