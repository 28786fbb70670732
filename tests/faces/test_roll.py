"""Faces that are rotated in the frame plane are found, tracked and cropped upright."""

import math

import cv2
import numpy as np
import pytest

from facetell.faces.tracker import FaceTracker
from facetell.types import Frame
from fixtures import sample_frames

SIDE = 736


def rotated(degrees):
    """Three frames of the man, rotated clockwise, on grey; and the map from his frames to them."""
    images = sample_frames("sample_man", 3)
    height, width = images.shape[1:3]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, 1.0)
    matrix[:, 2] += SIDE / 2 - np.array([width, height]) / 2
    return [cv2.warpAffine(image, matrix, (SIDE, SIDE), borderValue=(90, 90, 90)) for image in images], matrix


def face_in(face_networks, images):
    tracker = FaceTracker(*face_networks)
    (face,) = [tracker.update(Frame(i, i / 30, image)) for i, image in enumerate(images)][-1].values()
    return face


@pytest.fixture(scope="module")
def upright(face_networks):
    """Landmarks of the man in pixels of his video."""
    images, matrix = rotated(0)
    back = cv2.invertAffineTransform(matrix)
    return face_in(face_networks, images).landmarks @ back[:, :2].T + back[:, 2]


@pytest.mark.parametrize("degrees", [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 330])
def test_the_mesh_of_a_rotated_face_is_that_of_the_upright_one(face_networks, upright, degrees):
    images, matrix = rotated(degrees)
    face = face_in(face_networks, images)
    expected = upright @ matrix[:, :2].T + matrix[:, 2]
    assert np.median(np.linalg.norm(face.landmarks - expected, axis=1)) < 0.04 * face.pose.length
    turn = math.remainder(face.pose.roll - math.radians(degrees), 2 * math.pi)
    assert abs(math.degrees(turn)) < 12  # his head is tilted a little


def test_a_detection_without_a_face_does_not_hide_a_rotated_face(face_networks):
    """Above, the upper half of a face, which is detected but has no mesh; below, a face upside down."""
    half, face = sample_frames("sample_man", 1)[0].copy(), sample_frames("sample_woman", 1)[0]
    half[150:] = 90
    assert face_networks[0].detect(half)
    found = face_in(face_networks, [np.vstack([half, np.rot90(face, 2)])])
    assert found.pose.y > 360 and abs(math.degrees(found.pose.roll)) > 160


def test_no_face_is_found_in_a_frame_without_one_however_it_is_rotated(face_networks):
    image = sample_frames("sample_no_face", 1)[0]
    tracker = FaceTracker(*face_networks)
    for turns in range(4):
        assert tracker.update(Frame(turns, 2.0 * turns, np.ascontiguousarray(np.rot90(image, turns)))) == {}
