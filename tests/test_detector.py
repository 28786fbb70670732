"""Scoring of real footage and of every kind of unusual or broken input."""

import os
import re
import subprocess
import sys
import weakref
from dataclasses import replace
from pathlib import Path

import cv2
import pytest

import facetell
from facetell.assets import locate
from facetell.detector import Detector, Settings
from facetell.files import file_sha256
from facetell.types import FacetellError, Status, Verdict
from facetell.video.frame import RawFrame
from facetell.video.reader import VideoReader
from fixtures import BROKEN, FAST, ODD, copy_stream, sample_frames, write_frames


def check_scored(verdict):
    assert verdict.status is Status.SCORED, verdict.message
    assert 0 <= verdict.interval[0] <= verdict.probability <= verdict.interval[1] <= 1
    assert verdict.probability == max(t.probability for t in verdict.tracks if t.probability is not None)
    assert verdict.most_suspect is not None and verdict.message == ""


def check_abstained(verdict, status):
    assert verdict.status is status
    assert verdict.probability is None and verdict.interval is None and verdict.verdict is Verdict.NONE
    assert all(track.probability is None for track in verdict.tracks) and verdict.message


def clips_of(verdict):
    return [clip for track in verdict.tracks for clip in track.clips]


@pytest.fixture(scope="module")
def of_woman(detector, woman):
    return detector(woman)


def test_every_second_of_a_real_person_is_scored(of_woman):
    check_scored(of_woman)
    (track,) = of_woman.tracks
    seconds = [int(clip.t0) for clip in track.clips]
    assert set(range(19)) <= set(seconds) and len(seconds) == len(set(seconds))  # of 19.7 s
    assert all(clip.t1 - clip.t0 == pytest.approx(7 * 1001 / 24000, abs=0.002) for clip in track.clips)
    assert all(100 < clip.crop.side < 400 for clip in track.clips)
    assert of_woman.duration == pytest.approx(19.69, abs=0.1) and (of_woman.width, of_woman.height) == (640, 360)


def test_a_result_contains_what_repeating_it_needs(detector, woman, of_woman):
    found = of_woman.provenance
    assert of_woman.sha256 == file_sha256(woman)
    assert found["model"]["sha256"] == detector.engine.sha256
    assert found["settings"]["clips_per_second"] == 1.0
    assert set(found) == {"facetell", "python", "libraries", "model", "engine", "assets", "settings"}
    assert {"av", "ffmpeg", "numpy", "opencv-python-headless", "openvino"} == set(found["libraries"])


def test_settings_for_clips_and_threshold(man):
    dense = Detector(FAST, Settings(clips_per_second=3.0, threshold=0.0))(man)
    check_scored(dense)
    assert len(dense.tracks[0].clips) >= 6 and dense.verdict is Verdict.FORGED
    assert Detector(FAST, Settings(threshold=1.0))(man).verdict is not Verdict.FORGED
    for name, value in {"max_clips": -1, "max_faces": 0, "clips_per_second": 0.0, "threshold": 1.5}.items():
        with pytest.raises(FacetellError, match=name):
            Detector(FAST, Settings(**{name: value}))


def test_with_a_bound_an_even_part_of_the_clips_is_scored_also_without_a_stated_length(woman, of_woman, tmp_path):
    bounded = Detector(FAST, Settings(max_clips=4))
    few = bounded(woman)
    check_scored(few)
    (track,), (whole,) = few.tracks, of_woman.tracks
    assert track.clips_seen == whole.clips_seen == len(whole.clips)
    step = 8 if len(whole.clips) > 16 else 4
    assert [clip.t0 for clip in track.clips] == [clip.t0 for clip in whole.clips[::step]]
    # Fewer frames are searched, so that crops differ by a fraction of a pixel.
    assert [clip.logit for clip in track.clips] == pytest.approx([clip.logit for clip in whole.clips[::step]], abs=0.3)
    assert few.interval[1] - few.interval[0] > of_woman.interval[1] - of_woman.interval[0]
    assert few.provenance["settings"]["max_clips"] == 4 and of_woman.provenance["settings"]["max_clips"] == 0
    path = tmp_path / "live.mkv"
    copy_stream(woman, path, "video", options={"live": "1"})
    with VideoReader(path) as reader:
        assert reader.duration is None
    live = bounded(path)
    assert [clip.logit for clip in clips_of(live)] == [clip.logit for clip in track.clips]
    assert live.duration == pytest.approx(19.69, abs=0.05)


def test_clips_of_a_face_that_disappears_are_scored_then():
    """Two clips of three are held until then: by its length the video could have more."""
    verdict = Detector(FAST, Settings(max_clips=2))(locate("sample_face_then_none"))
    check_scored(verdict)
    (track,) = verdict.tracks
    assert track.clips_seen > 2 >= len(track.clips) and track.clips[0].t0 < 0.5 < track.clips[-1].t0


