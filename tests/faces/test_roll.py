"""Faces that are rotated in the frame plane: found, tracked and cropped upright, so that they score as upright ones."""

import math

import cv2
import numpy as np
import pytest

from facetell.faces.tracker import FaceTracker
from facetell.types import Frame, Status, Verdict
from fixtures import sample_frames, write_frames

SIDE = 736
COUNT = 40


def rotated(degrees, count=COUNT):
    """Frames of the man, rotated clockwise, on grey; and the map from his frames to them."""
    images = sample_frames("sample_man", count)
    height, width = images.shape[1:3]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, 1.0)
    matrix[:, 2] += SIDE / 2 - np.array([width, height]) / 2
    turned = [cv2.warpAffine(image, matrix, (SIDE, SIDE), borderValue=(90, 90, 90)) for image in images]
    return turned, matrix


def track(face_networks, images):
    tracker = FaceTracker(*face_networks)
    return [tracker.update(Frame(i, i / 30, image)) for i, image in enumerate(images)]


@pytest.fixture(scope="module")
def upright(face_networks):
    """Landmarks of the man in three frames, in pixels of his video."""
    images, matrix = rotated(0, 3)
    back = cv2.invertAffineTransform(matrix)
    return [faces[0].landmarks @ back[:, :2].T + back[:, 2] for faces in track(face_networks, images)]


@pytest.mark.parametrize("degrees", [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 330])
def test_the_mesh_of_a_rotated_face_is_that_of_the_upright_one(face_networks, upright, degrees):
    images, matrix = rotated(degrees, 3)
    faces = track(face_networks, images)[-1]
    expected = upright[-1] @ matrix[:, :2].T + matrix[:, 2]
    assert len(faces) == 1
    (face,) = faces.values()
    assert np.median(np.linalg.norm(face.landmarks - expected, axis=1)) < 0.04 * face.pose.length
    turn = math.remainder(face.pose.roll - math.radians(degrees), 2 * math.pi)
    assert abs(math.degrees(turn)) < 12  # he holds his head a little to one side


def test_a_video_rotated_in_its_pixels_has_the_score_of_the_upright_one(detector, tmp_path):
    def verdict(degrees):
        images, _ = rotated(degrees)
        return detector(write_frames(tmp_path / f"{degrees}.mp4", images))

    upright = verdict(0)
    assert upright.status is Status.SCORED
    for degrees in (45, 90, 180):
        turned = verdict(degrees)
        assert turned.status is Status.SCORED and turned.verdict is not Verdict.FORGED
        assert turned.probability == pytest.approx(upright.probability, abs=0.1)
        clip, same = turned.tracks[0].clips[0], upright.tracks[0].clips[0]
        assert math.remainder(clip.crop.roll - same.crop.roll - math.radians(degrees), 2 * math.pi) == pytest.approx(
            0, abs=math.radians(4)
        )


def test_a_detection_without_a_face_does_not_hide_a_rotated_face(face_networks):
    """Above, the upper half of a face, which is detected, but has no mesh; below, a face upside down."""
    half, face = sample_frames("sample_man", 1)[0].copy(), sample_frames("sample_woman", 1)[0]
    half[150:] = 90
    image = np.vstack([half, np.rot90(face, 2)])
    assert face_networks[0].detect(half)
    (found,) = FaceTracker(*face_networks).update(Frame(0, 0.0, image)).values()
    assert found.pose.y > 360 and abs(math.degrees(found.pose.roll)) > 160


def test_no_face_is_found_in_a_room_without_one_however_it_is_rotated(face_networks):
    image = sample_frames("sample_no_face", 1)[0]
    tracker = FaceTracker(*face_networks)
    for turns in range(4):
        assert tracker.update(Frame(turns, 2.0 * turns, np.ascontiguousarray(np.rot90(image, turns)))) == {}
