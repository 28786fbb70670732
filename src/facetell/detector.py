"""The main job: a video goes in, an honest verdict comes out.

    video ─▶ frames ─▶ face tracks ─▶ clips ─▶ model ─▶ calibrated probability, or an abstention with its reason

A video is streamed: at no time are more frames held than one clip per face needs, whatever its length. Scoring runs
in a thread of its own while the next frames are decoded.
"""

from __future__ import annotations

import math
import platform
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from facetell import __version__
from facetell.assets import ASSETS, file_sha256
from facetell.clips import ClipAssembler, FrameSampler
from facetell.engine import Engine, load_engine
from facetell.faces.detector import FaceDetector
from facetell.faces.mesh import FaceMesh
from facetell.faces.tracker import FaceTracker, SceneCuts
from facetell.media.pictures import PictureSource, open_video
from facetell.media.reader import Unreadable
from facetell.types import Clip, Face, Frame, Status, Verdict, VideoVerdict
from facetell.verdict import (
    ScoredClip,
    TrackRecord,
    judge_track,
    most_suspect_track,
    read_verdict,
    warnings_of,
    why_not_scored,
)

KEEPALIVE = 0.2  # seconds between looks while no clip needs frames: keeps tracks alive, finds new faces
PENDING = 4  # clips that may wait for the model: bounds memory

Progress = Callable[[float, float | None], None]


@dataclass(frozen=True, slots=True)
class Watch:
    """How a caller follows or narrows the scoring of one video; what is scored gets the same scores with or without.

    Attributes:
        located: called with the time in seconds and the faces by track number of each picture that was looked at.
        keep: a clip is scored only where this is true of its first and last time in seconds.
        until: seconds; the video is read no further.
    """

    located: Callable[[float, Mapping[int, Face]], None] = lambda time, faces: None
    keep: Callable[[float, float], bool] = lambda t0, t1: True
    until: float = math.inf


@dataclass(frozen=True, slots=True)
class Settings:
    """What a user may choose.

    Attributes:
        clips_per_second: clips scored per second of each face, > 0.
        max_faces: faces followed at once, the largest first, >= 1.
        threshold: probability from which on a face is called forged; None takes the model's own.
        precision: arithmetic of the engine, see :func:`facetell.engine.load_engine`.
        threads: CPU threads of the engine; all cores by default.
    """

    clips_per_second: float = 1.0
    max_faces: int = 8
    threshold: float | None = None
    engine: str = "openvino"
    precision: str | None = None
    threads: int | None = None


@dataclass(slots=True)
class StageTimes:
    """Seconds spent by stage since the detector was made: CPU time of faces and crop, wall time of the model."""

    faces: float = 0.0
    crop: float = 0.0
    model: float = 0.0


