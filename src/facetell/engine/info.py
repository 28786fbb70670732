"""What a model file says of itself, and how its logits become probabilities."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields

import numpy as np

from facetell.types import FacetellError

Z95 = 1.959964  # two-sided 95 % of the normal distribution


@dataclass(frozen=True, slots=True)
class Calibration:
    """Platt scaling of a video's mean logit x: the calibrated logit is ``x / temperature + bias``.

    Attributes:
        temperature: > 0.
        bias: on the logit scale.
        covariance: of (1 / temperature, bias), row by row, from a bootstrap over the calibration videos.
        clip_std: standard deviation of the clip logits within one video, median over the calibration videos; stands in
            where a track has too few clips to tell its own.
        threshold: probability from which on a face is called forged.
        false_positives: share of genuine videos that the threshold was chosen to let through; 0 where it was not.
    """

    temperature: float = 1.0
    bias: float = 0.0
    covariance: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    clip_std: float = 0.0
    threshold: float = 0.5
    false_positives: float = 0.0

    def probability(self, logit: float) -> float:
        """Calibrated probability of "forged" of a raw logit."""
        return sigmoid(logit / self.temperature + self.bias)

    def interval(self, logits: Sequence[float]) -> tuple[float, float]:
        """95 % interval of the probability of a track with these clip logits (at least one).

        Two doubts add up on the logit scale: how well few clips tell the track's mean (their own spread, pooled with
        ``clip_std`` as if that had been seen in four further clips), and how well few videos told the calibration.
        """
        x = np.asarray(logits, dtype=np.float64)
        pooled = (((x - x.mean()) ** 2).sum() + 4 * self.clip_std**2) / (len(x) - 1 + 4)
        of_mean = pooled / len(x) / self.temperature**2
        at = np.array([x.mean(), 1.0])
        of_calibration = float(at @ np.reshape(self.covariance, (2, 2)) @ at)
        half = Z95 * math.sqrt(of_mean + max(of_calibration, 0.0))
        center = x.mean() / self.temperature + self.bias
        return sigmoid(center - half), sigmoid(center + half)


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The metadata of a model file (ONNX ``metadata_props``; each value JSON).

    Attributes:
        name: the model's name.
        clip_frames: T.
        frame_rate: frames per second it was trained at.
        size: side S of its input in pixels.
        crop_scale: side of the square in face lengths.
        min_face_width: pixels; narrower faces are not scored.
        calibration: see :class:`Calibration`.
        licence: SPDX identifier of the weights.
        architecture: what :func:`facetell.models.zoo.create_model` needs to build the network again.
        training: summary of data, steps and figures.
    """

    name: str
    clip_frames: int
    frame_rate: float
    size: int
    crop_scale: float
    min_face_width: float = 64.0
    calibration: Calibration = field(default_factory=Calibration)
    licence: str = "Apache-2.0"
    architecture: dict[str, object] = field(default_factory=dict)
    training: dict[str, object] = field(default_factory=dict)

    def to_metadata(self) -> dict[str, str]:
        """One string per field, as ONNX stores them."""
        return {key: json.dumps(value, sort_keys=True) for key, value in asdict(self).items()}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], where: str) -> ModelInfo:
        """Read the fields back; ``where`` names the file in the error.

        Raises:
            FacetellError: a field is missing or unreadable.
        """
        try:
            values = {f.name: json.loads(metadata[f.name]) for f in fields(cls) if f.name in metadata}
            calibration = values.get("calibration", {})
            if calibration:
                calibration["covariance"] = tuple(calibration["covariance"])
            info = cls(**{**values, "calibration": Calibration(**calibration)})
            if not 0 < info.frame_rate < math.inf:
                raise ValueError(f"a frame rate of {info.frame_rate}")
            return info
        except (TypeError, ValueError, KeyError) as error:
            raise FacetellError(
                f"{where} is not a facetell model file (its metadata lack or garble a field: {error}); "
                "export it with `facetell export`"
            ) from None


def sigmoid(x: float) -> float:
    """Logistic function, safe for any float."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
