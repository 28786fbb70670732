"""The faces of one video while it is read: their clips are chosen and scored, and give one result per face."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable, Container, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from facetell.engine.info import ModelInfo
from facetell.faces.quality import FaceMotion, Flaws, flaws_of, why_unfit
from facetell.faces.spread import Spread
from facetell.types import Clip, ClipScore, Status, TrackVerdict

Hook = Callable[[], None]
PENDING = 4  # clips that may wait for the model: bounds memory
ROUNDING = 1e-6  # seconds: the number of a period times its length may be above the time at which it begins


@dataclass(slots=True)
class TrackRecord:
    """Measurements on one face, collected while the video is read; ``t0`` and ``t1`` are its first and last second."""

    t0: float
    t1: float
    spread: Spread = field(default_factory=Spread)  # chooses among the clips that can be scored
    widths: list[float] = field(default_factory=list)  # of the mesh in pixels, one per frame with the face
    scores: dict[int, ClipScore] = field(default_factory=dict)  # by the number of the clip's period
    seen: int = 0  # clips that can be scored
    small: list[float] = field(default_factory=list)  # face width of each clip in which the face is too small
    left_out: Counter[Status] = field(default_factory=Counter)  # clips that cannot be scored for another reason
    motion: FaceMotion = field(default_factory=FaceMotion)  # in all clips that are large and clear enough
    flaws: list[Flaws] = field(default_factory=list)  # of each clip that can be scored
    latest: Status = Status.SCORED  # of the latest clip: the reason why it is left out, if it is

    def count(self, status: Status, clips: int = 1) -> None:
        """Count clips, or periods without one that are taken to be as the latest clip."""
        self.latest = status
        if status is Status.SCORED:
            self.seen += clips
        elif clips and status is not Status.FACE_TOO_SMALL:
            self.left_out[status] += clips

    @property
    def why_not(self) -> Status:
        """``scored``, or the reason why the face is not."""
        if self.left_out[Status.FACE_OBSCURED] > self.seen + self.left_out[Status.NO_MOTION]:
            return Status.FACE_OBSCURED
        if self.motion.is_absent:
            return Status.NO_MOTION
        if self.seen:
            return Status.SCORED
        return Status.FACE_TOO_SMALL if self.small else Status.TOO_SHORT


def judge_track(track_id: int, record: TrackRecord, info: ModelInfo) -> TrackVerdict:
    """The result for one face: scored if it has at least one clip, else the reason why not."""
    logit = probability = interval = None
    status = record.why_not
    # In a file longer than it states, some clips were scored that are not chosen in the end.
    clips = [record.scores[number] for number in record.spread.chosen] if status is Status.SCORED else []
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
        clips=tuple(clips),
        clips_seen=record.seen if clips else 0,
    )


class TrackScores:
    """Scores the clips of each face as soon as it is certain that they are chosen, in a thread of its own.

    A face could give a clip per ``period`` of seconds, of which at most ``most`` are scored (0: all). A period of which
    no clip is needed counts as the clip before it (obscured, seen). ``waited`` is called after each wait.
    """

    def __init__(
        self, score: Callable[[Clip], ClipScore], info: ModelInfo, period: float, most: int, waited: Hook = lambda: None
    ) -> None:
        self._score, self._info, self._period, self._most, self._waited = score, info, period, most, waited
        self.records: dict[int, TrackRecord] = {}
        self._holding: set[int] = set()  # tracks of which clips are held
        self._pending: deque[Future[None]] = deque()
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="facetell-model")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown()

    def see(self, time: float, widths: Mapping[int, float]) -> None:
        """Record the widths of the faces of a frame in pixels, by track number."""
        for track, width in widths.items():
            record = self.records.setdefault(track, TrackRecord(time, time, Spread(self._most)))
            record.t1 = time
            record.widths.append(width)
            record.count(record.latest, record.spread.passes(self._number(time)))

    def wants(self, track: int, period: int) -> bool:
        """Whether a clip of a face is needed of the period of this number."""
        return track not in self.records or self.records[track].spread.wants(period)

    def wanted_from(self, tracks: Sequence[int]) -> float:
        """Seconds from which on a clip is needed of any of these faces; inf if there is none."""
        records = [self.records.get(track) for track in tracks]
        wanted = min((record.spread.next_wanted if record else -math.inf for record in records), default=math.inf)
        return self._period * wanted - ROUNDING

    def is_large(self, clip: Clip, width: float) -> bool:
        """Whether a clip with a face of ``width`` pixels can be scored; if not, it is recorded."""
        is_large = width >= self._info.min_face_width
        if not is_large:
            self.records[clip.track_id].small.append(width)
            self.leave_out(clip, Status.FACE_TOO_SMALL)
        return is_large

    def is_fit(self, clip: Clip) -> bool:
        """Whether the face of a clip moves and is not pixelated; if not, the clip is counted."""
        if (reason := why_unfit(clip.frames, clip.crop.roll, self.records[clip.track_id].motion)) is not None:
            self.leave_out(clip, reason)
        return reason is None

    def leave_out(self, clip: Clip, reason: Status) -> None:
        """Count a clip that cannot be scored."""
        record = self.records[clip.track_id]
        record.spread.close(self._number(clip.times[0]))
        record.count(reason)

    def add(self, clip: Clip, end: float) -> None:
        """Add the next clip of a face that may be in view until ``end`` seconds.

        Where it is certain to be chosen by then, it is scored at once, else held until its track has ended.
        """
        record = self.records[clip.track_id]
        last = math.inf if end == math.inf else self._number(end)
        record.count(Status.SCORED)
        record.flaws.append(flaws_of(clip.frames[len(clip.frames) // 2]))
        self._submit(record, record.spread.add(clip, self._number(clip.times[0]), last))
        if record.spread.held:
            self._holding.add(clip.track_id)

    def _number(self, time: float) -> int:
        """The number of a period, as in :class:`facetell.faces.clips.ClipAssembler`."""
        return math.floor(time / self._period)

    def release(self, followed: Container[int]) -> None:
        """Score the held clips of the tracks that have ended: all but the ``followed``."""
        for track in [track for track in sorted(self._holding) if track not in followed]:
            self._holding.remove(track)
            self._submit(self.records[track], self.records[track].spread.release())

    def results(self) -> dict[int, TrackVerdict]:
        """Score what is held, wait for all scores, and return the results by track number, which ascends."""
        self.release(())
        self._wait(0)
        return {track: judge_track(track, record, self._info) for track, record in sorted(self.records.items())}

    def _submit(self, record: TrackRecord, clips: Mapping[int, Clip]) -> None:
        def score(number: int, clip: Clip) -> None:
            record.scores[number] = self._score(clip)

        for number, clip in clips.items():
            self._wait(PENDING - 1)
            self._pending.append(self._pool.submit(score, number, clip))

    def _wait(self, most: int) -> None:
        """Wait until at most ``most`` clips are pending."""
        while len(self._pending) > most:
            self._pending.popleft().result()
            self._waited()