class Detector:
    """Scores videos with one loaded model; reuse it for many videos (not from several threads at once).

    Args:
        model: ONNX file under the model-file contract; the released model by default.
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
        self.settings = settings or Settings()
        path = Path(model) if model is not None else None
        self.engine: Engine = load_engine(
            path, self.settings.engine, precision=self.settings.precision, threads=self.settings.threads
        )
        self._detector, self._mesh = FaceDetector(), FaceMesh()
        self.stage_times = StageTimes()

    @property
    def threshold(self) -> float:
        """Probability from which on a face is called forged."""
        chosen = self.settings.threshold
        return self.engine.info.calibration.threshold if chosen is None else chosen

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
            with open_video(path) as reader:
                run = _Run(self, reader, progress, watch or Watch())
                run.stream()
                verdict = run.verdict()
        except Unreadable as error:
            verdict = VideoVerdict(str(path), Status.UNREADABLE, Verdict.NONE, None, None, message=str(error))
        return self._sign(verdict, path, time.perf_counter() - started)

    def _sign(self, verdict: VideoVerdict, path: Path, seconds: float) -> VideoVerdict:
        """Add what is needed to repeat the run: hashes, versions and settings."""
        engine = self.engine
        provenance: dict[str, object] = {
            "facetell": __version__,
            "python": platform.python_version(),
            "model": {"name": engine.info.name, "sha256": engine.sha256},
            "engine": {"name": engine.name, "version": engine.version, "precision": engine.precision},
            "assets": {name: ASSETS[name].sha256 for name in ("face_detector", "face_mesh")},
            "settings": asdict(self.settings) | {"threshold": self.threshold},
        }
        try:
            digest = file_sha256(path) if path.is_file() else None
        except OSError:  # not ours to read: the verdict has said so
            digest = None
        return replace(verdict, sha256=digest, seconds_spent=seconds, provenance=provenance)


def detect(path: Path | str, model: Path | str | None = None, settings: Settings | None = None) -> VideoVerdict:
    """The verdict on one video; for several, make one :class:`Detector` and call it.

    Args:
        path: the video file.
        model: ONNX file; the released model by default.
        settings: see :class:`Settings`.

    Raises:
        FacetellError: the model, an engine or an asset is missing or unfit (never: the video).
    """
    return Detector(model, settings)(path)


class _Run:
    """One video on its way through the stages."""

    def __init__(self, detector: Detector, reader: PictureSource, progress: Progress | None, watch: Watch) -> None:
        self._reader, self._progress, self._watch = reader, progress, watch
        self._engine, self._threshold = detector.engine, detector.threshold
        self._times = detector.stage_times
        info, settings = detector.engine.info, detector.settings
        self._sampler = FrameSampler(reader.info.fps, info.frame_rate)
        self._tracker = FaceTracker(detector._detector, detector._mesh, max_faces=settings.max_faces)
        self._assembler = ClipAssembler(info.clip_frames, info.size, info.crop_scale, 1 / settings.clips_per_second)
        self._tracks: dict[int, TrackRecord] = {}
        self._last_time = 0.0

    def stream(self) -> None:
        """Read the video to its end, handing each clip to the model as soon as it is whole."""
        cuts = SceneCuts()
        next_look = -np.inf
        pending: deque[Future[None]] = deque()
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="facetell-model") as pool:
            for raw in self._reader:
                if raw.time >= self._watch.until:
                    break
                self._last_time = raw.time
                if self._progress:
                    self._progress(raw.time, self._reader.info.duration)
                number = self._sampler.take(raw.time)
                if number is None:
                    continue
                if cuts(raw.luma_thumbnail()):
                    self._tracker.cut()
                    next_look = -np.inf
                if raw.time < next_look and not self._assembler.wants(raw.time, self._tracker.active):
                    continue
                next_look = raw.time + KEEPALIVE
                for clip in self._clips(number, Frame(raw.index, raw.time, raw.rgb())):
                    if len(pending) >= PENDING:
                        pending.popleft().result()
                    pending.append(pool.submit(self._score, clip))
            for future in pending:
                future.result()

    def _clips(self, number: int, frame: Frame) -> list[Clip]:
        """The clips that this frame completes and that are large enough to score."""
        started = time.thread_time()
        faces = self._tracker.update(frame)
        self._watch.located(frame.time, faces)
        for track_id, face in faces.items():
            record = self._tracks.setdefault(track_id, TrackRecord(frame.time, frame.time))
            record.t1 = frame.time
            record.widths.append(face.box.width)
        followed = time.thread_time()
        clips = []
        for clip in self._assembler.push(number, frame, faces):
            if clip.face_width < self._engine.info.min_face_width:
                self._tracks[clip.track_id].small += 1
            elif self._watch.keep(clip.times[0], clip.times[-1]):
                clips.append(clip)
        self._times.faces += followed - started
        self._times.crop += time.thread_time() - followed
        return clips

    def _score(self, clip: Clip) -> None:
        started = time.perf_counter()
        logit = float(self._engine.score(clip.frames[None])[0])
        record = self._tracks[clip.track_id]
        record.clips.append(ScoredClip(clip.times[0], clip.times[-1], clip.square, logit))
        self._times.model += time.perf_counter() - started

    def verdict(self) -> VideoVerdict:
        """Put together what the tracks say; the most suspect track speaks for the video."""
        info, model = self._reader.info, self._engine.info
        tracks = tuple(judge_track(number, record, model) for number, record in sorted(self._tracks.items()))
        worst = most_suspect_track(tracks)
        status, message = (Status.SCORED, "") if worst else why_not_scored(tracks, model)
        probability, interval = (worst.probability, worst.interval) if worst else (None, None)
        return VideoVerdict(
            path=str(self._reader.path),
            status=status,
            verdict=read_verdict(probability, interval, self._threshold),
            probability=probability,
            interval=interval,
            tracks=tracks,
            message=message,
            warnings=warnings_of(tracks, info.fps, self._sampler.uneven, self._reader.errors, model),
            duration=info.duration if info.duration is not None else self._last_time,
            width=info.width,
            height=info.height,
            fps=info.fps,
        )
