"""Detection, mesh and tracking on real footage, and on frames composed of it."""

import math
from itertools import pairwise

import cv2
import numpy as np
import pytest

from facetell.faces.detector import iou
from facetell.faces.tracker import DETECT_EVERY, LOOK_EVERY, LOOK_EVERY_SETTLED, FaceTracker, is_scene_cut
from facetell.types import Frame
from fixtures import frames_of, rotated_by, sample_frames


def follow(face_networks, images):
    tracker = FaceTracker(*face_networks)
    return [tracker.update(Frame(i, i / 25, image)) for i, image in enumerate(images)]


def test_landmarks_are_on_the_face_and_do_not_jitter(face_networks):
    image = sample_frames("sample_man", 1)[0]
    rng = np.random.default_rng(0)
    noisy = [np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8) for _ in range(12)]
    faces = [found[0] for found in follow(face_networks, [image, *noisy])]
    face = faces[0]
    assert face.landmarks.shape == (468, 2) and face.presence > 0.9
    assert iou(face.box, face_networks[0].detect(image)[0].box) > 0.5
    eyes, mouth, nose = face.landmarks[[33, 263]].mean(axis=0), face.landmarks[[13, 14]].mean(axis=0), face.landmarks[1]
    assert eyes[1] < nose[1] < mouth[1]
    assert face.landmarks[33][0] < nose[0] < face.landmarks[263][0]
    assert np.array([f.landmarks for f in faces[3:]]).std(axis=0).mean() < 0.005 * face.box.width


def test_faces_keep_their_numbers_when_one_leaves(face_networks):
    both = np.hstack([sample_frames(sample, 1)[0] for sample in ("sample_man", "sample_woman")])
    alone = both.copy()
    alone[:, :640] = 90
    seen = follow(face_networks, [both] * 5 + [alone] * 5)
    (left,) = seen[9]
    assert sorted(seen[4]) == [0, 1] and seen[4][left].box.center[0] > 640


def test_a_face_keeps_its_number_behind_a_short_occlusion_and_not_after_a_long_one(face_networks):
    image = sample_frames("sample_man", 1)[0]
    blank = np.full_like(image, 90)
    seen = follow(face_networks, [image] * 3 + [blank] * 8 + [image] * 3 + [blank] * 50 + [image] * 3)
    assert [list(seen[index]) for index in (2, 8, 13, 40, -1)] == [[0], [], [0], [], [1]]


@pytest.mark.parametrize("width", [70, 160, 320])
def test_small_faces_in_a_full_hd_frame_are_found(face_networks, width):
    image = sample_frames("sample_man", 1)[0]
    scale = width / face_networks[0].detect(image)[0].box.width
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    full_hd = np.full((1080, 1920, 3), 90, np.uint8)
    full_hd[200 : 200 + small.shape[0], 400 : 400 + small.shape[1]] = small
    (found,) = face_networks[0].detect(full_hd, tiles=True)
    assert found.box.width == pytest.approx(width, rel=0.25)


@pytest.mark.parametrize("first", ["both", "larger", "smaller"])
def test_at_the_limit_the_larger_face_is_tracked(face_networks, first):
    larger, grey = sample_frames("sample_man", 1)[0], np.full((360, 640, 3), 90, np.uint8)
    scale = 0.5 if first == "smaller" else 0.8  # a tracked face is replaced by a clearly larger one
    small, smaller = cv2.resize(larger, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), grey.copy()
    smaller[: len(small), : small.shape[1]] = small
    parts = {"both": (smaller, larger), "larger": (grey, larger), "smaller": (smaller, grey)}
    for mirror in (1, -1):
        tracker = FaceTracker(*face_networks, max_faces=1)
        for time, name in ((0.0, first), (DETECT_EVERY, "both")):
            (face,) = tracker.update(Frame(0, time, np.hstack(parts[name][::mirror]))).values()
        assert (face.box.center[0] > 640) == (mirror == 1) and face.box.width > 100 and tracker.crowded


