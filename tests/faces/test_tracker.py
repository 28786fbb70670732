"""Detection, mesh and tracking on real footage, and on pictures made of it."""

import cv2
import numpy as np
import pytest

from facetell.faces.cuts import SceneCuts
from facetell.faces.detector import Detection, iou, suppress
from facetell.faces.tracker import FaceTracker
from facetell.types import Box, Frame


def canvas(face_image, width, height, places):
    """A grey picture with the sample frame pasted at each (x, y, scale)."""
    picture = np.full((height, width, 3), 90, np.uint8)
    for x, y, scale in places:
        small = cv2.resize(face_image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        h, w = small.shape[:2]
        picture[y : y + h, x : x + w] = small[: height - y, : width - x]
    return picture


def follow(face_networks, frames, **kwargs):
    tracker = FaceTracker(*face_networks, **kwargs)
    return [tracker.update(frame) for frame in frames]


@pytest.mark.parametrize("sample", ["woman", "man"])
def test_one_person_is_one_track_from_start_to_end(face_networks, frames, request, sample):
    seen = follow(face_networks, frames(request.getfixturevalue(sample))[::3])
    present = [sorted(faces) for faces in seen]
    assert {tuple(p) for p in present} <= {(0,), ()}
    assert sum(map(len, present)) >= 0.97 * len(present)


def test_landmarks_lie_on_the_face(face_networks, frames, man):
    face = follow(face_networks, frames(man, 1))[0][0]
    detection = face_networks[0].detect(frames(man, 1)[0].image)[0]
    assert face.landmarks.shape == (468, 2) and face.presence > 0.9
    assert iou(face.box, detection.box) > 0.5
    eyes, mouth = face.landmarks[[33, 263]].mean(axis=0), face.landmarks[[13, 14]].mean(axis=0)
    nose = face.landmarks[1]
    assert eyes[1] < nose[1] < mouth[1]
    assert face.landmarks[33][0] < nose[0] < face.landmarks[263][0]


def test_landmarks_hardly_jitter_on_a_still_picture(face_networks, frames, man):
    image = frames(man, 1)[0].image
    rng = np.random.default_rng(0)
    noisy = [np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8) for _ in range(12)]
    seen = follow(face_networks, [Frame(i, i / 25, picture) for i, picture in enumerate(noisy)])
    places = np.array([faces[0].landmarks for faces in seen])[2:]
    assert places.std(axis=0).mean() < 0.005 * seen[0][0].box.width


def test_people_keep_their_numbers_when_one_leaves(face_networks, frames, woman, man):
    a, b = frames(man, 1)[0].image, frames(woman, 1)[0].image
    both = canvas(a, 1280, 360, [(0, 0, 1.0)])
    both[:, 640:] = b
    alone = both.copy()
    alone[:, :640] = 90
    seen = follow(face_networks, [Frame(i, i / 25, both if i < 5 else alone) for i in range(10)])
    assert sorted(seen[4]) == [0, 1] and len(seen[9]) == 1
    (left,) = seen[9]
    assert seen[4][left].box.center[0] > 640


def test_a_face_behind_a_short_occlusion_keeps_its_number(face_networks, frames, man):
    pictures = [frame.image.copy() for frame in frames(man, 30)]
    for picture in pictures[8:16]:
        picture[:] = 90
    seen = follow(face_networks, [Frame(i, i / 25, picture) for i, picture in enumerate(pictures)])
    assert 0 not in seen[12] and 0 in seen[20] and all(set(faces) <= {0} for faces in seen)


def test_a_face_gone_for_long_comes_back_as_another(face_networks, frames, man):
    image = frames(man, 1)[0].image
    blank = np.full_like(image, 90)
    order = [image] * 3 + [blank] * 50 + [image] * 3
    seen = follow(face_networks, [Frame(i, i / 25, picture) for i, picture in enumerate(order)])
    assert list(seen[2]) == [0] and list(seen[-1]) == [1]


@pytest.mark.parametrize("width", [70, 100, 160, 320])
def test_small_faces_in_a_full_hd_picture_are_found(face_networks, frames, man, width):
    image = frames(man, 1)[0].image
    face = face_networks[0].detect(image)[0].box
    scale = width / face.width
    picture = canvas(image, 1920, 1080, [(700, 200, scale)])
    found = face_networks[0].detect(picture, tiles=True)
    assert len(found) == 1
    assert found[0].box.width == pytest.approx(width, rel=0.25)


def test_the_largest_faces_come_first_when_there_are_too_many(face_networks, frames, man):
    image = frames(man, 1)[0].image
    places = [(0, 0, 1.0), (640, 0, 0.6), (1100, 0, 0.5), (0, 500, 0.7)]
    picture = canvas(image, 1600, 900, places)
    seen = follow(face_networks, [Frame(0, 0.0, picture)], max_faces=2)[0]
    widths = sorted(face.box.width for face in seen.values())
    largest = follow(face_networks, [Frame(0, 0.0, picture)], max_faces=8)[0]
    assert len(largest) == 4
    assert widths == pytest.approx(sorted(face.box.width for face in largest.values())[-2:], rel=0.02)


