"""Where a model stops to hold: the same videos with smaller faces, less sharp, or with fewer clips.

What detection abstains from rests on this: :func:`least_face_width` reads off how small a face may be.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import cv2
import numpy as np

from facetell.evaluate.scores import Scores
from facetell.evaluate.scoring_faces import FacePlaces, Pictures
from facetell.evaluate.treatments import Outcome, Treatment, outcome
from facetell.types import UInt8Array
from facetell.video.reader import VideoReader

WIDTHS = (128, 96, 80, 64, 48, 32)  # pixels
BLURS = (0.01, 0.02, 0.04)  # standard deviation in face widths
SECONDS = (1, 2, 3)
LOSS = 0.05
"""What a smaller face may cost of the AUC, and add to the share of reals above the threshold, and still be scored."""


def by_length(scores: Scores) -> dict[str, Outcome]:
    """The figures where only the first clips of each face are taken; there is one clip a second."""
    clean = scores.select(distortion="")
    return {
        f"seconds{count}": outcome(
            clean.where(clean["clip"] < count).videos(), f"the first {count} s of each face alone"
        )
        for count in SECONDS
    }


def least_face_width(found: Mapping[str, Outcome]) -> int:
    """The least of :data:`WIDTHS` that, as all larger ones, costs no more than :data:`LOSS`; the largest if none does.

    Args:
        found: by treatment, "" of the untreated videos, see :func:`facetell.evaluate.treatments.outcomes`.
    """
    clean, least = found[""], WIDTHS[0]
    for width in WIDTHS:
        shrunken = found[f"width{width}"]
        lost = clean.auc.value - shrunken.auc.value
        more = shrunken.false_positives.value - clean.false_positives.value
        if lost > LOSS or more > LOSS:
            break
        least = width
    return least


def _shrunken(reader: VideoReader, places: FacePlaces, face: int) -> tuple[Pictures, float | None]:
    """Pictures in which the face is so many pixels wide; as they are where it is no wider."""
    scale = min(1.0, face / places.face_width)
    return ((raw.time, partial(_scaled, raw.rgb(), scale)) for raw in reader), reader.info.fps


def _scaled(image: UInt8Array, scale: float) -> UInt8Array:
    if scale == 1:
        return image
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), dtype=np.uint8)


def _softened(reader: VideoReader, places: FacePlaces, share: float) -> tuple[Pictures, float | None]:
    """Pictures blurred by a Gaussian in proportion to the face."""
    sigma = share * places.face_width
    return ((raw.time, partial(_soft, raw.rgb(), sigma)) for raw in reader), reader.info.fps


def _soft(image: UInt8Array, sigma: float) -> UInt8Array:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), dtype=np.uint8)


LIMITS: dict[str, Treatment] = {
    f"width{width}": Treatment(f"faces {width} pixels wide", partial(_shrunken, face=width)) for width in WIDTHS
} | {
    f"blur{share:g}": Treatment(f"blurred by {share:.0%} of the face's width", partial(_softened, share=share))
    for share in BLURS
}
"""By the name that stands in the column ``distortion``."""
