"""Score a video: frames, face tracks, clips, logits, a calibrated probability or an abstention with its reason.

Of the stream of frames no more are held than one clip per face needs, and crops of at most ``max_clips`` clips per face
in view. The model runs in a thread of its own while the next frames are decoded.
"""

from __future__ import annotations

import ctypes
import math
import os
import platform
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import ParamSpec, cast

import av
import cv2
import numpy as np

from facetell import __version__
from facetell.assets import ASSETS
from facetell.engine import load_engine
from facetell.engine.engines import DEVICES
from facetell.engine.info import InputFormat
from facetell.faces.clips import ClipAssembler, FrameSampler, Wants
from facetell.faces.detector import FaceDetector
from facetell.faces.mesh import FaceMesh
from facetell.faces.regions import region_logits, region_map
from facetell.faces.runtime import openvino_core
from facetell.faces.tracker import FaceTracker
from facetell.tracks import TrackScores
from facetell.types import (
    N_,
    NOT_READ,
    Clip,
    ClipScore,
    Crop,
    Face,
    FacetellError,
    Frame,
    RegionScore,
    Status,
    UInt8Array,
    Verdict,
    VideoVerdict,
    check_whole,
    why_failed,
)
from facetell.verdict import read_verdict, unclear, warnings_of, why_not_scored
from facetell.video.container import address_in
from facetell.video.frame import Unreadable
from facetell.video.metadata import read_facts
from facetell.video.source import SourceFrame, VideoSource, content_sha256, open_video

MOST_LOST = 0.5  # share of damaged or missing frames from which on a video without a scored face is called damaged

# The libraries that determine pixels: decoding, conversion, cropping, the face networks.
_LIBRARIES = {name: version(name) for name in ("av", "numpy", "opencv-python-headless", "openvino")}
_LIBRARIES["ffmpeg"] = av.ffmpeg_version_info

Progress = Callable[[float, float | None], None]
_P = ParamSpec("_P")


@dataclass(frozen=True, slots=True)
class Watch:
    """Hooks to observe the scoring of one video."""

    located: Callable[[float, Mapping[int, Face]], None] = lambda time, faces: None
    """Called with the time in seconds and the faces by track number of each frame that was searched."""
    left_out: Callable[[Clip], None] = lambda clip: None
    """Called with each clip that has no motion or a pixelated face."""


@dataclass(frozen=True, slots=True)
class Settings:
    """User settings.

    Attributes:
        clips_per_second: clips per second of each face, > 0.
        max_clips: largest number of clips scored per face, evenly spaced, >= 0; 0 for all, None for the model's own.
        max_faces: largest number of faces tracked at once, the largest first, >= 1.
        threshold: minimum probability for "forged"; None for the model's own, corrected for the number of faces.
        engine: inference engine of the model: "openvino", "onnxruntime" or "torch"; None for that of the device.
        precision: arithmetic of the engine, see :func:`facetell.engine.load_engine`.
        threads: CPU threads of the engine; all cores by default.
        image_rate: frames per second of folders of images, which are then consecutive; None assumes 25 and checks it.
        given: the input of a network of another program, see :func:`facetell.engine.load_engine`.
        device: "cpu", or "cuda" for the model on an NVIDIA GPU; the networks that find faces run on the CPU.
    """

    clips_per_second: float = 1.0
    max_clips: int | None = None
    max_faces: int = 8
    threshold: float | None = None
    engine: str | None = None
    precision: str | None = None
    threads: int | None = None
    image_rate: float | None = None
    given: InputFormat | None = None
    device: str = "cpu"


class _HookError(Exception):
    """Carries an exception of a caller's hook past the boundary that turns those of one video into its status."""


