"""From clip logits to a verdict: pure functions, no video and no model in sight.

A track's logit is the mean of its clips' logits, its probability the calibrated one of that mean; the most suspect
track speaks for a video (METHOD section 4). Where there is nothing to score there is a status, never a number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

from facetell.engine.info import ModelInfo
from facetell.faces.quality import FaceMotion, why_unfit
from facetell.faces.spread import Spread
from facetell.types import ClipScore, Crop, Status, TrackVerdict, UInt8Array, Verdict

LOW_RATE = 0.7  # below this share of the model's frame rate, motion is coarser than what the model has learned
UNEVEN = 0.05  # above this share of late frames, second differences see the timing as well as the face

UNSCORED = {
    Status.TOO_SHORT: "seen too briefly",
    Status.FACE_TOO_SMALL: "too small",
    Status.FACE_OBSCURED: "pixelated",
    Status.NO_MOTION: "without motion",
}


@dataclass(frozen=True, slots=True)
class ScoredClip:
    """A clip's time in seconds, its region of the frame, and its logit."""

    t0: float
    t1: float
    crop: Crop
    logit: float


@dataclass(slots=True)
class TrackRecord:
    """What was seen of one face while the video ran: from ``t0`` to ``t1`` in seconds, its mesh ``widths`` in pixels.

    ``spread`` chooses among the clips that can be scored, ``scores`` holds those of the chosen ones by their number.
    ``small`` holds the face's width in each clip that cannot be scored because of it; ``left_out`` counts the clips
    that cannot be for another reason. ``motion`` is that of the face in all its clips that are large and clear enough.
    """

    t0: float
    t1: float
    spread: Spread = field(default_factory=Spread)
    widths: list[float] = field(default_factory=list)
    scores: dict[int, ScoredClip] = field(default_factory=dict)
    small: list[float] = field(default_factory=list)
    left_out: Counter[Status] = field(default_factory=Counter)
    motion: FaceMotion = field(default_factory=FaceMotion)

    def accept(self, frames: UInt8Array, roll: float) -> bool:
        """Whether a clip (T, S, S, 3), cropped with ``roll`` in radians, can be scored; else it is counted."""
        reason = why_unfit(frames, roll, self.motion)
        if reason is not None:
            self.left_out[reason] += 1
        return reason is None

    @property
    def clips(self) -> list[ScoredClip]:
        """The chosen clips in order of time."""
        # Where a file is longer than it states, a clip was scored that is not chosen in the end.
        return [clip for number, clip in sorted(self.scores.items()) if number % self.spread.step == 0]

    @property
    def why_not(self) -> Status:
        """``scored``, or the reason why the face is not."""
        if self.left_out[Status.FACE_OBSCURED] > self.spread.seen + self.left_out[Status.NO_MOTION]:
            return Status.FACE_OBSCURED
        if self.motion.is_absent:
            return Status.NO_MOTION
        if self.spread.seen:
            return Status.SCORED
        return Status.FACE_TOO_SMALL if self.small else Status.TOO_SHORT


def judge_track(track_id: int, record: TrackRecord, info: ModelInfo) -> TrackVerdict:
    """The verdict on one face: scored where it has at least one clip, else the reason why not."""
    logit = probability = interval = None
    status = record.why_not
    clips = record.clips if status is Status.SCORED else []
    if clips:
        logits = [clip.logit for clip in clips]
        logit = float(np.mean(logits))
        probability = info.calibration.probability(logit)
        interval = info.calibration.interval(logits)
    return TrackVerdict(
        track_id=track_id,
        status=status,
        probability=probability,
        interval=interval,
        logit=logit,
        t0=record.t0,
        t1=record.t1,
        face_width=float(np.median(record.small if status is Status.FACE_TOO_SMALL else record.widths)),
        clips=tuple(ClipScore(c.t0, c.t1, c.logit, info.calibration.probability(c.logit), c.crop) for c in clips),
        clips_seen=record.spread.seen if clips else 0,
    )


def most_suspect_track(tracks: Sequence[TrackVerdict]) -> TrackVerdict | None:
    """The scored track with the highest probability; None where none was scored."""
    scored = [track for track in tracks if track.status is Status.SCORED]
    return max(scored, key=lambda track: track.probability or 0.0, default=None)


