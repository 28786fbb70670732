"""Validated metadata of a model file, and the calibration from its logits to probabilities with intervals."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, field, fields
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import AfterValidator, ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass

from facetell.types import FacetellError

Z95 = 1.959964  # two-sided 95 % of the normal distribution
ROUNDING = 1e-9  # relative tolerance for the symmetry and the determinant of a covariance
CORRELATIONS = np.linspace(0.0, 0.99, 50)  # of neighbouring values, equally likely in the prior
PRIOR_VALUES = 4  # weight of the typical spread in the estimate of the variance, in values

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
    """

    temperature: Positive = 1.0
    bias: Number = 0.0
    covariance: Covariance = (0.0, 0.0, 0.0, 0.0)  # of (1 / temperature, bias), by bootstrap over identities
    clip_std: Annotated[Number, Field(ge=0)] = 0.0  # of the clip logits within one video, median over the videos
    threshold: Annotated[Number, Field(gt=0, lt=1)] = 0.5  # probability for "forged" in a video with one face
    false_positives: Annotated[Number, Field(ge=0, lt=1)] = 0.0  # rate that the threshold has; 0 if unknown
    # Scale of the upper tail of genuine videos in calibrated logits (facetell.metrics.platt.tail_scale); 0 if unknown.
    tail: Annotated[Number, Field(ge=0)] = 0.0

    def probability(self, logit: float) -> float:
        """Calibrated probability of "forged" of a raw logit."""
        return sigmoid(logit / self.temperature + self.bias)

    def interval(self, logits: Sequence[float]) -> tuple[float, float]:
        """95 % interval of the probability of a track, from its clip logits in order of time (at least one).

        It combines the uncertainties of the mean of few correlated clips (:func:`half_width`) and of the calibration.
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

        For the false positive rate of the video to be ``false_positives``, that of each of n faces must be ``1 - (1 -
        false_positives)^(1 / n)`` (Sidak). The tail of the genuine videos beyond ``threshold`` is exponential with the
        scale ``tail``. Without these two numbers, it is ``threshold``.

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
    """The metadata of a model file (ONNX ``metadata_props``; each value JSON); invalid values raise ValueError."""

    name: Text
    clip_frames: Annotated[int, Field(strict=True, ge=2)]  # T
    frame_rate: Positive  # frames per second of the training clips
    size: Annotated[int, Field(strict=True, ge=1)]  # side S of the input in pixels
    crop_scale: Positive  # side of the crop in face lengths
    min_face_width: Positive = 64.0  # pixels; narrower faces are not scored
    calibration: Calibration = field(default_factory=Calibration)
    max_clips: Annotated[int, Field(strict=True, ge=0)] = 0  # scored per face (facetell.faces.spread); 0 for all
    licence: Text = "Apache-2.0"  # SPDX identifier, of the weights
    architecture: dict[str, object] = field(default_factory=dict)  # arguments of facetell.models.zoo.create_model
    training: dict[str, object] = field(default_factory=dict)  # summary of data, steps and metrics

    def to_metadata(self) -> dict[str, str]:
        """The fields as ONNX stores them: one JSON text each."""
        return {key: json.dumps(value, sort_keys=True) for key, value in asdict(self).items()}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], where: str) -> ModelInfo:
        """Read the fields; others are ignored. FacetellError, beginning with ``where``: one is missing or invalid."""
        if is_foreign(metadata):
            raise InputFormat().incomplete(where)
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


def is_foreign(metadata: Mapping[str, str]) -> bool:
    """Whether a file is of another program: it has none of the fields that describe clips."""
    return {"clip_frames", "frame_rate", "crop_scale"}.isdisjoint(metadata)


@dataclass(frozen=True, slots=True, config=_CHECKED)
class InputFormat:
    """The input of a network of another program (:mod:`facetell.engine.foreign`); None where it is not stated."""

    size: Annotated[int, Field(ge=1)] | None = None  # side in pixels
    frames: Annotated[int, Field(ge=1)] | None = None  # of a clip
    rate: Positive | None = None  # frames per second of a clip
    mean: tuple[Number, Number, Number] | None = None  # subtracted from RGB in [0, 1]
    std: tuple[Positive, Positive, Positive] | None = None  # divided by after that
    crop: Positive = 1.35  # side of the crop in face lengths

    def incomplete(self, where: Path | str) -> FacetellError:
        """The error that a part of the description is missing."""
        missing = ", ".join(f"--{name}" for name, value in asdict(self).items() if value is None)
        return FacetellError(
            f"{where} has no metadata of facetell; `facetell score` takes it if its input is described, for example by "
            "--size 224 --frames 1 --rate 25 --mean 0.485 0.456 0.406 --std 0.229 0.224 0.225 "
            f"(missing: {missing})"
        )

    def refused(self, where: Path | str) -> FacetellError:
        """The error that a model describes its input itself."""
        return FacetellError(f"{where} describes its input itself; leave out --{', --'.join(asdict(self))}")


def invalid_field(error: ValidationError) -> str:
    """The first invalid field, its value and the reason: "'temperature' is 0.0: input should be greater than 0"."""
    first = error.errors(include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return f"'{name}' is missing"
    if first["type"] == "unexpected_keyword_argument":
        return f"there is no '{name}'"
    reason = first["msg"].removeprefix("Value error, ")
    return f"'{name}' is {first['input']!r:.80}: {reason[0].lower()}{reason[1:]}"


def _unfit(where: str, what: str) -> FacetellError:
    return FacetellError(
        f"{where} is not a facetell model file: in its metadata, {what}; use a file written by `facetell export`"
    )


def sigmoid(x: float) -> float:
    """Logistic function, without overflow."""
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def half_width(values: ArrayLike, spread: float) -> NDArray[np.float64]:
    """Half the width of the 95 % interval of the mean of a stationary process, autoregressive of first order.

    Values k steps apart have the correlation r^k, so the mean of n values is as uncertain as that of ``n / (1 + 2 sum_k
    (1 - k / n) r^k)`` independent ones. r has a uniform prior over :data:`CORRELATIONS`, the variance a scaled inverse
    chi-squared prior worth :data:`PRIOR_VALUES` values of the standard deviation ``spread`` (>= 0). The variance of the
    mean is averaged over the posterior of r; the quantile is that of Student's t. ``values`` has shape (..., n), n >=
    1, in order of time; the result has shape (...).

    >>> [round(float(half_width([0.0, 1.0] * n, 0.5)), 2) for n in (1, 2, 10, 100)]
    [1.36, 1.0, 0.26, 0.07]
    """
    x = np.asarray(values, dtype=np.float64)[..., None, :]  # (..., 1, n)
    n, r = x.shape[-1], CORRELATIONS
    freedom = PRIOR_VALUES + n - 1
    # Row sums of the inverse correlation matrix; those of the first and last row are larger by r / (1 + r).
    inner = (1 - r) / (1 + r)
    total = 1 + (n - 1) * inner
    mean = (inner * x.sum(axis=-1) + r / (1 + r) * (x[..., 0] + x[..., -1])) / total  # generalised least squares
    c = x - mean[..., None]  # (..., R, n)
    steps = c[..., 1:] - r[:, None] * c[..., :-1]
    squares = PRIOR_VALUES * spread**2 + c[..., 0] ** 2 + (steps**2).sum(axis=-1) / (1 - r**2)  # (..., R)
    fit = -0.5 * ((n - 1) * np.log1p(-(r**2)) + np.log(total) + freedom * np.log(np.maximum(squares, 1e-300)))
    posterior = np.exp(fit - fit.max(axis=-1, keepdims=True))
    inverse_size = (1 + r) / (1 - r) / n - 2 * r * (1 - r**n) / (n * (1 - r)) ** 2  # 1 / effective sample size
    variance = (posterior * squares * inverse_size).sum(axis=-1) / posterior.sum(axis=-1) / freedom
    return np.asarray(student_t95(freedom) * np.sqrt(variance))


def student_t95(freedom: float) -> float:
    """The two-sided 95 % quantile of Student's t, by the Cornish-Fisher expansion; for 4 degrees of freedom or more.

    >>> round(student_t95(4), 2), round(student_t95(30), 3)
    (2.77, 2.042)
    """
    z, f = Z95, freedom
    return z + (
        (z**3 + z) / (4 * f)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * f**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * f**3)
    )