class Detector:
    """Scores videos with one loaded model; reuse it for many videos, but only from one thread at a time.

    ``model`` is a released model (None: "facetell"), the path of a model file, or MODULE:FUNCTION (docs/models.md).
    FacetellError: the model, an engine, an asset or a setting is missing or invalid.

    >>> from facetell import Detector
    >>> from facetell.assets import locate
    >>> detector = Detector()
    >>> str(detector(locate("sample_no_face")).status)
    'no_face'
    """

    def __init__(self, model: Path | str | None = None, settings: Settings | None = None) -> None:
        settings = settings or Settings()
        if not 0 < settings.clips_per_second < math.inf:
            raise FacetellError(f"clips_per_second is a number above 0, not {settings.clips_per_second!r}")
        check_whole("max_faces", settings.max_faces, 1)
        if settings.threshold is not None and not 0 <= settings.threshold <= 1:
            raise FacetellError(f"threshold is a probability, 0 to 1, not {settings.threshold!r}")
        cv2.setNumThreads(1)  # of the process: on images of this size more threads cost more than they save
        names = ("engine", "precision", "threads", "given", "device")
        openvino_core()  # once, for both threads
        with ThreadPoolExecutor(1) as pool:  # compiling each set of networks takes a second
            faces = pool.submit(lambda: (FaceDetector(), FaceMesh()))
            self.engine = load_engine(model, **{name: getattr(settings, name) for name in names})
        self._detector, self._mesh = faces.result()
        if settings.max_clips is None:
            settings = replace(settings, max_clips=self.engine.info.max_clips)
        check_whole("max_clips", settings.max_clips, 0)
        self.settings = settings

    @property
    def threshold(self) -> float:
        """Minimum probability for "forged" in a video with one face."""
        return self.threshold_of(1)

    def threshold_of(self, faces: int) -> float:
        """:meth:`facetell.engine.Calibration.threshold_of` of the model, or a given threshold as it is."""
        given = self.settings.threshold
        return self.engine.info.calibration.threshold_of(faces) if given is None else given

    def __call__(self, path: Path | str, progress: Progress | None = None, watch: Watch | None = None) -> VideoVerdict:
        """The result for a video, a file or a folder of its frames; one that cannot be scored is an abstention.

        Every exception while the video is read, tracked or scored becomes a status (``damaged``, ``not_consecutive``,
        ``unreadable``): no file ends the run of many. Those of ``progress``, which is called with (seconds done, total
        seconds or None) while the video is read, and of the hooks of ``watch`` are raised as they are.
        """
        path = Path(path)
        started = time.perf_counter()
        try:
            hooks = watch or Watch()
            hooks = Watch(_hook(hooks.located), _hook(hooks.left_out))
            with open_video(path, image_rate=self.settings.image_rate) as reader:
                verdict = self._read(reader, _hook(progress or (lambda done, total: None)), hooks)
        except _HookError as error:
            raise cast(Exception, error.__cause__) from None
        except Exception as error:  # see above
            status = error.status if isinstance(error, Unreadable) else Status.UNREADABLE
            shown, message = address_in(path) or str(path), why_failed(error, str(path))
            verdict = VideoVerdict(shown, status, Verdict.NONE, None, None, message=message)
        ctypes.CDLL(None).malloc_trim(0)  # of glibc: gaps between freed frames would let the memory grow by each video
        seconds = time.perf_counter() - started
        # A folder that is not a video may contain any amount of other files.
        skipped = verdict.status in NOT_READ and os.path.isdir(path)  # noqa: PTH112
        digest = None if skipped else content_sha256(path)
        file, provenance = read_facts(path), self._provenance()
        return replace(verdict, sha256=digest, seconds_spent=seconds, file=file, provenance=provenance)

    def score(self, clip: Clip) -> ClipScore:
        """The score of one clip; may be called in another thread. FacetellError: the logit is not finite."""
        logit, info = float(self.engine.score(clip.frames[None])[0]), self.engine.info
        if not math.isfinite(logit):
            raise FacetellError(N_(f"the model {info.name} gives {logit} for a clip, which is not a score"))
        return ClipScore(clip.times[0], clip.times[-1], logit, info.calibration.probability(logit), clip.crop)

    def score_regions(self, frames: UInt8Array) -> tuple[RegionScore, ...]:
        """The scores of the regions of a clip, uint8 RGB (T, S, S, 3); none of a model that does not score patches."""
        if not self.engine.has_patches:
            return ()
        info, (_, patches) = self.engine.info, self.engine.outputs(frames[None])
        face = Crop(info.size / 2, info.size / 2, info.size / info.crop_scale)
        landmarks = np.mean([self._mesh.place(frame, face).landmarks for frame in frames], axis=0)
        found = region_logits(region_map(landmarks, info.size), patches[0])
        return tuple(RegionScore(name, logit, info.calibration.probability(logit)) for name, logit in found.items())

    def track_scores(self, waited: Callable[[], None] = lambda: None) -> TrackScores:
        """An empty collection of the scores of one video; ``waited`` is called after each wait for a score."""
        settings = self.settings
        return TrackScores(self.score, self.engine.info, 1 / settings.clips_per_second, settings.max_clips or 0, waited)

    def _read(self, reader: VideoSource, progress: Progress, watch: Watch) -> VideoVerdict:
        """Read a video to its end and score its faces."""
        end, now = reader.duration or math.inf, 0.0
        with self.track_scores(lambda: progress(now, reader.duration)) as scores:
            stream = ClipStream(self, reader.info.fps, wants=scores.wants)
            for raw in reader:
                now = raw.time
                progress(now, reader.duration)
                look = stream.push(raw)
                stream.leave_out(reader, scores.wanted_from(stream.tracker.active))
                if look is None:
                    continue
                watch.located(now, look.faces)
                scores.see(now, {track: face.pose.width for track, face in look.faces.items()})
                for clip in look.clips:
                    if not scores.is_large(clip, clip.face_width):
                        continue
                    if scores.is_fit(clip):
                        scores.add(clip, end)
                    else:
                        watch.left_out(clip)
                scores.release(stream.tracker.followed)
            return self._verdict(reader, stream, scores, now)

    def _verdict(self, reader: VideoSource, stream: ClipStream, scores: TrackScores, last_time: float) -> VideoVerdict:
        """The result of a video: that of its highest-scoring track, or of the highest one that is forged by itself."""
        model, tracker, tracks = self.engine.info, stream.tracker, tuple(scores.results().values())
        ranked = sorted((t for t in reversed(tracks) if t.status is Status.SCORED), key=lambda t: t.probability or 0.0)
        threshold = self.threshold_of(max(len(ranked), 1))
        worst, flaws, verdict = None, np.zeros(2), Verdict.NONE
        for track in ranked:
            own = np.median(scores.records[track.track_id].flaws, axis=0)
            found = read_verdict(track.probability, track.interval, threshold, not unclear(own))
            if found is Verdict.FORGED or verdict is not Verdict.FORGED:
                worst, flaws, verdict = track, own, found
        probability, interval = (worst.probability, worst.interval) if worst else (None, None)
        status, message = (Status.SCORED, "") if worst else why_not_scored(tracks, model)
        if status in (Status.NO_FACE, Status.TOO_SHORT) and reader.lost >= MOST_LOST:
            status = Status.DAMAGED
            damage = "; ".join(reader.damage)
            message = N_(f"too few of its frames are undamaged ({damage}): get the file again")
        left_out = sum((scores.records[track.track_id].left_out for track in ranked), Counter[Status]())
        crowded = tracker.max_faces if tracker.crowded else 0
        return VideoVerdict(
            path=str(reader.path),
            status=status,
            verdict=verdict,
            probability=probability,
            interval=interval,
            tracks=tracks,
            message=message,
            warnings=warnings_of(tracks, flaws, stream.sampler.uneven, reader.errors, model, crowded, left_out),
            threshold=threshold if worst else None,
            threshold_faces=len(ranked) if threshold != self.threshold else 1,
            duration=reader.duration or last_time,
            width=reader.info.width,
            height=reader.info.height,
            fps=reader.info.fps,
        )

    def _provenance(self) -> dict[str, object]:
        """Versions, hashes and settings that are needed to repeat the run."""
        engine, settings = self.engine, asdict(self.settings)
        settings["engine"] = settings["engine"] or DEVICES[self.settings.device]
        del settings["given"]  # detection takes model files of facetell
        return {
            "facetell": __version__,
            "python": platform.python_version(),
            "libraries": _LIBRARIES,
            "model": {"name": engine.info.name, "sha256": engine.sha256},
            "engine": {"name": engine.name, "version": engine.version, "precision": engine.precision},
            "assets": {name: ASSETS[name].sha256 for name in ("face_detector", "face_mesh")},
            "settings": settings | {"threshold": self.threshold, "precision": engine.precision},
        }


