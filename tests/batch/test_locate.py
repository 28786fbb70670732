"""Where clips begin and end, which faces they are of, and that their files show what was cropped."""

import json
import subprocess
import sys

import numpy as np
import pytest

from facetell.batch.locate import LARGEST, LEAST_FRAMES, FaceFinder, PrepareSettings, crop_segments
from facetell.datasets.prepared import read_clip, read_prepared
from facetell.faces.crop import crop_frame, face_pose
from facetell.types import Crop, FacetellError
from fixtures import ODD, in_video, man_face, variable_times, woman_face, write_frames

LOSSLESS = {"codec": "ffv1", "pix_fmt": "bgr0"}


@pytest.fixture(scope="module")
def finder():
    return FaceFinder()


@pytest.fixture
def find(finder, tmp_path):
    def found(path, settings=None):
        located = finder.locate(path, settings or PrepareSettings(), tmp_path)
        return [(segment, dict(np.load(segment.points))) for segment in located.segments]

    return found


def held(segment, landmarks):
    """Whether the crop of a segment holds a rotated one of 1.4 face lengths in every frame, and is not too large."""
    poses = [face_pose(points) for points in landmarks]
    x, y = np.array([Crop(pose.x, pose.y, 1.4 * pose.length, pose.roll).corners for pose in poses]).T
    x0, y0, x1, y1 = segment.square
    inside = min(x.min() - x0, y.min() - y0, x1 - x.max(), y1 - y.max()) >= -1
    return inside and x1 - x0 == y1 - y0 <= 1.2 * LARGEST * min(pose.length for pose in poses)


# --- where segments begin and end


def test_one_crop_holds_a_talking_face(find, woman):
    found = find(woman)
    assert [(segment.first, segment.last) for segment, _ in found] == [(0, 239), (240, 471)]
    for segment, points in found:
        assert held(segment, points["landmarks"])
        assert len(points["times"]) == len(points["landmarks"]) == segment.frames
        assert points["times"][-1] - points["times"][0] <= 10
        assert segment.size == 320 < segment.square.width


def test_a_face_that_moves_away_begins_a_new_segment(find, tmp_path):
    still = np.repeat(man_face(1), 60, axis=0)
    wide = [np.pad(image, ((0, 0), (6 * i, 360 - 6 * i), (0, 0)), mode="edge") for i, image in enumerate(still)]
    found = find(write_frames(tmp_path / "wide.mp4", wide))
    assert len(found) >= 2 and all(held(segment, points["landmarks"]) for segment, points in found)
    assert [s.first for s, _ in found[1:]] == [s.last + 1 for s, _ in found[:-1]]


def test_a_segment_ends_at_a_cut_and_at_the_given_length(find, tmp_path):
    path = write_frames(tmp_path / "cut.mp4", np.concatenate([man_face(15), woman_face(25)]))
    found = [segment for segment, _ in find(path, PrepareSettings(seconds=0.5))]
    assert [(s.first, s.last) for s in found] == [(0, 14), (15, 29), (30, 39)]
    assert found[0].track != found[1].track == found[2].track


def test_a_face_that_is_seen_too_briefly_is_left_out(finder, tmp_path):
    located = finder.locate(write_frames(tmp_path / "a.mp4", man_face(LEAST_FRAMES - 1)), PrepareSettings(), tmp_path)
    assert located.segments == () and located.reason == "faces are visible too briefly or too small"


def test_main_is_the_larger_of_two_faces_and_all_are_both(find, tmp_path):
    path = write_frames(tmp_path / "two.mp4", np.concatenate([man_face(12), woman_face(12)], axis=2))
    (main,) = [segment for segment, _ in find(path)]
    both = [segment for segment, _ in find(path, PrepareSettings(faces="all"))]
    assert len(both) == 2 and main.square in [s.square for s in both]
    assert main.length == max(s.length for s in both) and main.square.x0 > 300  # the woman, on the right
    assert len({s.track for s in both}) == 2 and all(s.frames == 12 for s in both)


