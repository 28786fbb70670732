"""Record where the faces of a clean video are, and score its distorted versions at those places, by time."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from facetell.detector import Detector, Watch
from facetell.faces.clips import ClipAssembler, FrameSampler
from facetell.faces.tracker import LOOK_EVERY
from facetell.types import Clip, Frame, Pose, Status, TrackVerdict, UInt8Array, VideoVerdict

TimedFrames = Iterable[tuple[float, Callable[[], UInt8Array]]]
"""Frames in order of time: seconds, and a function that returns the uint8 RGB (H, W, 3) array."""
UNFIT = (Status.NO_MOTION, Status.FACE_OBSCURED)


@dataclass(slots=True)
class FacePlaces:
    """The poses of the faces of one video by time, in pixels of its frames of ``width`` x ``height``.

    Between two detections a pose is interpolated linearly; a face that is in only one of them is not present in
    between. After the last one, faces stay for :data:`LOOK_EVERY` seconds. No clip of the ``unfit`` faces, without
    motion or pixelated in the clean video, is scored.
    """

    width: float = 0
    height: float = 0
    unfit: dict[int, TrackVerdict] = field(default_factory=dict)
    _times: list[float] = field(default_factory=list)
    _poses: list[dict[int, Pose]] = field(default_factory=list)
    _left_out: dict[int, list[tuple[float, float]]] = field(default_factory=dict)  # first and last times of clips

    def read_clean(self, detector: Detector, path: Path) -> VideoVerdict:
        """Detect in the clean video and record its faces."""
        watch = Watch(lambda t, faces: self.add(t, {n: f.pose for n, f in faces.items()}), self._note_left_out)
        verdict = detector(path, watch=watch)
        self.width, self.height = verdict.width or 0, verdict.height or 0
        self.unfit = {track.track_id: track for track in verdict.tracks if track.status in UNFIT}
        return verdict

    def _note_left_out(self, clip: Clip) -> None:
        self._left_out.setdefault(clip.track_id, []).append((clip.times[0], clip.times[-1]))

    def add(self, time: float, poses: Mapping[int, Pose]) -> None:
        """Record the faces of one frame; times must ascend."""
        self._times.append(time)
        self._poses.append(dict(poses))

    def __bool__(self) -> bool:
        """Whether any face was found."""
        return any(self._poses)

    def is_fit(self, track: int, t0: float, t1: float) -> bool:
        """Whether a clip of a face overlaps no clip that was left out of the clean video."""
        return all(t1 < begin or end < t0 for begin, end in self._left_out.get(track, ()))

    @property
    def ends(self) -> dict[int, float]:
        """When each face was last seen, in seconds, by track number."""
        return {track: time for time, poses in zip(self._times, self._poses, strict=True) for track in poses}

    def at(self, time: float) -> dict[int, Pose]:
        """The poses at a time by track number; exactly the recorded ones if there are any at that time."""
        after = bisect_right(self._times, time)
        if after == 0:
            return {}
        t0, before = self._times[after - 1], self._poses[after - 1]
        if time == t0:
            return before
        if after == len(self._times):
            return before if time - t0 <= LOOK_EVERY else {}
        share = (time - t0) / (self._times[after] - t0)
        later = self._poses[after]
        return {track: _between(pose, later[track], share) for track, pose in before.items() if track in later}


def _between(one: Pose, other: Pose, share: float) -> Pose:
    """Linear interpolation; the roll along the shorter arc."""
    turn = math.remainder(other.roll - one.roll, 2 * math.pi)
    x, y, width, height = (a + share * (b - a) for a, b in zip(one[:4], other[:4], strict=True))
    return Pose(x, y, width, height, math.remainder(one.roll + share * turn, 2 * math.pi))


def score_at(
    places: FacePlaces, frames: TimedFrames, fps: float | None, detector: Detector
) -> tuple[TrackVerdict, ...]:
    """Score clips cropped from another version of a video, of one frame size, at the places recorded in the clean one.

    Frames are sampled (``fps`` frames per second, None if unknown) and clips chosen as in detection; crops are scaled
    to the size of the frames. What is left out in the clean video is left out: every distortion has the same faces.
    """
    info = detector.engine.info
    sampler = FrameSampler(fps, info.frame_rate)
    period = 1 / detector.settings.clips_per_second
    ends = places.ends
    with detector.track_scores() as scores:
        assembler = ClipAssembler(info.clip_frames, info.size, info.crop_scale, period, scores.wants)
        for index, (time, read) in enumerate(frames):
            if (number := sampler.take(time)) is None:
                continue
            poses = {track: pose for track, pose in places.at(time).items() if track not in places.unfit}
            scores.see(time, {track: pose.width for track, pose in poses.items()})
            if not assembler.wants(time, list(poses)):
                continue
            image = read()
            height, width = image.shape[:2]
            sx, sy = width / (places.width or width), height / (places.height or height)
            # Both scales are equal except for rounding, so the poses need not be rotated.
            scaled = {t: Pose(p.x * sx, p.y * sy, p.width * sx, p.height * sy, p.roll) for t, p in poses.items()}
            for clip in assembler.push(number, Frame(index, time, image), scaled):
                track, t0, t1 = clip.track_id, clip.times[0], clip.times[-1]
                if not scores.is_large(clip, clip.face_width / sx):
                    continue
                if places.is_fit(track, t0, t1):
                    scores.add(clip, ends[track])
                else:  # as in the clean video, whatever the reason was
                    scores.leave_out(clip, Status.NO_MOTION)
            scores.release({*poses, *(track for track, end in ends.items() if end >= time)})
        tracks = places.unfit | scores.results()
    return tuple(tracks[track] for track in sorted(tracks))


def snapped(times: list[float], time: float) -> float:
    """The nearest of ascending ``times`` if it is within 1 ms of ``time``, else ``time`` itself.

    Files store times in milliseconds, so a frame that was written and read back has a rounded time.

    >>> snapped([0.0, 0.0417083], 0.042), snapped([0.0, 0.5], 0.25)
    (0.0417083, 0.25)
    """
    after = bisect_right(times, time)
    nearest = min(times[max(0, after - 1) : after + 1], key=lambda known: abs(known - time), default=math.inf)
    return nearest if abs(nearest - time) <= 0.001 else time
