"""Two real people, cut out of the sample clips with their landmarks."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from facetell.assets import locate
from facetell.faces.crop import clip_crop, crop_frame, crop_matrix
from facetell.faces.detector import FaceDetector
from facetell.faces.mesh import FaceMesh
from facetell.types import Face, FloatArray, UInt8Array

FaceClip = tuple[UInt8Array, FloatArray]


def face_clip(path: Path, length: int, step: int, size: int = 160) -> FaceClip:
    """``length`` frames of the first face, cut by one square of twice the face: frames and landmarks in pixels."""
    detector, mesh = FaceDetector(), FaceMesh()
    images: list[UInt8Array] = []
    faces: list[Face] = []
    with av.open(str(path)) as container:
        for index, picture in enumerate(container.decode(video=0)):
            if index % step:
                continue
            image = np.asarray(picture.to_ndarray(format="rgb24"), dtype=np.uint8)
            faces.append(
                mesh.from_previous(image, faces[-1]) if faces else mesh.from_detection(image, detector.detect(image)[0])
            )
            images.append(image)
            if len(images) == length:
                break
    crop = clip_crop([face.pose for face in faces], 2.0)
    matrix = crop_matrix(crop, size)
    landmarks = np.stack([face.landmarks for face in faces]) @ matrix[:, :2].T + matrix[:, 2]
    return np.stack([crop_frame(image, crop, size) for image in images]), landmarks.astype(np.float32)


@pytest.fixture(scope="session")
def woman_face() -> FaceClip:
    cv2.setNumThreads(1)
    return face_clip(locate("sample_woman"), 8, 3)


@pytest.fixture(scope="session")
def man_face() -> FaceClip:
    return face_clip(locate("sample_man"), 6, 4, size=192)
