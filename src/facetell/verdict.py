"""From the results of faces to the verdict on a video."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from facetell.engine.info import ModelInfo
from facetell.faces.quality import Flaws
from facetell.types import N_, Status, TrackVerdict, Verdict

LOW_RATE = 0.7  # share of the model's frame rate below which motion is coarser than in the training data
NOISY = 3.0  # grey levels; of 1,149 training clips none has more than 2.3, docs/architecture.md
BLURRED = 5.3  # 2 % of the real ones have more, at crops of 224 pixels
UNEVEN = 0.05  # share of late frames above which second differences measure the timing as well as the face

Tracks = Sequence[TrackVerdict]
Counts = Mapping[Status, int]
UNSCORED = {
    Status.TOO_SHORT: N_("seen too briefly"),
    Status.FACE_TOO_SMALL: N_("too small"),
    Status.FACE_OBSCURED: N_("pixelated"),
    Status.NO_MOTION: N_("without motion"),
}


def why_not_scored(tracks: Tracks, info: ModelInfo) -> tuple[Status, str]:
    """Status and message for a video without a scored track."""
    if not tracks:
        return Status.NO_FACE, N_("no face was found in it")
    statuses = {track.status for track in tracks}
    if Status.NO_MOTION in statuses:
        return Status.NO_MOTION, N_(
            "the face does not move: the video may show a still image or be frozen, and there is no motion to score"
        )
    if Status.FACE_OBSCURED in statuses:
        return Status.FACE_OBSCURED, N_("the face is obscured: it is pixelated (a mosaic hides it)")
    if statuses == {Status.FACE_TOO_SMALL}:
        widest = max(track.face_width for track in tracks)
        return Status.FACE_TOO_SMALL, N_(
            f"its largest face is {widest:.0f} pixels wide; at least {info.min_face_width:.0f} are needed"
        )
    longest = max(track.t1 - track.t0 for track in tracks)
    return Status.TOO_SHORT, N_(
        f"no face is found in {info.clip_frames} successive frames at {info.frame_rate:g} frames per second (the "
        f"longest is visible for {longest:.2f} s)"
    )


def even_odds(threshold: float) -> float:
    """The probability between "genuine" and "forged": one half, or the threshold if that is lower."""
    return min(0.5, threshold)


def read_verdict(
    probability: float | None, interval: tuple[float, float] | None, threshold: float, clear: bool = True
) -> Verdict:
    """The verdict on a face.

    Forged if the probability reaches the threshold and the whole interval is at or above even odds; genuine if the
    whole interval is below even odds; else, or of a face that is not ``clear``, inconclusive. The interval is that of
    one face: only the threshold is corrected for the number of faces.

    >>> [str(read_verdict(p, (p - 0.2, p + 0.2), 0.8)) for p in (0.2, 0.6, 0.75, 0.9)]
    ['genuine', 'inconclusive', 'inconclusive', 'forged']
    """
    if probability is None or interval is None:
        return Verdict.NONE
    even = even_odds(threshold)
    if clear and probability >= threshold and interval[0] >= even:
        return Verdict.FORGED
    if clear and interval[1] < even:
        return Verdict.GENUINE
    return Verdict.INCONCLUSIVE


def slow_rate(t0: float, t1: float, info: ModelInfo) -> float | None:
    """Frame rate in Hz of a clip from ``t0`` to ``t1`` seconds if it is too low for the model, else None."""
    rate = (info.clip_frames - 1) / max(t1 - t0, 1e-6)
    return rate if rate < LOW_RATE * info.frame_rate else None


def low_rate(slow: Sequence[float], clips: int, info: ModelInfo) -> tuple[str, ...]:
    """The warning on low frame rates: those of the ``slow`` clips, of ``clips`` in all; empty if none is slow."""
    if not slow:
        return ()
    rate, trained, share = f"{np.median(slow):.3g}", f"{info.frame_rate:g}", len(slow) / clips
    low = N_(f"{rate} frames per second is below what the model was trained for ({trained})")
    if share < 1:
        low = N_(
            f"{rate} frames per second, as in {share:.0%} of its clips, is below what the model was trained for "
            f"({trained})"
        )
    return (N_(f"{low}: take the score with caution"),)


def unclear(flaws: Iterable[float]) -> list[str]:
    """The warnings on a face with these flaws (:func:`facetell.faces.quality.flaws_of`)."""
    noise, blur = map(float, flaws)
    lows = [N_(f"the face is noisy ({noise:.1f} grey levels)")] * (noise >= NOISY)
    lows += [N_("the face is blurred, or enlarged from a smaller one")] * (blur >= BLURRED)
    return [N_(f"{low}: the score says little, so the verdict is inconclusive") for low in lows]


def warnings_of(
    tracks: Tracks, flaws: Flaws, uneven: float, errors: Sequence[str], info: ModelInfo, crowded: int, left_out: Counts
) -> tuple[str, ...]:
    """Caveats of a score; ``flaws`` are those of the face that decides, ``uneven`` the share of late frames.

    ``errors`` are the reader's, ``crowded`` is the limit on faces if it was reached, else 0, ``left_out`` counts clips.
    """
    warnings = list(errors)
    rates = [slow_rate(clip.t0, clip.t1, info) for track in tracks for clip in track.clips]
    warnings += low_rate([rate for rate in rates if rate], len(rates), info)
    warnings += unclear(flaws)
    if uneven > UNEVEN:
        low = N_(f"{uneven:.0%} of its frames are late (variable frame rate or dropped frames)")
        warnings.append(N_(f"{low}: take the score with caution"))
    unscored = Counter(track.status for track in tracks if track.status is not Status.SCORED)
    if unscored and (n := unscored.total()) < len(tracks):
        why = ", ".join(N_(f"{count} {UNSCORED[status]}") for status, count in sorted(unscored.items()))
        warnings.append(N_(f"1 face was not scored: {why}") if n == 1 else N_(f"{n} faces were not scored: {why}"))
    for status, n in sorted(left_out.items()):
        why = UNSCORED[status]
        one, more = N_(f"1 clip was not scored: the face is {why}"), N_(f"{n} clips were not scored: the face is {why}")
        warnings.append(one if n == 1 else more)
    if crowded:
        warnings.append(
            N_(f"more than {crowded} faces at once: the smallest were not tracked (--max-faces raises the limit)")
        )
    return tuple(warnings)