def test_a_larger_face_that_comes_late_takes_the_place_of_the_smallest(face_networks, frames, man):
    image = frames(man, 1)[0].image
    crowd = canvas(image, 1600, 900, [(0, 0, 0.4), (0, 300, 0.45)])
    with_large = canvas(image, 1600, 900, [(0, 0, 0.4), (0, 300, 0.45), (640, 0, 1.4)])
    tracker = FaceTracker(*face_networks, max_faces=2)
    first = tracker.update(Frame(0, 0.0, crowd))
    assert sorted(first) == [0, 1] and not tracker.crowded
    later = [tracker.update(Frame(i, i / 2, with_large)) for i in range(1, 4)][-1]
    assert len(later) == 2 and tracker.crowded
    kept, newcomer = sorted(later)
    assert newcomer == 2 and later[newcomer].box.width > 2 * first[kept].box.width
    assert first[kept].box.width == max(face.box.width for face in first.values())


def in_one_place(picture, network, size=320):
    """The first face of a picture, brought to the middle of a room."""
    detection = network[0].detect(picture)[0]
    box = network[1].from_detection(picture, detection).box
    scale = 0.35 * size / box.height
    x, y = box.center
    to_room = np.float32([[scale, 0, size / 2 - scale * x], [0, scale, size / 2 - scale * y]])
    face = cv2.warpAffine(picture, to_room, (size, size), borderMode=cv2.BORDER_REPLICATE)
    rows, columns = np.mgrid[:size, :size] - size / 2
    room = np.random.default_rng(0).integers(0, 255, (5, 5, 3), dtype=np.uint8)
    room = cv2.resize(room, (size, size), interpolation=cv2.INTER_CUBIC)
    return np.where((np.hypot(rows / 0.22, columns / 0.19) < size)[..., None], face, room).astype(np.uint8)


def test_another_person_in_the_same_place_is_another_track(face_networks, frames, woman, man):
    a, b = (in_one_place(frames(sample, 1)[0].image, face_networks) for sample in (woman, man))
    for looks in ({*range(12)}, {0, 4, 8, 11}):  # at every frame, and as where no clip needs them
        tracker = FaceTracker(*face_networks)
        seen = {}
        for index in range(12):
            picture = a if index < 6 else b
            assert not tracker.glance(np.ascontiguousarray(picture[::3, ::3, 1]))
            if index in looks:
                seen[index] = list(tracker.update(Frame(index, index / 25, picture)))
        assert seen == {index: [int(index >= 6)] for index in looks}


def test_a_quick_turn_is_no_other_person(face_networks, frames, woman):
    """Looks a fifth of a second apart may differ more than some people do; from frame to frame little changes."""
    tracker = FaceTracker(*face_networks)
    numbers = set()
    for frame in frames(woman, 200):
        tracker.glance(np.ascontiguousarray(frame.image[::5, ::5, 1]))
        if frame.index % 5 == 0:
            numbers |= tracker.update(frame).keys()
    assert numbers == {0}


def test_no_face_gives_no_track(face_networks):
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 255, (360, 640, 3), dtype=np.uint8)
    assert follow(face_networks, [Frame(0, 0.0, picture)])[0] == {}


def test_suppression_keeps_the_best_of_each_face():
    a = Detection(Box(0, 0, 100, 100), 0, 0.9)
    b = Detection(Box(10, 10, 110, 110), 0, 0.8)
    inner = Detection(Box(40, 40, 60, 60), 0, 0.7)
    other = Detection(Box(300, 0, 400, 100), 0, 0.6)
    assert suppress([other, inner, b, a]) == [a, other]


class TestSceneCuts:
    def test_continuous_footage_has_no_cut(self, frames, woman):
        cuts = SceneCuts()
        assert not any(cuts(frame.image[::4, ::4, 1]) for frame in frames(woman))

    def test_a_cut_is_found_where_it_is(self, frames, woman, man):
        cuts = SceneCuts()
        pictures = [f.image for f in frames(woman, 5)] + [f.image for f in frames(man, 5)]
        assert [cuts(image[::4, ::4, 1]) for image in pictures] == [False] * 5 + [True] + [False] * 4

    def test_a_flash_is_no_cut(self, frames, man):
        cuts = SceneCuts()
        image = frames(man, 1)[0].image[::4, ::4, 1]
        bright = np.clip(image.astype(int) + 60, 0, 255).astype(np.uint8)
        assert [cuts(i) for i in (image, bright, image)] == [False, False, False]
