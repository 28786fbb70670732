"""The main job: a video goes in, an honest verdict comes out.

    video ─▶ frames ─▶ face tracks ─▶ clips ─▶ model ─▶ calibrated probability, or an abstention with its reason

A video is streamed: at no time are more frames held than one clip per face needs, whatever its length, and where the
number of clips is bounded, the crops of that many clips per face in view. Scoring runs in a thread of its own while the
next frames are decoded.
"""

from __future__ import annotations

import math
import os
import platform
import time
from collections import Counter, deque
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path

import av

from facetell import __version__
from facetell.assets import ASSETS
from facetell.engine import Engine, load_engine
from facetell.faces.clips import ClipAssembler, FrameSampler
from facetell.faces.detector import FaceDetector
from facetell.faces.mesh import FaceMesh
from facetell.faces.spread import Spread, clips_between
from facetell.faces.tracker import FaceTracker
from facetell.types import NOT_READ, Clip, Face, Frame, Status, Verdict, VideoVerdict, check_whole
from facetell.verdict import (
    ScoredClip,
    TrackRecord,
    judge_track,
    most_suspect_track,
    read_verdict,
    warnings_of,
    why_not_scored,
)
from facetell.video.container import address_in
from facetell.video.reader import Unreadable
from facetell.video.sequence import NotConsecutive
from facetell.video.source import SourceFrame, VideoSource, content_sha256, open_video

KEEPALIVE = 0.2  # seconds between looks while no clip needs frames: keeps tracks alive, finds new faces
PENDING = 4  # clips that may wait for the model: bounds memory

# What decides pixels, besides the engine of the model: decoding, conversion, cutting, the networks of faces.
_LIBRARIES = {name: version(name) for name in ("av", "numpy", "opencv-python-headless", "openvino")}
_LIBRARIES["ffmpeg"] = av.ffmpeg_version_info

Progress = Callable[[float, float | None], None]


@dataclass(frozen=True, slots=True)
class Watch:
    """How a caller follows or narrows the scoring of one video; what is scored gets the same scores with or without.

    Attributes:
        located: called with the time in seconds and the faces by track number of each picture that was looked at.
        keep: a clip is scored only where this is true of its first and last time in seconds.
        left_out: called with each of those clips that is not scored: no motion, or a pixelated face.
        until: seconds; the video is read no further.
    """

    located: Callable[[float, Mapping[int, Face]], None] = lambda time, faces: None
    keep: Callable[[float, float], bool] = lambda t0, t1: True
    left_out: Callable[[Clip], None] = lambda clip: None
    until: float = math.inf


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user may choose.

    Attributes:
        clips_per_second: clips per second of each face, > 0.
        max_clips: clips scored per face at most, evenly chosen (:mod:`facetell.faces.spread`), >= 0; 0 for no bound,
            None for the model's own.
        max_faces: faces followed at once, the largest first, >= 1.
        threshold: minimum probability for "forged", whatever the number of faces; None takes the model's own, which
            is corrected for it.
        engine: what runs the model: "openvino", "onnxruntime" or "torch".
        precision: arithmetic of the engine, see :func:`facetell.engine.load_engine`.
        threads: CPU threads of the engine; all cores by default.
        image_rate: frames per second of folders of images, which states that they are consecutive frames; None assumes
            25 and checks them, see :class:`facetell.video.sequence.ImageSequence`.
    """

    clips_per_second: float = 1.0
    max_clips: int | None = None
    max_faces: int = 8
    threshold: float | None = None
    engine: str = "openvino"
    precision: str | None = None
    threads: int | None = None
    image_rate: float | None = None


@dataclass(slots=True)
class StageTimes:
    """Seconds spent by stage since the detector was made: CPU time of faces and crop, wall time of the model."""

    faces: float = 0.0
    crop: float = 0.0
    model: float = 0.0


class Detector:
    """Scores videos with one loaded model; reuse it for many videos (not from several threads at once).

    Args:
        model: name of a released model ("facetell-fast"), or path of an ONNX file under the model-file contract.
        settings: see :class:`Settings`.

    Raises:
        FacetellError: the model, an engine or an asset is missing or unfit.

    Example:
        >>> from facetell import Detector
        >>> from facetell.assets import locate
        >>> detector = Detector()
        >>> str(detector(locate("sample_no_face")).status)
        'no_face'
    """

    def __init__(self, model: Path | str | None = None, settings: Settings | None = None) -> None:
        settings = settings or Settings()
        self.engine: Engine = load_engine(
            model, settings.engine, precision=settings.precision, threads=settings.threads
        )
        if settings.max_clips is None:
            settings = replace(settings, max_clips=self.engine.info.max_clips)
        check_whole("max_clips", settings.max_clips, 0)
        self.settings = settings
        self._detector, self._mesh = FaceDetector(), FaceMesh()
        self.stage_times = StageTimes()

    @property
    def threshold(self) -> float:
        """Minimum probability for "forged" in a video with one face."""
        return self.threshold_of(1)

    def threshold_of(self, faces: int) -> float:
        """Minimum probability for "forged" of the highest-scoring of so many faces (at least one).

        The model's own threshold is corrected for the number of faces, so that its false positive rate is that of the
        video (:meth:`facetell.engine.Calibration.threshold_of`). A threshold in the settings is used as given.
        """
        given = self.settings.threshold
        return self.engine.info.calibration.threshold_of(faces) if given is None else given

    def __call__(self, path: Path | str, progress: Progress | None = None, watch: Watch | None = None) -> VideoVerdict:
        """The verdict on one video; a video that cannot be scored gives a verdict that says so, never an exception.

        Args:
            path: the video file, or a folder of its pictures.
            progress: called with (seconds done, seconds in all or None) as the video is read.
            watch: follows what is located, and narrows what is scored.
        """
        path = Path(path)
        started = time.perf_counter()
        try:
            with open_video(path, image_rate=self.settings.image_rate) as reader:
                run = _Run(self, reader, progress, watch or Watch())
                run.stream()
                verdict = run.verdict()
        except Unreadable as error:
            status = Status.NOT_CONSECUTIVE if isinstance(error, NotConsecutive) else Status.UNREADABLE
            named = address_in(path) or str(path)
            verdict = VideoVerdict(named, status, Verdict.NONE, None, None, message=str(error))
        return self._sign(verdict, path, time.perf_counter() - started)

    def score(self, clip: Clip) -> ScoredClip:
        """The model's word on one clip; may be called in another thread than the one that gathers clips."""
        started = time.perf_counter()
        logit = float(self.engine.score(clip.frames[None])[0])
        self.stage_times.model += time.perf_counter() - started
        return ScoredClip(clip.times[0], clip.times[-1], clip.crop, logit)

    def _sign(self, verdict: VideoVerdict, path: Path, seconds: float) -> VideoVerdict:
        """Add what is needed to repeat the run: hashes, versions and settings."""
        engine = self.engine
        provenance: dict[str, object] = {
            "facetell": __version__,
            "python": platform.python_version(),
            "libraries": _LIBRARIES,
            "model": {"name": engine.info.name, "sha256": engine.sha256},
            "engine": {"name": engine.name, "version": engine.version, "precision": engine.precision},
            "assets": {name: ASSETS[name].sha256 for name in ("face_detector", "face_mesh")},
            "settings": asdict(self.settings) | {"threshold": self.threshold, "precision": engine.precision},
        }
        # A folder that is no video may hold anything, and much of it.
        skipped = verdict.status in NOT_READ and os.path.isdir(path)  # noqa: PTH112
        digest = None if skipped else content_sha256(path)
        return replace(verdict, sha256=digest, seconds_spent=seconds, provenance=provenance)