def test_broken_files_and_what_is_not_a_file_are_unreadable(detector, tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    files = [make(tmp_path) for make in BROKEN.values()]
    (tmp_path / "empty").mkdir()
    for path in (*files, tmp_path / "none.mp4", tmp_path / "empty", tmp_path / "pipe.mp4", Path("/dev/zero")):
        opened = len([*Path("/proc/self/fd").iterdir()])
        verdict = detector(path)
        check_abstained(verdict, Status.DAMAGED if path.name == "moov_only.mp4" else Status.UNREADABLE)
        assert str(path) in verdict.message and not re.search(r"\n|Errno|avcodec", verdict.message)
        assert len([*Path("/proc/self/fd").iterdir()]) == opened
        assert (verdict.sha256 is not None) == (path in files)


def test_any_exception_over_one_video_is_its_status_and_one_of_a_hook_is_not(detector, man, monkeypatch):
    def stop(seconds, duration):
        raise IndexError("stopped by the caller")

    with pytest.raises(IndexError, match="stopped by the caller"):
        detector(man, stop)

    def fail(frame):
        raise IndexError("no plane\nof that number")

    monkeypatch.setattr(RawFrame, "rgb", fail)
    verdict = detector(man)
    check_abstained(verdict, Status.UNREADABLE)
    assert "cannot be scored (IndexError: no plane)" in verdict.message and "\n" not in verdict.message


ABSTENTIONS = {"one_frame": Status.TOO_SHORT, "tiny": Status.NO_FACE, "ribbon": Status.NO_FACE}
NOTED = {"truncated", "damaged", "variable_rate"}


@pytest.mark.parametrize("name", sorted(set(ODD) - {"twenty_faces"}))
def test_unusual_files_are_scored_or_abstained_from_with_a_reason(detector, name, tmp_path):
    verdict = detector(ODD[name](tmp_path))
    if name in ABSTENTIONS:
        check_abstained(verdict, ABSTENTIONS[name])
    else:
        check_scored(verdict)
        assert len(verdict.tracks) == 1
        assert bool(verdict.warnings) == (name in NOTED)


def test_a_face_is_scored_where_it_is(detector):
    check_abstained(detector(locate("sample_no_face")), Status.NO_FACE)
    first, second = (detector(locate(f"sample_{name}")) for name in ("face_then_none", "none_then_face"))
    check_scored(first)
    check_scored(second)
    assert max(clip.t1 for clip in clips_of(first)) < 3.2 and min(clip.t0 for clip in clips_of(second)) > 2.8


def test_twenty_faces_are_tracked_up_to_the_limit(detector, tmp_path):
    path = ODD["twenty_faces"](tmp_path)
    verdict = Detector(FAST, settings=Settings(max_faces=20))(path)
    assert len(verdict.tracks) == 20
    assert verdict.threshold_faces == 20 and verdict.threshold == detector.threshold_of(20) > detector.threshold
    five = Detector(FAST, settings=Settings(max_faces=5, threshold=0.7))(path)
    assert len(five.tracks) == 5 and any("more than 5 faces" in warning for warning in five.warnings)
    assert (five.threshold, five.threshold_faces) == (0.7, 1)  # a given threshold is not corrected


def test_a_small_face_and_a_frozen_part_are_not_scored(detector, tmp_path):
    small = sample_frames("sample_man")[:, 3::6, 2:638:6]
    check_abstained(detector(write_frames(tmp_path / "small.mp4", small)), Status.FACE_TOO_SMALL)
    frames = sample_frames("sample_woman", 48)
    verdict = detector(write_frames(tmp_path / "frozen.mp4", [*frames, *[frames[-1]] * 52], fps=25))
    check_scored(verdict)
    assert len(clips_of(verdict)) == 2
    assert any("2 clips were not scored" in warning for warning in verdict.warnings)


def test_a_scene_cut_ends_the_track_and_no_clip_contains_it_and_the_clear_face_decides(tmp_path):
    blurred = (cv2.GaussianBlur(image, (0, 0), 5) for image in sample_frames("sample_man", 30))
    path = write_frames(tmp_path / "cut.mp4", [*sample_frames("sample_woman", 20), *blurred], fps=25)
    verdict = Detector(FAST, Settings(threshold=0.0))(path)
    assert len(verdict.tracks) == 2 and all(clip.t1 < 0.8 or clip.t0 >= 0.8 for clip in clips_of(verdict))
    assert (verdict.verdict, verdict.probability) == (Verdict.FORGED, min(t.probability for t in verdict.tracks))
    assert verdict.ranked[0].probability < verdict.ranked[1].probability
    assert verdict.most_suspect in verdict.ranked[0].clips


def test_a_run_repeats_bit_for_bit_and_holds_no_more_frames_than_one_clip_needs(detector, woman, of_woman, monkeypatch):
    """Counts the RGB frames that are referenced while a video is read."""
    alive = set()
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
    assert replace(detector(woman), seconds_spent=0) == replace(of_woman, seconds_spent=0)
    assert 0 < most <= detector.engine.info.clip_frames + 4


DETECT = "import facetell, facetell.assets as a; facetell.detect(a.locate('sample_no_face'), 'facetell-fast')"
TRAINING = {"torch", "onnxruntime", "onnx", "matplotlib", "facetell.train", "facetell.forge", "facetell.models"}


@pytest.mark.parametrize(
    ("code", "unwanted"), [("import facetell", {"torch", "cv2", "numpy", "openvino"}), (DETECT, TRAINING)]
)
def test_large_libraries_are_imported_only_when_needed(code, unwanted):
    code = f"{code}; import sys; found = {unwanted} & set(sys.modules); assert not found, found"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_package_exports_its_public_names():
    assert all(getattr(facetell, name) is not None for name in facetell.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = facetell.nonsense
