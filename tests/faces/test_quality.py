"""Motion and pixelation of clips from encoded files, cropped as in detection."""

import math
from itertools import islice

import cv2
import numpy as np
import pytest

from facetell.assets import locate
from facetell.distort.video import distort_frame
from facetell.faces.clips import ClipAssembler, FrameSampler
from facetell.faces.crop import crop_frame
from facetell.faces.quality import MOVING, PIXELATED, FaceMotion, grid_strength, is_pixelated
from facetell.faces.tracker import FaceTracker
from facetell.types import Crop, Frame
from facetell.video.reader import VideoReader
from fixtures import encode, mosaic, sample_frames, zoomed

FACES = {"sample_woman": Crop(440, 213, 340), "sample_man": Crop(291, 198, 253)}  # of the first frames
LENGTH = 40  # frames: four clips of eight frames, three a second
H264 = {"codec": "libx264", "options": {"preset": "ultrafast", "crf": "23"}}
H264_HARD = {"codec": "libx264", "options": {"preset": "ultrafast", "crf": "35", "g": "12"}}
MPEG4 = {"codec": "mpeg4", "options": {"b": "500k", "g": "12"}}


@pytest.fixture(scope="module")
def clips(face_networks):
    def read(path):
        tracker, found = FaceTracker(*face_networks), []
        with VideoReader(path) as reader:
            sampler, assembler = FrameSampler(reader.info.fps, 25.0), ClipAssembler(8, 160, 1.35, 1 / 3)
            for raw in islice(reader, LENGTH):
                number = sampler.take(raw.time)
                frame = Frame(raw.index, raw.time, raw.rgb())
                poses = {track: face.pose for track, face in tracker.update(frame).items()}
                found += assembler.push(number, frame, poses)
        assert len(found) >= 2 and len({clip.track_id for clip in found}) == 1
        return found

    return read


@pytest.fixture
def encoded_clips(clips, tmp_path):
    return lambda images, how: clips(encode(tmp_path / "a.mkv", images, pix_fmt="yuv420p", fps=25, **how))


def face_motion(clips):
    motion = FaceMotion()
    for clip in clips:
        motion.add(clip.frames)
    return motion


def still(image):
    return [image] * LENGTH


def zoom(image):
    return [zoomed(image, 1 + 0.002 * index) for index in range(LENGTH)]


def pan(image):
    return [zoomed(image, 1.1, index - LENGTH / 2) for index in range(LENGTH)]


def captioned(image):
    """A photo with a moving caption below the face and a moving background beside it."""
    frames = []
    for index in range(LENGTH):
        frame = image.copy()
        frame[:, :120] = np.roll(frame[:, :120], 4 * index, axis=0)
        cv2.putText(frame, "BREAKING NEWS", (600 - 8 * index, 356), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (255, 255, 0), 2)
        frames.append(frame)
    return frames


@pytest.mark.parametrize(
    ("kind", "how"), [(still, H264), (still, H264_HARD), (still, MPEG4), (zoom, H264), (pan, H264), (captioned, H264)]
)
def test_a_still_image_does_not_move_whatever_is_done_to_it(encoded_clips, kind, how):
    assert face_motion(encoded_clips(kind(sample_frames()[0]), how)).is_absent


def test_an_encoder_that_refines_a_small_photo_is_no_motion(encoded_clips):
    """A face of 39 pixels, compressed hard: the frames of the first clip differ visibly, later ones do not."""
    image = cv2.resize(sample_frames("sample_man")[0], (160, 90), interpolation=cv2.INTER_AREA)
    how = {"codec": "libx264", "options": {"preset": "ultrafast", "crf": "31"}}
    motion = face_motion(encoded_clips(still(image), how))
    assert motion.is_absent and max(motion.within) > MOVING


def test_a_person_moves_however_little_and_with_repeated_frames(clips, encoded_clips):
    repeated = sample_frames("sample_woman", LENGTH)[::2].repeat(2, axis=0)
    for found in (clips(locate("sample_man")), clips(locate("sample_woman")), encoded_clips(repeated, H264)):
        motion = face_motion(found)
        assert not motion.is_absent and min(motion.within) > 0


def test_a_flicker_of_the_light_is_no_motion_and_hides_none(clips):
    moving = clips(locate("sample_woman"))[0].frames
    gains = np.array([1, 1.3, 1, 1.1, 1, 1.3, 1, 1.1]).reshape(-1, 1, 1, 1) * 0.7
    for clip, moves in ((moving, True), (moving[:1].repeat(8, axis=0), False)):
        assert FaceMotion().add((clip * gains).astype(np.uint8)) is moves


def test_a_dissolve_and_a_jump_are_no_motion():
    one, other = (crop_frame(sample_frames(name)[0], crop, 160) for name, crop in FACES.items())
    for shares in (np.linspace(0, 1, 8), np.array([0, 0, 0, 0, 0, 1, 1, 1])):
        assert not FaceMotion().add(np.stack([cv2.addWeighted(other, share, one, 1 - share, 0) for share in shares]))


def test_few_clips_are_enough_only_if_nothing_changes_in_the_latest():
    clip = np.stack([crop_frame(sample_frames()[0], FACES["sample_woman"], 160)] * 8)
    noisy = np.clip(clip + np.random.default_rng(0).normal(0, 4, (8, 20, 20, 1)).repeat(8, 1).repeat(8, 2), 0, 255)
    motion = FaceMotion(kept=2)
    assert not motion.is_absent
    assert not motion.add(clip) and motion.is_absent
    assert motion.add(noisy.astype(np.uint8)) and not motion.is_absent
    assert not motion.add(clip) and not motion.add(clip) and motion.is_absent, "only the two latest clips count"


@pytest.mark.parametrize("degrees", [0, 12, -30, 90])
def test_the_cells_are_along_the_axes_of_the_frame_not_of_the_crop(degrees):
    crop = FACES["sample_woman"]._replace(roll=math.radians(degrees))
    assert grid_strength(crop_frame(mosaic(sample_frames()[0], 14), crop, 160), crop.roll) > PIXELATED


@pytest.mark.parametrize(("code", "level"), [("JPEG", 1), ("JPEG", 5), ("GB", 5), ("SCALE", 5), ("BW", 5), ("GNC", 5)])
def test_distortions_of_the_whole_frame_are_no_mosaic(code, level):
    rng = np.random.default_rng(0)
    for name in FACES:
        for scale in (1, 0.5, 0.25):
            image = cv2.resize(sample_frames(name)[0], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            crop = Crop(*(scale * v for v in FACES[name]))
            assert grid_strength(crop_frame(distort_frame(image, code, level, rng), crop, 160)) < 0.8 * PIXELATED


def test_blocks_of_hard_compression_are_no_mosaic(encoded_clips):
    how = {"codec": "mpeg4", "options": {"qmin": "31", "qmax": "31"}}
    small = [cv2.resize(image, (320, 180), interpolation=cv2.INTER_AREA) for image in sample_frames("sample_woman", 24)]
    assert not any(is_pixelated(clip.frames, clip.crop.roll) for clip in encoded_clips(small, how))
