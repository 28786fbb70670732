"""Where the faces of a clean video are at any moment, and the scoring of other pictures of it at those places.

Unseen distortions are judged on faces that were located on the clean video (METHOD section 3): a tracker that loses a
face in the distorted one says nothing of the model. So the places are written down once and followed by time.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from facetell.clips import ClipAssembler, FrameSampler
from facetell.detector import KEEPALIVE, Detector
from facetell.types import Box, Frame, TrackVerdict, UInt8Array
from facetell.verdict import ScoredClip, TrackRecord, judge_track

Pictures = Iterable[tuple[float, Callable[[], UInt8Array]]]
"""Pictures in order of time: seconds, and what makes the uint8 RGB (H, W, 3) array where it is wanted."""
Keep = Callable[[float, float], bool]
"""Whether a clip from its first to its last time in seconds is to be scored."""


@dataclass(frozen=True, slots=True)
class Place:
    """A face whose place alone is known, see :class:`facetell.clips.Located`."""

    box: Box


@dataclass(slots=True)
class FacePlaces:
    """The boxes of the faces of one video by time, in pixels of its pictures of ``width`` x ``height``.

    Detection does not look at every picture. Between two looks a face is where a straight line from one to the other
    puts it; a face that only one of them saw is not there in between. For a moment after the last look faces stay.
    """

    width: float = 0
    height: float = 0
    _times: list[float] = field(default_factory=list)
    _boxes: list[dict[int, Box]] = field(default_factory=list)

    def add(self, time: float, boxes: Mapping[int, Box]) -> None:
        """Write down a look; looks come in order of time."""
        self._times.append(time)
        self._boxes.append(dict(boxes))

    def __bool__(self) -> bool:
        """Whether any face was seen at all."""
        return any(self._boxes)

    @property
    def face_width(self) -> float:
        """Median width of all boxes in pixels; NaN where no face was seen."""
        widths = [box.width for boxes in self._boxes for box in boxes.values()]
        return statistics.median(widths) if widths else math.nan

    def at(self, time: float) -> dict[int, Box]:
        """The boxes at a time by track number; exactly those of a look at that very time."""
        after = bisect_right(self._times, time)
        if after == 0:
            return {}
        t0, before = self._times[after - 1], self._boxes[after - 1]
        if time == t0:
            return before
        if after == len(self._times):
            return before if time - t0 <= KEEPALIVE else {}
        share = (time - t0) / (self._times[after] - t0)
        later = self._boxes[after]
        return {
            track: Box(*(a + share * (b - a) for a, b in zip(box, later[track], strict=True)))
            for track, box in before.items()
            if track in later
        }


def score_at(
    places: FacePlaces, pictures: Pictures, fps: float | None, detector: Detector, keep: Keep
) -> tuple[TrackVerdict, ...]:
    """Score clips cut from ``pictures`` at the places of another, clean reading of the same video.

    Frames are sampled and clips begun as detection does it. Of pictures at the very times of the clean video, this
    gives the same clips and squares, so that of the clean pictures themselves it gives the same scores. Where the
    pictures have another size than the clean ones, squares are scaled. Whether a face is large enough is judged by its
    size in the clean video: every distortion is scored on the same faces.

    Args:
        places: of the clean video.
        pictures: of one size.
        fps: pictures a second, None if unknown.
        detector: its model and settings are used, not its tracker.
        keep: which clips to score.
    """
    info = detector.engine.info
    sampler = FrameSampler(fps, info.frame_rate)
    assembler = ClipAssembler(info.clip_frames, info.size, info.crop_scale, 1 / detector.settings.clips_per_second)
    records: dict[int, TrackRecord] = {}
    for index, (time, picture) in enumerate(pictures):
        number = sampler.take(time)
        boxes = places.at(time) if number is not None else {}
        for track, box in boxes.items():
            record = records.setdefault(track, TrackRecord(time, time))
            record.t1 = time
            record.widths.append(box.width)
        if number is None or not assembler.wants(time, list(boxes)):
            continue
        image = picture()
        height, width = image.shape[:2]
        sx, sy = width / (places.width or width), height / (places.height or height)
        faces = {track: Place(Box(x0 * sx, y0 * sy, x1 * sx, y1 * sy)) for track, (x0, y0, x1, y1) in boxes.items()}
        for clip in assembler.push(number, Frame(index, time, image), faces):
            t0, t1 = clip.times[0], clip.times[-1]
            face_width = clip.face_width / sx  # as it is in the clean video
            if face_width < info.min_face_width:
                records[clip.track_id].small.append(face_width)
            elif keep(t0, t1):
                logit = float(detector.engine.score(clip.frames[None])[0])
                records[clip.track_id].clips.append(ScoredClip(t0, t1, clip.square, logit))
    return tuple(judge_track(track, record, info) for track, record in sorted(records.items()))


def snapped(times: list[float], time: float) -> float:
    """The nearest of ascending ``times`` where it lies within a rounding of ``time``, else ``time`` itself.

    Files keep time in thousandths of a second; a picture that went through one comes back a little off its time.

    >>> snapped([0.0, 0.0417083], 0.042), snapped([0.0, 0.5], 0.25)
    (0.0417083, 0.25)
    """
    after = bisect_right(times, time)
    nearest = min(times[max(0, after - 1) : after + 1], key=lambda known: abs(known - time), default=math.inf)
    return nearest if abs(nearest - time) <= 0.001 else time
