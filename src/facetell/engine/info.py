"""The metadata of a model file, and the calibration that turns its logits into probabilities.

Both classes are pydantic dataclasses: every value is validated, so that a wrong field of a model file is an error with
the name of the field, not a wrong score.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, field, fields
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from facetell.engine.correlated import half_width
from facetell.types import FacetellError

Z95 = 1.959964  # two-sided 95 % of the normal distribution
ROUNDING = 1e-9  # relative tolerance for the symmetry and the determinant of a covariance

Text = Annotated[str, Field(strict=True)]
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Positive = Annotated[Number, Field(gt=0)]


def _is_covariance(values: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    a, b, c, d = values
    within = ROUNDING * max(abs(a), abs(d))
    if not (min(a, d) >= 0 and abs(b - c) <= within and b * c <= a * d + within * max(a, d)):
        raise ValueError("should be symmetric and positive semi-definite, row by row")
    return values


Covariance = Annotated[tuple[Number, Number, Number, Number], AfterValidator(_is_covariance)]

# An unknown field is an error: a later version may need it to compute probabilities.
_CHECKED = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, config=_CHECKED)
class Calibration:
    """Platt scaling of a video's mean logit x: the calibrated logit is ``x / temperature + bias``.

    Values out of range, not finite, or of an unknown field raise ValueError.

    Attributes:
        temperature: > 0.
        bias: on the logit scale.
        covariance: of (1 / temperature, bias), row by row, from a bootstrap over the calibration videos.
        clip_std: standard deviation of the clip logits within one video, median over the calibration videos, >= 0.
        threshold: minimum probability for "forged" in a video with one face, in (0, 1).
        false_positives: false positive rate that the threshold was chosen for, in [0, 1); 0 if unknown.
        tail: scale of the exponential upper tail of genuine videos on the calibrated logit scale, see
            :func:`facetell.metrics.platt.tail_scale`, >= 0; 0 if unknown.
    """

    temperature: Positive = 1.0
    bias: Number = 0.0
    covariance: Covariance = (0.0, 0.0, 0.0, 0.0)
    clip_std: Annotated[Number, Field(ge=0)] = 0.0
    threshold: Annotated[Number, Field(gt=0, lt=1)] = 0.5
    false_positives: Annotated[Number, Field(ge=0, lt=1)] = 0.0
    tail: Annotated[Number, Field(ge=0)] = 0.0

    def probability(self, logit: float) -> float:
        """Calibrated probability of "forged" of a raw logit."""
        return sigmoid(logit / self.temperature + self.bias)

    def interval(self, logits: Sequence[float]) -> tuple[float, float]:
        """95 % interval of the probability of a track, from its clip logits in order of time (at least one).

        It covers the calibrated probability of the mean logit of further clips in the same recording, not the variation
        between recordings. It combines two uncertainties on the logit scale: that of the mean of few, serially
        correlated clips (:func:`facetell.engine.correlated.half_width`), and that of the calibration (``covariance``).
        """
        mean = float(np.mean(logits))
        of_mean = float(half_width(logits, self.clip_std)) / self.temperature
        at = np.array([mean, 1.0])
        of_calibration = float(at @ np.reshape(self.covariance, (2, 2)) @ at)
        half = math.hypot(of_mean, Z95 * math.sqrt(max(of_calibration, 0.0)))
        center = mean / self.temperature + self.bias
        return sigmoid(center - half), sigmoid(center + half)

    def threshold_of(self, faces: int) -> float:
        """Minimum probability for "forged" of the highest-scoring of several faces (at least one).

        The highest of n genuine faces reaches a threshold more often than one does. For the false positive rate of the
        video to be ``false_positives``, that of each face must be ``1 - (1 - false_positives)^(1 / n)`` (Sidak). The
        tail of the genuine videos beyond ``threshold`` is assumed to be exponential with the scale ``tail``. Without
        these two numbers, ``threshold`` is returned for any number of faces.

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


@dataclass(frozen=True, slots=True, config=_CHECKED)
class ModelInfo:
    """The metadata of a model file (ONNX ``metadata_props``; each value JSON); invalid values raise ValueError.

    Attributes:
        name: the model's name.
        clip_frames: T, frames per clip, >= 2.
        frame_rate: frames per second of the training clips, > 0.
        size: side S of the input in pixels, >= 1.
        crop_scale: side of the crop in face lengths, > 0.
        min_face_width: pixels, > 0; narrower faces are not scored.
        max_clips: largest number of clips scored per face, evenly spaced (:mod:`facetell.faces.spread`); 0 for all.
        calibration: see :class:`Calibration`.
        licence: SPDX identifier of the weights.
        architecture: arguments of :func:`facetell.models.zoo.create_model` for the network.
        training: summary of data, steps and metrics.
    """

    name: Text
    clip_frames: Annotated[int, Field(strict=True, ge=2)]
    frame_rate: Positive
    size: Annotated[int, Field(strict=True, ge=1)]
    crop_scale: Positive
    min_face_width: Positive = 64.0
    calibration: Calibration = field(default_factory=Calibration)
    max_clips: Annotated[int, Field(strict=True, ge=0)] = 0
    licence: Text = "Apache-2.0"
    architecture: dict[str, object] = field(default_factory=dict)
    training: dict[str, object] = field(default_factory=dict)

    def to_metadata(self) -> dict[str, str]:
        """The fields as ONNX stores them: one JSON text each."""
        return {key: json.dumps(value, sort_keys=True) for key, value in asdict(self).items()}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], where: str) -> ModelInfo:
        """Read and validate the fields; entries of other names are ignored, as other programs add their own.

        Raises:
            FacetellError: a field is missing, not JSON, or invalid; the message begins with ``where``.
        """
        values: dict[str, Any] = {}
        for name in (known.name for known in fields(cls) if known.name in metadata):
            try:
                values[name] = json.loads(metadata[name])
            except (ValueError, RecursionError):
                raise _unfit(where, f"'{name}' is not JSON: {metadata[name]!r:.80}") from None
        try:
            return cls(**values)
        except ValidationError as error:
            raise _unfit(where, invalid_field(error)) from None


def invalid_field(error: ValidationError) -> str:
    """The first invalid field, its value and the reason, on one line.

    >>> try:
    ...     Calibration(temperature=0.0)
    ... except ValidationError as error:
    ...     print(invalid_field(error))
    'temperature' is 0.0: input should be greater than 0
    """
    first = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return f"'{name}' is missing"
    reason = first["msg"].removeprefix("Value error, ")
    return f"'{name}' is {first['input']!r:.80}: {reason[0].lower()}{reason[1:]}"


def _unfit(where: str, what: str) -> FacetellError:
    return FacetellError(
        f"{where} is not a facetell model file: in its metadata, {what}; use a file written by `facetell export`"
    )


def sigmoid(x: float) -> float:
    """Logistic function, without overflow."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
