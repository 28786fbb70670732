"""Where in a video does the forgery lie? Clip scores against the spans of time that are forged.

A clip is shorter than the time it speaks for (one clip of a third of a second a second, by default), so each clip is
given its *stretch*: from half way to the clip before it to half way to the one after. Stretches do not overlap; where
no face was seen there is none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from facetell.datasets.manifest import Manifest
from facetell.evaluate.calibration import calibration_of
from facetell.evaluate.ranking import auc
from facetell.evaluate.scores import Scores
from facetell.evaluate.tracks import deciding_tracks
from facetell.evaluate.weighted import Values, Vector

IOUS = (0.3, 0.5, 0.7)
PERIOD = 1.0
"""Seconds between two clips of a track, as :mod:`facetell.clips` spaces them."""


@dataclass(frozen=True, slots=True)
class Localisation:
    """How well forged spans are found.

    Attributes:
        videos, unscored: videos that count, and those that were not scored and are left out.
        segment_ap: by IoU threshold, see :func:`segment_ap`.
        clip_auc: of the clips, forged where at least half of one lies in a forged span.
        time_auc: of all moments that a stretch covers ("frame-level"), exact, each second weighing the same.
        mean_iou: of called and forged time, over the videos with either; see :func:`union_iou`.
    """

    videos: int
    unscored: int
    segment_ap: Mapping[float, float]
    clip_auc: float
    time_auc: float
    mean_iou: float


def localise(scores: Scores, spans: Mapping[str, ArrayLike], *, period: float = PERIOD) -> Localisation:
    """Judge the clip scores of the deciding track of each video against its forged spans.

    A clip is called forged at the model's own threshold (the calibration of a video, read at its logit).

    Args:
        scores: clips; videos that ``spans`` does not name are passed over.
        spans: by video, (K, 2) begin and end in seconds of what is forged; K = 0 of a real video.
        period: seconds between two clips.

    Returns:
        NaN where a figure is not defined: no forged span, no real time.

    Raises:
        FacetellError: the calibration in ``scores.about`` is garbled.
    """
    names = np.isin(scores["video"], list(spans))
    named = len({*zip(*(scores[n][names].tolist() for n in ("video", "distortion", "level")), strict=True)})
    calibration = calibration_of(scores.about)
    odds = np.log(calibration.threshold) - np.log1p(-calibration.threshold)
    threshold = float((odds - calibration.bias) * calibration.temperature)
    found, truth, clips, moments, ious = [], [], [], [], []
    for (video, _, _), rows in deciding_tracks(scores.where(names)).items():
        t0, t1, logits = (scores[name][names][rows] for name in ("t0", "t1", "logit"))
        stretch = stretches(t0, t1, period)
        forged = np.reshape(np.asarray(spans[video], dtype=np.float64), (-1, 2))
        forged = np.where(np.isinf(forged), np.maximum(stretch[-1, 1], forged[:, :1]), forged)  # to the video's end
        runs = forged_runs(stretch, logits, threshold)
        found.append(runs)
        truth.append(forged)
        clips.append(np.stack([clip_labels(t0, t1, forged), logits]))
        moments.append(np.stack(moments_of(stretch, logits, forged)))
        ious.append(union_iou(runs[:, :2], forged))
    ious = [iou for iou in ious if not np.isnan(iou)]
    clip = np.concatenate(clips, axis=1) if clips else np.zeros((2, 0))
    moment = np.concatenate(moments, axis=1) if moments else np.zeros((3, 0))
    return Localisation(
        videos=len(found),
        unscored=named - len(found),
        segment_ap={iou: segment_ap(found, truth, iou) for iou in IOUS},
        clip_auc=auc(clip[0], clip[1]),
        time_auc=float(auc(moment[0], moment[1], moment[2])),
        mean_iou=float(np.mean(ious)) if ious else float("nan"),
    )


def spans_of(manifest: Manifest) -> dict[str, Values]:
    """Forged spans (K, 2) by video, in seconds: the parts that a manifest labels forged; infinity = to its end.

    Videos with a part of unknown label are left out.
    """
    spans: dict[str, list[tuple[float, float]]] = {}
    unknown = {entry.video for entry in manifest if entry.label is None}
    for entry in manifest:
        of_video = spans.setdefault(entry.video, [])
        if entry.label:
            of_video.append((entry.start or 0.0, np.inf if entry.end is None else entry.end))
    return {video: np.reshape(of, (-1, 2)) for video, of in spans.items() if video not in unknown}


def stretches(t0: ArrayLike, t1: ArrayLike, period: float = PERIOD) -> Values:
    """The time (N, 2) that each clip speaks for: half way to its neighbours, at most half a ``period`` into a gap.

    Neighbours stand next to each other where their middles are at most one and a half periods apart.

    Args:
        t0, t1: (N,) begin and end of the clips of one track in seconds, in order of time.
        period: seconds between two clips.

    >>> stretches([0.0, 1.0, 5.0], [0.4, 1.4, 5.4]).tolist()
    [[0.0, 0.7], [0.7, 1.7], [4.7, 5.7]]
    """
    middle = (np.asarray(t0, dtype=np.float64) + np.asarray(t1, dtype=np.float64)) / 2
    begin, end = np.maximum(middle - period / 2, 0), middle + period / 2
    near = np.flatnonzero(np.diff(middle) <= 1.5 * period)
    end[near] = begin[near + 1] = (middle[near] + middle[near + 1]) / 2
    return np.stack([begin, end], axis=-1)


def forged_runs(stretch: ArrayLike, logits: ArrayLike, threshold: float = 0.0) -> Values:
    """Runs of touching stretches whose logits reach the threshold: (M, 3) begin, end, mean logit.

    Args:
        stretch: (N, 2) of :func:`stretches`.
        logits: (N,).
        threshold: logit from which on a clip is called forged.

    >>> forged_runs([[0, 1], [1, 2], [2, 3]], [3.0, 1.0, -1.0]).tolist()
    [[0.0, 2.0, 2.0]]
    """
    pieces, x = np.reshape(np.asarray(stretch, dtype=np.float64), (-1, 2)), np.asarray(logits, dtype=np.float64)
    called = np.flatnonzero(x >= threshold)
    touching = (np.diff(called) == 1) & (pieces[called[1:], 0] <= pieces[called[:-1], 1])
    runs = np.split(called, np.flatnonzero(~touching) + 1) if len(called) else []
    return np.array([(pieces[run[0], 0], pieces[run[-1], 1], x[run].mean()) for run in runs]).reshape(-1, 3)


def clip_labels(t0: ArrayLike, t1: ArrayLike, spans: ArrayLike) -> Vector:
    """1 for the clips (N,) of which at least half lies in the spans (K, 2), 0 for the others.

    >>> clip_labels([0.0, 1.0, 2.0], [1.0, 2.0, 3.0], [[1.5, 9.0]]).tolist()
    [0.0, 1.0, 1.0]
    """
    begin, end = np.asarray(t0, dtype=np.float64), np.asarray(t1, dtype=np.float64)
    inside = _overlap(np.stack([begin, end], axis=-1), _merge(spans)).sum(axis=-1)
    return np.asarray((inside >= (end - begin) / 2).astype(np.float64))


def moments_of(stretch: ArrayLike, logits: ArrayLike, spans: ArrayLike) -> tuple[Vector, Vector, Vector]:
    """All moments that stretches cover, as pieces: labels, logits and lengths in seconds, (2 N,) each.

    Each stretch gives a real and a forged piece, one of which may last no time; the lengths are weights for a measure.

    >>> moments_of([[0, 1], [1, 2]], [-1.0, 1.0], [[0.75, 2]])
    (array([0., 0., 1., 1.]), array([-1.,  1., -1.,  1.]), array([0.75, 0.  , 0.25, 1.  ]))
    """
    pieces = np.reshape(np.asarray(stretch, dtype=np.float64), (-1, 2))
    forged = _overlap(pieces, _merge(spans)).sum(axis=-1)
    real = pieces[:, 1] - pieces[:, 0] - forged
    labels = np.repeat([0.0, 1.0], len(pieces))
    return labels, np.tile(np.asarray(logits, dtype=np.float64), 2), np.maximum(np.append(real, forged), 0)


def temporal_iou(segments: ArrayLike, spans: ArrayLike) -> Values:
    """Intersection over union of segments (M, 2) and spans (K, 2): (M, K) in [0, 1].

    >>> temporal_iou([[0, 2]], [[1, 3], [5, 6]]).tolist()
    [[0.3333333333333333, 0.0]]
    """
    a = np.reshape(np.asarray(segments, dtype=np.float64), (-1, 2))
    b = np.reshape(np.asarray(spans, dtype=np.float64), (-1, 2))
    both = _overlap(a, b)
    either = (a[:, 1] - a[:, 0])[:, None] + (b[:, 1] - b[:, 0])[None] - both
    return np.divide(both, either, out=np.zeros_like(both), where=either > 0)


def union_iou(segments: ArrayLike, spans: ArrayLike) -> float:
    """Intersection over union of all called and all forged time of one video; NaN where there is neither.

    >>> union_iou([[0, 1], [3, 4]], [[0, 2]])
    0.3333333333333333
    """
    a, b = _merge(segments), _merge(spans)
    both = float(_overlap(a, b).sum())
    either = float((a[:, 1] - a[:, 0]).sum() + (b[:, 1] - b[:, 0]).sum()) - both
    return both / either if either > 0 else float("nan")


def segment_ap(found: Sequence[ArrayLike], spans: Sequence[ArrayLike], iou: float) -> float:
    """Average precision of scored segments, as ActivityNet counts it.

    From the highest score down over all videos, a segment is right where, of the spans of its video that no segment
    before it has taken, one overlaps it by at least ``iou``; it takes the one that overlaps most. AP is the area under
    the precision-recall curve after precision is made not to rise with recall (interpolated at all points).

    Args:
        found: per video, (M, 3) begin, end, score; equal scores count in the order given.
        spans: per video, (K, 2).
        iou: in (0, 1].

    Returns:
        In [0, 1]; 0 where spans were forged and none was found; NaN where there is no span at all.

    >>> segment_ap([[[0, 2, 0.9], [4, 6, 0.8]]], [[[0, 2], [7, 9]]], iou=0.5)
    0.5
    """
    total = sum(np.reshape(np.asarray(of), (-1, 2)).shape[0] for of in spans)
    if not total:
        return float("nan")
    guesses: list[tuple[float, int, Vector]] = []  # score, video, overlap with each of its spans
    for video, (segments, of_video) in enumerate(zip(found, spans, strict=True)):
        rows = np.reshape(np.asarray(segments, dtype=np.float64), (-1, 3))
        guesses += [
            (float(row[2]), video, overlaps)
            for row, overlaps in zip(rows, temporal_iou(rows[:, :2], of_video), strict=True)
        ]
    right = np.zeros(len(guesses))
    taken: set[tuple[int, int]] = set()
    for place, (_, video, overlaps) in enumerate(sorted(guesses, key=lambda guess: -guess[0])):
        free = [k for k in range(len(overlaps)) if overlaps[k] >= iou and (video, k) not in taken]
        if free:
            taken.add((video, max(free, key=lambda k: overlaps[k])))
            right[place] = 1
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    return float((right * best).sum() / total)


def _overlap(a: Values, b: Values) -> Values:
    """Seconds (M, K) that segments (M, 2) and spans (K, 2) share."""
    end, begin = np.minimum(a[:, None, 1], b[None, :, 1]), np.maximum(a[:, None, 0], b[None, :, 0])
    return np.asarray(np.maximum(end - begin, 0))


def _merge(spans: ArrayLike) -> Values:
    """The same time in spans (K, 2) that do not overlap, in order."""
    merged: list[list[float]] = []
    for begin, end in sorted(np.reshape(np.asarray(spans, dtype=np.float64), (-1, 2)).tolist()):
        if merged and begin <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([begin, end])
    return np.reshape(np.array(merged, dtype=np.float64), (-1, 2))
