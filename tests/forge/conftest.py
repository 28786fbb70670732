"""Crops of the faces of two real people, with their landmarks."""

import cv2
import numpy as np
import pytest

from facetell.faces.crop import clip_crop, crop_frame, crop_matrix
from facetell.faces.detector import FaceDetector
from facetell.faces.mesh import FaceMesh
from fixtures import sample_frames


def face_clip(sample, length, step, size):
    """``length`` frames of the face, in one crop of twice its length: frames, and landmarks in pixels of the crop."""
    detector, mesh = FaceDetector(), FaceMesh()
    images = sample_frames(sample, length * step)[::step]
    faces = []
    for image in images:
        face = mesh.from_previous(image, faces[-1]) if faces else mesh.from_detection(image, detector.detect(image)[0])
        faces.append(face)
    crop = clip_crop([face.pose for face in faces], 2.0)
    matrix = crop_matrix(crop, size)
    landmarks = np.stack([face.landmarks for face in faces]) @ matrix[:, :2].T + matrix[:, 2]
    return np.stack([crop_frame(image, crop, size) for image in images]), landmarks.astype(np.float32)


@pytest.fixture(scope="session")
def woman_face():
    cv2.setNumThreads(1)
    return face_clip("sample_woman", 8, 3, 160)


@pytest.fixture(scope="session")
def man_face():
    return face_clip("sample_man", 6, 4, 192)
