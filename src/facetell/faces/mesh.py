"""The 468-point face mesh: landmarks of one face from its approximate position, on OpenVINO."""

from __future__ import annotations

import cv2
import numpy as np

from facetell.assets import locate
from facetell.faces.crop import face_pose, halved
from facetell.faces.detector import Detection
from facetell.faces.runtime import compile_small
from facetell.types import Box, Crop, Face, FloatArray, UInt8Array

SIZE = 192
MARGIN = 1.5  # side of the network's input in lengths of the longer side of the face box


class FaceMesh:
    """Computes 468 landmarks of a face. Raises AssetError if the network is missing or was changed."""

    def __init__(self) -> None:
        self._network = compile_small(locate("face_mesh"))

    def from_detection(self, image: UInt8Array, detection: Detection) -> Face:
        """The mesh of a detected face in a uint8 RGB image (H, W, 3)."""
        box = detection.box
        return self.place(image, Crop(*box.center, max(box.width, box.height), detection.roll))

    def from_previous(self, image: UInt8Array, previous: Face) -> Face:
        """The mesh of a face that was at ``previous`` in an earlier frame."""
        pose = previous.pose
        return self.place(image, Crop(pose.x, pose.y, pose.length, pose.roll))

    def place(self, image: UInt8Array, face: Crop) -> Face:
        """The mesh of the face in a square of the image, which is as long as the face."""
        scale = MARGIN * max(face.side, 1.0) / SIZE
        cos, sin = scale * np.cos(face.roll), scale * np.sin(face.roll)
        rotation = np.array([[cos, -sin], [sin, cos]])
        shift = np.array([face.x, face.y]) - rotation @ np.full(2, SIZE / 2)
        to_image = np.hstack([rotation, shift[:, None]]).astype(np.float32)  # from the input to the frame
        patch = _network_input(image, to_image)
        landmarks, presence = self._network(patch[None].astype(np.float32) * np.float32(1 / 255))
        points = (landmarks.reshape(468, 3)[:, :2] @ to_image[:, :2].T + to_image[:, 2]).astype(np.float32)
        return face_of(points, float(1 / (1 + np.exp(-np.clip(presence.reshape(-1)[0], -60, 60)))))


def _network_input(image: UInt8Array, to_image: FloatArray) -> UInt8Array:
    """Crop the frame; where it shrinks by two or more, it is averaged over areas first, against aliasing."""
    scale = float(np.hypot(to_image[0, 0], to_image[1, 0]))
    if scale >= 2:
        corners = np.array([[0, 0], [SIZE, 0], [0, SIZE], [SIZE, SIZE]]) @ to_image[:, :2].T + to_image[:, 2]
        times = int(np.log2(scale))
        factor = 1 << times
        low = np.clip(np.floor(corners.min(axis=0)), 0, None).astype(int)
        high = np.ceil(corners.max(axis=0)).astype(int) + factor
        patch = image[low[1] : high[1], low[0] : high[0]]
        if min(patch.shape[:2]) >= factor:
            image, to_image = halved(patch, times), to_image / np.float32(factor)
            # Centre i of the shrunk patch is at factor * (i + 0.5) - 0.5 of the patch.
            to_image[:, 2] += (0.5 - low) / factor - 0.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, to_image, (SIZE, SIZE), flags=flags).astype(np.uint8, copy=False)


def face_of(landmarks: FloatArray, presence: float = 1.0) -> Face:
    """The face of a mesh, float32 (468, 2) in pixels."""
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    box = Box(float(low[0]), float(low[1]), float(high[0]), float(high[1]))
    return Face(box, face_pose(landmarks), landmarks, presence)
