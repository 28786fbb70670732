"""The metadata of a model file, and the calibration that turns its logits into probabilities.

Both classes are pydantic dataclasses: every value is checked when an object is made, so that a wrong field of a model
file is an error with the field's name, not a wrong score.
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

from facetell.types import FacetellError

Z95 = 1.959964  # two-sided 95 % of the normal distribution
ROUNDING = 1e-9  # relative; by how much a covariance may miss symmetry and a non-negative determinant

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

# An unknown field is an error: it may be one by which a later version computes probabilities.
_CHECKED = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True, config=_CHECKED)
class Calibration:
    """Platt scaling of a video's mean logit x: the calibrated logit is ``x / temperature + bias``.

    Attributes:
        temperature: > 0.
        bias: on the logit scale.
        covariance: of (1 / temperature, bias), row by row, from a bootstrap over the calibration videos; symmetric and
            positive semi-definite.
        clip_std: standard deviation of the clip logits within one video, median over the calibration videos, >= 0;
            used where a track has too few clips to estimate its own.
        threshold: minimum probability of a face that is called forged, in (0, 1).
        false_positives: false positive rate that the threshold was chosen for, in [0, 1); 0 where it was not.

    Raises:
        ValueError: a value is outside these ranges or not a finite number, or a field is unknown.
    """

    temperature: Positive = 1.0
    bias: Number = 0.0
    covariance: Covariance = (0.0, 0.0, 0.0, 0.0)
    clip_std: Annotated[Number, Field(ge=0)] = 0.0
    threshold: Annotated[Number, Field(gt=0, lt=1)] = 0.5
    false_positives: Annotated[Number, Field(ge=0, lt=1)] = 0.0

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


@dataclass(frozen=True, slots=True, config=_CHECKED)
class ModelInfo:
    """The metadata of a model file (ONNX ``metadata_props``; each value JSON).

    Attributes:
        name: the model's name.
        clip_frames: T, frames of a clip, >= 2: clips are checked for jump cuts between their frames.
        frame_rate: frames per second it was trained at, > 0.
        size: side S of its input in pixels, >= 1.
        crop_scale: side of the crop in face lengths, > 0.
        min_face_width: pixels, > 0; narrower faces are not scored.
        calibration: see :class:`Calibration`.
        licence: SPDX identifier of the weights.
        architecture: what :func:`facetell.models.zoo.create_model` needs to build the network again.
        training: summary of data, steps and figures.

    Raises:
        ValueError: a value is outside these ranges or not a finite number, or a field is unknown.
    """

    name: Text
    clip_frames: Annotated[int, Field(strict=True, ge=2)]
    frame_rate: Positive
    size: Annotated[int, Field(strict=True, ge=1)]
    crop_scale: Positive
    min_face_width: Positive = 64.0
    calibration: Calibration = field(default_factory=Calibration)
    licence: Text = "Apache-2.0"
    architecture: dict[str, object] = field(default_factory=dict)
    training: dict[str, object] = field(default_factory=dict)

    def to_metadata(self) -> dict[str, str]:
        """One string per field, as ONNX stores them."""
        return {key: json.dumps(value, sort_keys=True) for key, value in asdict(self).items()}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], where: str) -> ModelInfo:
        """Read and check the fields of a model file.

        Further entries of ``metadata`` are ignored: other programs that write ONNX add their own.

        Args:
            metadata: one JSON text per field.
            where: names the file in the error.

        Raises:
            FacetellError: a field is missing, not JSON, or has a value that it cannot have.
        """
        values: dict[str, Any] = {}
        for name in (known.name for known in fields(cls) if known.name in metadata):
            try:
                values[name] = json.loads(metadata[name])
            except ValueError:
                raise _unfit(where, f"'{name}' is not JSON: {metadata[name]!r:.80}") from None
        try:
            return cls(**values)
        except ValidationError as error:
            raise _unfit(where, invalid_field(error)) from None


def invalid_field(error: ValidationError) -> str:
    """The first field that a validation refused, its value and the reason, on one line.

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
    """Logistic function, safe for any float."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))
