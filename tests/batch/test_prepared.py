"""Prepared clips are read back with OpenCV alone, and show what was cut."""

import json
import subprocess
import sys

import numpy as np
import pytest

from facetell.batch.cut import CODECS, cut_stretches
from facetell.batch.locate import FaceFinder, PrepareSettings, Stretch
from facetell.batch.patch import Patch
from facetell.batch.prepare import LARGEST
from facetell.datasets.prepared import read_clip, read_prepared
from facetell.faces.crop import crop_frame
from facetell.types import Box, Crop, FacetellError
from prepare_videos import in_video, man, write_frames


@pytest.fixture(scope="module")
def finder():
    return FaceFinder()


@pytest.fixture(scope="module", params=list(CODECS))
def cut(request, finder, tmp_path_factory):
    """One clip of the man, the stretch that it was cut by, and the frames that it was cut from."""
    folder = tmp_path_factory.mktemp("cut")
    path = write_frames(folder / "man.mkv", man(20), codec="ffv1", pix_fmt="bgr0")
    (stretch,) = finder.locate(path, PrepareSettings(request.param, 256), folder).stretches
    (made,), damage = cut_stretches(path, [stretch], folder, request.param)
    assert damage == ()
    return made, stretch


def test_frames_and_colours_are_preserved(cut):
    made, stretch = cut
    clip = read_clip(made.file)
    assert clip.frames.dtype == np.uint8 and clip.frames.shape == (20, 256, 256, 3) and made.frames == 20
    expected = np.stack([crop_frame(image, Crop.of_square(stretch.square), 256) for image in man(20)]).astype(
        np.float64
    )
    error = clip.frames - expected
    assert 10 * np.log10(255**2 / np.mean(error**2)) > 40  # decibels
    assert np.abs(error.mean(axis=(0, 1, 2))).max() < 2


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("size", [128, LARGEST])
def test_strong_colours_are_understood(codec, size, tmp_path):
    """A matrix or range that is taken for another is wrong by 10 and more."""
    colours = np.array([[230, 20, 20], [20, 220, 20], [20, 20, 230], [128, 128, 128], [0, 0, 0], [255, 255, 255]])
    card = np.repeat(colours, 110, axis=0).astype(np.uint8)[None].repeat(660, axis=0)
    path = write_frames(tmp_path / "card.mkv", [card] * 8, codec="ffv1", pix_fmt="bgr0")
    np.savez(tmp_path / "points.npz", landmarks=np.zeros((8, 468, 2), np.float32), times=np.arange(8) / 30)
    patch = Patch(0, 0, 660, 660, factor=1)
    stretch = Stretch(0, 0, 7, Box(0, 0, 660, 660), patch, size, 400.0, tmp_path / "points.npz")
    ((made,), _) = cut_stretches(path, [stretch], tmp_path, codec)
    clip = read_clip(made.file)
    middles = ((np.arange(6) + 0.5) * size / 6).astype(int)
    assert np.abs(clip.frames[:, size // 2, middles].astype(int) - colours).max() <= 4


def test_landmarks_lie_on_the_faces(cut, finder):
    """An independent check: the face is detected in the clip that was read back."""
    clip = read_clip(cut[0].file)
    assert clip.landmarks.dtype == np.float32 and clip.landmarks.shape == (20, 468, 2)
    for image, points in zip(clip.frames[::5], clip.landmarks[::5], strict=True):
        (detection,) = finder._detector.detect(image)
        face = finder.mesh.from_detection(image, detection)
        apart = np.linalg.norm(face.landmarks - points, axis=1)
        assert np.median(apart) < 0.02 * face.pose.length


def test_landmarks_square_and_times_are_those_of_the_video(cut):
    made, stretch = cut
    clip = read_clip(made.file)
    with np.load(stretch.points) as located:
        assert in_video(clip) == pytest.approx(located["landmarks"], abs=0.01)
        assert np.array_equal(clip.times, located["times"])
    assert clip.times.dtype == np.float64 and clip.square == stretch.square
    assert (made.start, made.end) == (clip.times[0], clip.times[-1])


def test_reading_needs_opencv_and_numpy_alone(cut):
    code = (
        "import sys\n"
        "for name in ('av', 'openvino', 'torch', 'rich', 'scipy'): sys.modules[name] = None\n"
        "from facetell.datasets.prepared import read_clip, read_prepared\n"
        "import json; clip = read_clip(sys.argv[1])\n"
        "heavy = [n for n in sys.modules if n.split('.')[0] in ('av', 'openvino') and sys.modules[n] is not None]\n"
        "print(json.dumps([list(clip.frames.shape), heavy]))"
    )
    done = subprocess.run([sys.executable, "-c", code, cut[0].file], check=True, capture_output=True, text=True)
    assert json.loads(done.stdout) == [[20, 256, 256, 3], []]


def test_faults_are_messages(cut, tmp_path):
    with pytest.raises(FacetellError, match=r"cannot be read .* prepare its video again"):
        read_clip(tmp_path / "none.mp4")
    video, beside = cut[0].file, cut[0].file.with_suffix(".npz")
    for content in (b"", b"PK\x03\x04 cut off", beside.read_bytes()[:500]):
        (tmp_path / "clip.npz").write_bytes(content)
        with pytest.raises(FacetellError, match="cannot be read"):
            read_clip(tmp_path / f"clip{video.suffix}")
    (tmp_path / "clip.npz").write_bytes(beside.read_bytes())
    with pytest.raises(FacetellError, match="has 0 frames of 20; prepare"):
        read_clip(tmp_path / f"clip{video.suffix}")
    other = write_frames(tmp_path / "clip.mp4", man(9))
    with pytest.raises(FacetellError, match="has 9 frames of 20"):
        read_clip(other)


def test_what_is_no_prepared_folder(tmp_path):
    with pytest.raises(FacetellError, match="is not a prepared folder; make one"):
        read_prepared(tmp_path)
    (tmp_path / "prepare.json").write_text("{}")
    with pytest.raises(FacetellError, match="is not complete"):
        read_prepared(tmp_path)
    (tmp_path / "manifest.csv").write_text("path,label,split\na.mp4,0,train\n")
    with pytest.raises(FacetellError, match="holds no clip; its ledger"):
        read_prepared(tmp_path)