def test_times_are_those_of_the_video(find, tmp_path):
    found = np.concatenate([points["times"] for _, points in find(ODD["variable_rate"](tmp_path))])
    expected = np.array(variable_times()) - variable_times()[0]
    assert found == pytest.approx(expected[np.isin(np.round(expected, 3), np.round(found, 3))], abs=1e-3)
    assert len(found) >= LEAST_FRAMES


# --- the files of clips


@pytest.fixture(scope="module")
def clip(finder, tmp_path_factory):
    """One clip of the man as it is read back, its file and its segment."""
    folder = tmp_path_factory.mktemp("clip")
    path = write_frames(folder / "man.mkv", man_face(20), **LOSSLESS)
    (segment,) = finder.locate(path, PrepareSettings(256), folder).segments
    (written,) = crop_segments(path, [segment], folder)
    assert written["frames"] == 20
    return read_clip(written["path"]), written, segment


def test_a_clip_has_the_frames_landmarks_crop_and_times_of_the_video(clip, finder):
    read, written, segment = clip
    assert read.frames.dtype == np.uint8 and read.frames.shape == (20, 256, 256, 3)
    expected = np.stack([crop_frame(image, Crop.of_square(read.square), 256) for image in man_face(20)])
    assert 10 * np.log10(255**2 / np.mean((read.frames - expected.astype(float)) ** 2)) > 40, "in decibels"
    assert np.abs((read.frames - expected.astype(float)).mean(axis=(0, 1, 2))).max() < 2
    with np.load(segment.points) as located:
        assert in_video(read) == pytest.approx(located["landmarks"], abs=0.01)
        assert np.array_equal(read.times, located["times"])
    assert read.landmarks.dtype == np.float32 and read.times.dtype == np.float64 and read.square == segment.square
    assert (written["start"], written["end"]) == (read.times[0], read.times[-1])
    # An independent check: the face is detected in the clip.
    for image, points in zip(read.frames[::5], read.landmarks[::5], strict=True):
        (detection,) = finder._detector.detect(image)
        face = finder._mesh.from_detection(image, detection)
        assert np.median(np.linalg.norm(face.landmarks - points, axis=1)) < 0.02 * face.pose.length


def test_reading_needs_opencv_and_numpy_alone(clip):
    code = (
        "import sys\nfor name in ('av', 'openvino', 'torch', 'rich', 'scipy'): sys.modules[name] = None\n"
        "from facetell.datasets.prepared import read_clip, read_prepared\n"
        "import json; print(json.dumps(read_clip(sys.argv[1]).frames.shape))"
    )
    done = subprocess.run([sys.executable, "-c", code, clip[1]["path"]], check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == [20, 256, 256, 3]


def test_damaged_clips_and_folders_are_one_message(clip, tmp_path):
    video = clip[1]["path"]
    beside = video.with_suffix(".npz")
    path = tmp_path / f"clip{video.suffix}"
    with pytest.raises(FacetellError, match=r"cannot be read .* prepare its video again"):
        read_clip(path)
    (tmp_path / "clip.npz").write_bytes(beside.read_bytes()[:500])
    with pytest.raises(FacetellError, match="cannot be read"):
        read_clip(path)
    (tmp_path / "clip.npz").write_bytes(beside.read_bytes())
    with pytest.raises(FacetellError, match="has 0 frames of 20; prepare"):
        read_clip(path)
    for name, text, message in (
        (None, "", "is not a prepared folder; make one"),
        ("prepare.json", "{}", "is not complete"),
        ("manifest.csv", "path,label,split\na.mp4,0,train\n", "holds no clip; its ledger"),
    ):
        if name:
            (tmp_path / name).write_text(text)
        with pytest.raises(FacetellError, match=message):
            read_prepared(tmp_path)