def detect(path: Path | str, model: Path | str | None = None, settings: Settings | None = None) -> VideoVerdict:
    """The verdict on one video; for several, make one :class:`Detector` and call it.

    Args:
        path: the video file.
        model, settings: see :class:`Detector`.

    Raises:
        FacetellError: the model, an engine or an asset is missing or unfit (never: the video).
    """
    return Detector(model, settings)(path)


@dataclass(frozen=True, slots=True)
class Look:
    """What a picture that was looked at showed: its ``faces`` by track number, and the ``clips`` that it made whole."""

    faces: Mapping[int, Face]
    clips: Sequence[Clip]


class ClipStream:
    """Pictures in, whole clips out: the part of the road that a file and a camera share.

    Holds no more pictures than one clip a face needs, however long it runs.

    Args:
        detector: whose networks and settings are used.
        fps: frame rate of the source, None if unknown.
        period: seconds, of which each gives one clip a face; that of the settings by default.
    """

    def __init__(self, detector: Detector, fps: float | None, period: float | None = None) -> None:
        info, settings = detector.engine.info, detector.settings
        self._times = detector.stage_times
        self._sampler = FrameSampler(fps, info.frame_rate)
        self._tracker = FaceTracker(detector._detector, detector._mesh, max_faces=settings.max_faces)
        period = period or 1 / settings.clips_per_second
        self._assembler = ClipAssembler(info.clip_frames, info.size, info.crop_scale, period)
        self._next_look = -math.inf

    @property
    def uneven(self) -> float:
        """Share of the pictures taken so far that came late."""
        return self._sampler.uneven

    @property
    def crowded(self) -> int:
        """How many faces were followed while there were more to follow; 0 where there never were."""
        return self._tracker.max_faces if self._tracker.crowded else 0

    @property
    def followed(self) -> Container[int]:
        """Numbers of the faces that may still give clips."""
        return self._tracker.followed

    @property
    def gathering(self) -> bool:
        """Whether a clip is begun and not whole: a picture left out now would lose it."""
        return self._assembler.gathering

    def push(self, raw: SourceFrame) -> Look | None:
        """Take the next picture, in order of time; None where nothing had to be looked at.

        A pause of more than :data:`facetell.faces.clips.HOLE` seconds ends the clips that are begun.
        """
        number = self._sampler.take(raw.time)
        if number is None:
            return None
        if self._tracker.glance(raw.luma_thumbnail()):
            self._next_look = -math.inf
        if raw.time < self._next_look and not self._assembler.wants(raw.time, self._tracker.active):
            return None
        self._next_look = raw.time + KEEPALIVE
        frame = Frame(raw.index, raw.time, raw.rgb())
        started = time.thread_time()
        faces = self._tracker.update(frame)
        followed = time.thread_time()
        clips = self._assembler.push(number, frame, faces)
        self._times.faces += followed - started
        self._times.crop += time.thread_time() - followed
        return Look(faces, clips)


