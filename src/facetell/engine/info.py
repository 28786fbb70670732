"""What a model file says of itself, and how its logits become probabilities."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields

import numpy as np

from facetell.engine.correlated import half_width
from facetell.types import FacetellError

Z95 = 1.959964  # two-sided 95 % of the normal distribution


@dataclass(frozen=True, slots=True)
class Calibration:
    """Platt scaling of a video's mean logit x: the calibrated logit is ``x / temperature + bias``.

    Attributes:
        temperature: > 0.
        bias: on the logit scale.
        covariance: of (1 / temperature, bias), row by row, from a bootstrap over the calibration videos.
        clip_std: standard deviation of the clip logits within one video, median over the calibration videos; the prior
            for tracks with few clips.
        threshold: minimum probability for "forged" in a video with one face.
        false_positives: false positive rate that the threshold was chosen for; 0 where it was not.
        tail: scale of the exponential upper tail of genuine videos on the calibrated logit scale, see
            :func:`facetell.evaluate.platt.tail_scale`; 0 where it is not known.
    """

    temperature: float = 1.0
    bias: float = 0.0
    covariance: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    clip_std: float = 0.0
    threshold: float = 0.5
    false_positives: float = 0.0
    tail: float = 0.0

    def probability(self, logit: float) -> float:
        """Calibrated probability of "forged" of a raw logit."""
        return sigmoid(logit / self.temperature + self.bias)

    def interval(self, logits: Sequence[float]) -> tuple[float, float]:
        """95 % interval of the probability of a track.

        It covers the calibrated probability of the track's expected logit: the mean over further clips of the same
        face in the same recording. Two uncertainties add up on the logit scale: that of the mean of few, serially
        correlated clips (:func:`facetell.engine.correlated.half_width`), and that of the calibration
        (``covariance``). It does not cover how far other recordings of the same person would lie apart.

        Args:
            logits: of the track's clips in order of time, at least one.
        """
        mean = float(np.mean(logits))
        of_mean = float(half_width(logits, self.clip_std)) / self.temperature
        at = np.array([mean, 1.0])
        of_calibration = float(at @ np.reshape(self.covariance, (2, 2)) @ at)
        half = math.hypot(of_mean, Z95 * math.sqrt(max(of_calibration, 0.0)))
        center = mean / self.temperature + self.bias
        return sigmoid(center - half), sigmoid(center + half)

    def threshold_of(self, faces: int) -> float:
        """Minimum probability for "forged" of the highest-scoring of several faces.

        The highest of n genuine faces reaches a threshold more often than one does. To let through ``false_positives``
        of the genuine videos, each face may reach it with the probability ``1 - (1 - false_positives)^(1 / n)`` (Sidak;
        faces of one video that score alike reach it less often). Beyond ``threshold`` the genuine videos are taken to
        thin out exponentially with the scale ``tail``.

        Args:
            faces: number of scored faces, >= 1.

        Returns:
            ``threshold`` for one face, and where ``tail`` or ``false_positives`` is 0.

        Example:
            >>> calibration = Calibration(threshold=0.8, false_positives=0.05, tail=1.0)
            >>> [round(calibration.threshold_of(n), 3) for n in (1, 2, 8)]
            [0.8, 0.888, 0.969]
        """
        if not (faces > 1 and self.tail and self.false_positives):
            return self.threshold
        of_each = -math.expm1(math.log1p(-self.false_positives) / faces)
        odds = math.log(self.threshold / (1 - self.threshold))
        return sigmoid(odds + self.tail * math.log(self.false_positives / of_each))


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