def why_not_scored(tracks: Sequence[TrackVerdict], info: ModelInfo) -> tuple[Status, str]:
    """Status and sentence for a video of which no track was scored."""
    if not tracks:
        return Status.NO_FACE, "no face was found in it"
    statuses = {track.status for track in tracks}
    if Status.NO_MOTION in statuses:
        return Status.NO_MOTION, (
            "the face does not move: the video may show a still image or be frozen, and there is no motion to score"
        )
    if Status.FACE_OBSCURED in statuses:
        return Status.FACE_OBSCURED, "the face is obscured: it is pixelated (a mosaic hides it)"
    if statuses == {Status.FACE_TOO_SMALL}:
        widest = max(track.face_width for track in tracks)
        return Status.FACE_TOO_SMALL, (
            f"its largest face is {widest:.0f} pixels wide; at least {info.min_face_width:.0f} are needed"
        )
    longest = max(track.t1 - track.t0 for track in tracks)
    return Status.TOO_SHORT, (
        f"no face is seen without a break for {info.clip_frames} frames at {info.frame_rate:g} frames per second "
        f"(the longest stays {longest:.2f} s)"
    )


def even_odds(threshold: float) -> float:
    """The probability that parts what speaks for forged from what speaks for genuine; not above the threshold."""
    return min(0.5, threshold)


def read_verdict(probability: float | None, interval: tuple[float, float] | None, threshold: float) -> Verdict:
    """The verdict on the highest-scoring face of a video.

    Forged if the probability reaches the threshold and the whole interval is at or above even odds; genuine if the
    whole interval is below even odds; else inconclusive. The interval is that of one face: the threshold alone
    corrects for the number of faces (:meth:`facetell.detector.Detector.threshold_of`).

    Example:
        >>> [str(read_verdict(p, (p - 0.2, p + 0.2), 0.8)) for p in (0.2, 0.6, 0.75, 0.9)]
        ['genuine', 'inconclusive', 'inconclusive', 'forged']
    """
    if probability is None or interval is None:
        return Verdict.NONE
    even = even_odds(threshold)
    if probability >= threshold and interval[0] >= even:
        return Verdict.FORGED
    if interval[1] < even:
        return Verdict.GENUINE
    return Verdict.INCONCLUSIVE


def slow_rate(t0: float, t1: float, info: ModelInfo) -> float | None:
    """Frames a second of a clip, from its first frame's time to its last one's, where they are too few; else None."""
    rate = (info.clip_frames - 1) / max(t1 - t0, 1e-6)
    return rate if rate < LOW_RATE * info.frame_rate else None


def low_rate(slow: Sequence[float], clips: int, info: ModelInfo) -> tuple[str, ...]:
    """What a reader should know of the ``slow`` clips' frame rates, of so many ``clips`` in all; nothing if none is."""
    if not slow:
        return ()
    part = "" if len(slow) == clips else f", as in {len(slow) / clips:.0%} of its clips,"
    return (
        f"{np.median(slow):.3g} frames per second{part} is below what the model was trained for "
        f"({info.frame_rate:g}): take the score with caution",
    )


def warnings_of(
    tracks: Sequence[TrackVerdict],
    uneven: float,
    errors: Sequence[str],
    info: ModelInfo,
    crowded: int = 0,
    left_out: Mapping[Status, int] = MappingProxyType({}),
) -> tuple[str, ...]:
    """What a reader of the score should know: damage, a low or uneven frame rate, faces and clips that were left out.

    ``crowded`` is the number of faces that were followed at once while there were more; 0 where there never were.
    ``left_out`` counts the clips of scored faces that were not scored, by reason.
    """
    warnings = list(errors)
    rates = [slow_rate(clip.t0, clip.t1, info) for track in tracks for clip in track.clips]
    warnings += low_rate([rate for rate in rates if rate], len(rates), info)
    if uneven > UNEVEN:
        warnings.append(
            f"{uneven:.0%} of its frames come late (variable frame rate or dropped frames): take the score with caution"
        )
    unscored = Counter(track.status for track in tracks if track.status is not Status.SCORED)
    if unscored and unscored.total() < len(tracks):
        reasons = ", ".join(f"{count} {UNSCORED[status]}" for status, count in sorted(unscored.items()))
        warnings.append(f"{_counted(unscored.total(), 'face')} not scored: {reasons}")
    for status, count in sorted(left_out.items()):
        warnings.append(f"{_counted(count, 'clip')} not scored: the face is {UNSCORED[status]}")
    if crowded:
        warnings.append(f"more than {crowded} faces at once: the smallest were not followed (--max-faces follows more)")
    return tuple(warnings)


def _counted(count: int, noun: str) -> str:
    return f"1 {noun} was" if count == 1 else f"{count} {noun}s were"
