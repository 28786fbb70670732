"""From score files to the inputs of the measures: calibrated samples with identities, and the calibration itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from facetell.engine.info import Calibration, invalid_field
from facetell.evaluate.scores import COPY, Scores, VideoScores, keys_of
from facetell.metrics.measures import Sample, probabilities
from facetell.metrics.platt import DRAWS, fit_calibration
from facetell.types import FacetellError


def calibration_of(about: Mapping[str, Any]) -> Calibration:
    """The calibration recorded in a score file; the identity where there is none.

    Raises:
        FacetellError: a field is unknown or has an invalid value.
    """
    try:
        return Calibration(**dict(about.get("calibration") or {}))
    except ValidationError as error:
        fault = invalid_field(error)
    except (TypeError, ValueError):
        fault = "it is not a table of fields"
    raise FacetellError(f"the calibration in the score file is not valid: {fault}; score again") from None


def sample_of(videos: VideoScores) -> Sample:
    """The videos of a table that have a score and a label, with probabilities by the calibration in its ``about``."""
    counted, calibration = videos.counted, calibration_of(videos.about)
    logits = np.asarray(counted["logit"], dtype=np.float64)
    faces = counted["faces"].tolist() if "faces" in counted.columns else [1] * len(counted)
    thresholds = {count: calibration.threshold_of(count) for count in set(faces)}
    return Sample(
        np.asarray(counted["label"], dtype=np.float64),
        logits,
        probabilities(logits, calibration),
        identities_of(counted),
        np.array([thresholds[count] for count in faces], dtype=np.float64),
    )


def identities_of(videos: VideoScores) -> NDArray[np.int64]:
    """An integer (N,) per video, equal for one person of one dataset, or for one video of an unknown person.

    Numbers follow the order of the names, so that a bootstrap does not depend on the order of the rows.
    """
    columns = keys_of(videos, ("dataset", "identity", "video"))
    keys = [(dataset, name, "" if name else video) for dataset, name, video in columns]
    numbers = {key: number for number, key in enumerate(sorted(set(keys)))}
    return np.array([numbers[key] for key in keys], dtype=np.int64)


def calibrate(scores: Scores, *, draws: int = DRAWS, seed: int = 0) -> Calibration:
    """The calibration (:func:`facetell.metrics.platt.fit_calibration`) of the labelled videos of a score file.

    Raises:
        FacetellError: no real or no forged video was scored.
    """
    sample = sample_of(scores.videos())
    if len(set(sample.labels.tolist())) < 2:
        raise FacetellError("the calibration needs scored videos of both kinds, real and forged; score more of val")
    return fit_calibration(sample, _clip_std(scores), draws=draws, seed=seed)


def _clip_std(scores: Scores) -> float:
    """Standard deviation of the clip logits of a video's highest-scoring track, median over the videos."""
    videos: dict[tuple[Any, ...], dict[int, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    columns = (scores[name].tolist() for name in ("track", "t0", "logit"))
    for key, track, time, logit in zip(keys_of(scores, COPY), *columns, strict=True):
        if not np.isnan(logit):
            videos[key][track].append((time, logit))
    spreads = []
    for tracks in videos.values():
        clips = max(tracks.values(), key=lambda clips: np.mean([logit for _, logit in clips]))
        if len(clips) > 1:
            ordered = sorted(clips, key=lambda clip: clip[0])
            spreads.append(np.std([logit for _, logit in ordered], ddof=1))
    return float(np.median(spreads)) if spreads else 0.0