def _hook(hook: Callable[_P, None]) -> Callable[_P, None]:
    """The hook, its exceptions marked."""

    def call(*args: _P.args, **kwargs: _P.kwargs) -> None:
        try:
            hook(*args, **kwargs)
        except Exception as error:
            raise _HookError from error

    return call


def detect(path: Path | str, model: Path | str | None = None, settings: Settings | None = None) -> VideoVerdict:
    """The result for one video; for several, create one :class:`Detector` (same arguments and errors) and call it."""
    return Detector(model, settings)(path)


@dataclass(frozen=True, slots=True)
class Look:
    """Result for a frame that was searched: its ``faces`` by track number, and the ``clips`` that it completes."""

    faces: Mapping[int, Face]
    clips: Sequence[Clip]


class ClipStream:
    """Clips from the frames of a file or a live source; holds only the frames of one clip per face.

    ``fps`` is that of the source, None if unknown; ``period`` are the seconds per clip of a face, by default those of
    the settings. For ``wants`` see :class:`facetell.faces.clips.ClipAssembler`.
    """

    def __init__(
        self, detector: Detector, fps: float | None, period: float | None = None, wants: Wants = lambda *_: True
    ) -> None:
        info, settings = detector.engine.info, detector.settings
        self.sampler = FrameSampler(fps, info.frame_rate)
        self.tracker = FaceTracker(detector._detector, detector._mesh, max_faces=settings.max_faces)
        period = period or 1 / settings.clips_per_second
        self._assembler = ClipAssembler(info.clip_frames, info.size, info.crop_scale, period, wants)
        self._next_look = self._whole_from = -math.inf
        self._is_whole = True  # whether no frame was left out before the last one

    @property
    def gathering(self) -> bool:
        """Whether a clip is begun but not complete: dropping a frame now would lose it."""
        return self._assembler.gathering

    def leave_out(self, source: VideoSource, wanted_from: float) -> None:
        """Let the source leave out frames before ``wanted_from`` seconds, when the next clip is needed.

        Only in a settled scene, else the tracker needs each frame, and where all are taken, else others would be.
        """
        is_idle = self.tracker.is_settled and not self.gathering and self.sampler.takes_all
        self._whole_from = source.leave_out(wanted_from if is_idle else -math.inf)

    def push(self, raw: SourceFrame) -> Look | None:
        """Add the next frame by time; None if it was not searched. A pause beyond ``HOLE`` ends the clips begun."""
        was_whole, self._is_whole = self._is_whole, raw.time >= self._whole_from
        if self._is_whole and not was_whole:
            self.sampler.resume()
        number = self.sampler.take(raw.time) if self._is_whole else 0
        if number is None:
            return None
        if self.tracker.glance(raw.luma_thumbnail()):
            self._next_look = -math.inf
        wanted = self._is_whole and self._assembler.wants(raw.time, self.tracker.active)
        if raw.time < self._next_look and not wanted:
            return None
        self._next_look = raw.time + self.tracker.look_every
        frame = Frame(raw.index, raw.time, raw.rgb())
        faces = self.tracker.update(frame)
        poses = {track: face.pose for track, face in faces.items()}
        return Look(faces, self._assembler.push(number, frame, poses) if self._is_whole else [])
