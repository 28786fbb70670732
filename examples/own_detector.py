"""A detector of one's own: a function of a clip, used as a model by every command.

    cd examples
    facetell score MANIFEST --model own_detector:predict --out own.parquet
    facetell evaluate own.parquet --out tables

This one measures how much finer detail the face has than its surroundings: pasted faces are often softer. It shows the
interface and is no good detector.
"""

from __future__ import annotations

import cv2
import numpy as np


def predict(frames: np.ndarray, fps: float, face_boxes: np.ndarray) -> float:
    """The logit of one clip, positive = forged.

    Args:
        frames: uint8 RGB (T, S, S, 3), consecutive crops of one face.
        fps: their rate.
        face_boxes: float32 (T, 4), x0, y0, x1, y1 in pixels of the crop.
    """
    ratios = []
    for frame, (x0, y0, x1, y1) in zip(frames, face_boxes.astype(int), strict=True):
        detail = np.abs(cv2.Laplacian(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.CV_32F))
        inside = np.zeros(detail.shape, bool)
        inside[y0:y1, x0:x1] = True
        ratios.append(np.log((detail[~inside].mean() + 1) / (detail[inside].mean() + 1)))
    return float(np.mean(ratios))


# Optional: the clips that the function wants. Every key is one of facetell.engine.ModelInfo.
predict.model = {"clip_frames": 4, "size": 160, "crop_scale": 1.8}