def in_one_place(image, networks, size=320):
    box = networks[1].from_detection(image, networks[0].detect(image)[0]).box
    scale = 0.35 * size / box.height
    x, y = box.center
    to_center = np.float32([[scale, 0, size / 2 - scale * x], [0, scale, size / 2 - scale * y]])
    face = cv2.warpAffine(image, to_center, (size, size), borderMode=cv2.BORDER_REPLICATE)
    rows, columns = np.mgrid[:size, :size] - size / 2
    background = np.random.default_rng(0).integers(0, 255, (5, 5, 3), dtype=np.uint8)
    background = cv2.resize(background, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.where((np.hypot(rows / 0.22, columns / 0.19) < size)[..., None], face, background).astype(np.uint8)


def test_another_person_in_the_same_place_is_another_track(face_networks):
    a, b = (in_one_place(sample_frames(sample, 1)[0], face_networks) for sample in ("sample_woman", "sample_man"))
    for searched in ({*range(12)}, {0, 4, 8, 11}):  # every frame, and as where no clip needs them
        tracker, seen = FaceTracker(*face_networks), {}
        for index in range(12):
            image = a if index < 6 else b
            assert not tracker.glance(np.ascontiguousarray(image[::3, ::3, 1]))
            if index in searched:
                seen[index] = list(tracker.update(Frame(index, index / 25, image)))
        assert seen == {index: [int(index >= 6)] for index in searched}


def test_a_scene_without_new_or_lost_faces_is_searched_less_often_for_a_while(face_networks):
    one, other = (sample_frames(sample, 1)[0] for sample in ("sample_woman", "sample_man"))
    alone, both = np.hstack([one, np.full_like(one, 90)]), np.hstack([one, other])
    tracker = FaceTracker(*face_networks)

    def every(time, image):
        is_new = tracker.glance(np.ascontiguousarray(image[::5, ::10, 1]))
        tracker.update(Frame(0, time, image))
        return is_new, tracker.look_every

    assert [every(time, alone)[1] for time in range(20)] == [LOOK_EVERY] * 8 + [LOOK_EVERY_SETTLED] * 12
    *_, entered = (every(time, both)[1] for time in range(20, 23))
    assert len(tracker.active) == 2 and entered == LOOK_EVERY
    assert [every(time, both)[1] for time in range(23, 31)][-1] == LOOK_EVERY_SETTLED
    assert every(40, np.hstack([other, one])) == (True, LOOK_EVERY)  # a cut


def test_a_scene_cut_is_found_and_motion_and_flashes_are_none(woman):
    thumbnails = [image[::4, ::4, 1] for image, _ in frames_of(woman, 200)]
    assert not any(is_scene_cut(a, b) for a, b in pairwise(thumbnails))
    one, other = (sample_frames(sample, 1)[0][::4, ::4, 1] for sample in ("sample_woman", "sample_man"))
    bright = np.clip(one.astype(int) + 60, 0, 255).astype(np.uint8)
    assert is_scene_cut(one, other) and not is_scene_cut(one, bright) and not is_scene_cut(bright, one)


def face_in(face_networks, images):
    (face,) = follow(face_networks, images)[-1].values()
    return face


@pytest.mark.parametrize("degrees", [30, 60, 90, 150, 180, 240, 270, 330])
def test_the_mesh_of_a_rotated_face_is_that_of_the_upright_one(face_networks, degrees):
    upright = sample_frames("sample_man", 3)
    rotated, matrix = rotated_by(upright, degrees)
    face, expected = (face_in(face_networks, images) for images in (rotated, upright))
    expected = expected.landmarks @ matrix[:, :2].T + matrix[:, 2]
    assert np.median(np.linalg.norm(face.landmarks - expected, axis=1)) < 0.04 * face.pose.length
    tilt = math.remainder(face.pose.roll - math.radians(degrees), 2 * math.pi)
    assert abs(math.degrees(tilt)) < 12  # his head is tilted a little


def test_a_detection_without_a_face_does_not_hide_a_rotated_face(face_networks):
    """Above, the upper half of a face, which is detected but has no mesh; below, a face upside down."""
    half, face = sample_frames("sample_man", 1)[0].copy(), sample_frames("sample_woman", 1)[0]
    half[150:] = 90
    assert face_networks[0].detect(half)
    found = face_in(face_networks, [np.vstack([half, np.rot90(face, 2)])])
    assert found.pose.y > 360 and abs(math.degrees(found.pose.roll)) > 160