class _Run:
    """One video on its way through the stages."""

    def __init__(self, detector: Detector, reader: VideoSource, progress: Progress | None, watch: Watch) -> None:
        self._detector, self._reader, self._progress, self._watch = detector, reader, progress, watch
        self._stream = ClipStream(detector, reader.info.fps)
        self._tracks: dict[int, TrackRecord] = {}
        self._holding: set[int] = set()  # tracks of which clips are held
        self._pending: deque[Future[None]] = deque()
        self._most = detector.settings.max_clips or 0
        self._last_time = 0.0

    def stream(self) -> None:
        """Read the video to its end, handing each clip to the model as soon as it is sure to be chosen.

        Which clips that are follows from how many the face can still give by the stated length of the file: of a face
        that is in view all the time nearly all of them. The others are scored when the face is gone.
        """
        end = min(self._reader.duration or math.inf, self._watch.until)
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="facetell-model") as pool:
            for raw in self._reader:
                if raw.time >= self._watch.until:
                    break
                self._last_time = raw.time
                self._tell()
                look = self._stream.push(raw)
                if look is None:
                    continue
                for clip in self._clips(raw.time, look):
                    record = self._tracks[clip.track_id]
                    to_come = clips_between(clip.times[0], end, self._detector.settings.clips_per_second)
                    self._submit(pool, record, record.spread.add(clip, to_come))
                    if record.spread.holds:
                        self._holding.add(clip.track_id)
                self._release(pool, self._stream.followed)
            self._release(pool, ())
            self._wait(0)

    def _tell(self) -> None:
        if self._progress:
            self._progress(self._last_time, self._reader.duration)

    def _clips(self, now: float, look: Look) -> Iterator[Clip]:
        """Note the faces; give the clips that can be scored."""
        self._watch.located(now, look.faces)
        for track_id, face in look.faces.items():
            record = self._tracks.setdefault(track_id, TrackRecord(now, now, Spread(self._most)))
            record.t1 = now
            record.widths.append(face.pose.width)
        for clip in look.clips:
            record = self._tracks[clip.track_id]
            if clip.face_width < self._detector.engine.info.min_face_width:
                record.small.append(clip.face_width)
            elif not self._watch.keep(clip.times[0], clip.times[-1]):
                continue
            elif record.accept(clip.frames, clip.crop.roll):
                yield clip
            else:
                self._watch.left_out(clip)

    def _release(self, pool: ThreadPoolExecutor, followed: Container[int]) -> None:
        """Score what is held of the faces that are not followed any more."""
        for track_id in [track for track in sorted(self._holding) if track not in followed]:
            self._holding.remove(track_id)
            record = self._tracks[track_id]
            self._submit(pool, record, record.spread.release())

    def _submit(self, pool: ThreadPoolExecutor, record: TrackRecord, clips: Mapping[int, Clip]) -> None:
        for number, clip in clips.items():
            self._wait(PENDING - 1)
            self._pending.append(pool.submit(self._score, record, number, clip))

    def _wait(self, most: int) -> None:
        """Wait until no more than ``most`` clips are to be scored."""
        while len(self._pending) > most:
            self._pending.popleft().result()
            self._tell()  # with a slow model the clips that were held take a while

    def _score(self, record: TrackRecord, number: int, clip: Clip) -> None:
        record.scores[number] = self._detector.score(clip)

    def verdict(self) -> VideoVerdict:
        """Put together what the tracks say; the most suspect track speaks for the video."""
        info, model = self._reader.info, self._detector.engine.info
        tracks = tuple(judge_track(number, record, model) for number, record in sorted(self._tracks.items()))
        worst = most_suspect_track(tracks)
        status, message = (Status.SCORED, "") if worst else why_not_scored(tracks, model)
        scored = (record for record in self._tracks.values() if record.why_not is Status.SCORED)
        left_out = sum((record.left_out for record in scored), Counter[Status]())
        probability, interval = (worst.probability, worst.interval) if worst else (None, None)
        faces = sum(track.status is Status.SCORED for track in tracks)
        threshold = self._detector.threshold_of(max(faces, 1))
        return VideoVerdict(
            path=str(self._reader.path),
            status=status,
            verdict=read_verdict(probability, interval, threshold),
            probability=probability,
            interval=interval,
            tracks=tracks,
            message=message,
            warnings=warnings_of(
                tracks, self._stream.uneven, self._reader.errors, model, self._stream.crowded, left_out
            ),
            threshold=threshold if worst else None,
            threshold_faces=faces if threshold != self._detector.threshold else 1,
            duration=self._reader.duration or self._last_time,
            width=info.width,
            height=info.height,
            fps=info.fps,
        )
