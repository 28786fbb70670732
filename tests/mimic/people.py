"""The people of a miniature: short scenes cut from the sample clips, and forgeries made from them.

Two real people stand for all identities. So that no two scenes are near-duplicates, each has a stretch of time, frame,
tilt, side, colour and light of its own, all drawn from its number: a number gives the same scene in every miniature.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from facetell.assets import locate
from facetell.faces.detector import FaceDetector
from facetell.faces.mesh import FaceMesh
from facetell.faces.tracker import FaceTracker
from facetell.forge.mesh import IndexArray
from facetell.forge.recipe import ForgeRecipe, forge_clip
from facetell.forge.reenact import reflected
from facetell.forge.swap import SwapConfig
from facetell.types import FacetellError, FloatArray, Frame, UInt8Array
from facetell.video.reader import VideoReader
from facetell.video.writer import VideoWriter

WIDTH, HEIGHT = 320, 180
FACE = (84.0, 114.0)  # width of a scene's face in pixels
CRF = {"raw": 0, "c23": 23, "c40": 40}
_GOLDEN = 0.6180339887  # spreads the scenes of consecutive numbers over a clip


@dataclass(frozen=True, slots=True)
class Footage:
    """A sample clip, small: ``frames`` (T, H, W, 3), where its face is, ``fps``."""

    frames: UInt8Array
    middle: tuple[float, float]
    face_width: float
    fps: Fraction


@dataclass(frozen=True, slots=True)
class Scene:
    """One identity of a miniature: ``frames`` uint8 RGB (T, 180, 320, 3), ``landmarks`` (T, 468, 2), ``fps``."""

    frames: UInt8Array
    landmarks: FloatArray
    fps: Fraction


# Sample, how far it is shrunken, where the face is and how wide, in pixels of the sample.
_SAMPLES = (("sample_woman", 0.625, (444.0, 204.0), 228.0), ("sample_man", 0.9, (294.0, 196.0), 155.0))


@functools.cache
def _footage(number: int) -> Footage:
    name, scale, (x, y), width = _SAMPLES[number]
    with VideoReader(locate(name)) as reader:
        frames = [cv2.resize(raw.rgb(), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for raw in reader]
        fps = Fraction(reader.info.fps or 25).limit_denominator(1001)
    return Footage(np.asarray(frames, dtype=np.uint8), (x * scale, y * scale), width * scale, fps)


@functools.lru_cache(maxsize=64)
def scene(number: int, seconds: float = 2.0) -> Scene:
    """The scene of identity ``number``; the same number and length give the same pictures."""
    rng = np.random.default_rng([2023, number])
    footage = _footage(int(number % 3 == 2))
    count = max(8, round(seconds * footage.fps))
    free = max(1, len(footage.frames) - count + 1)
    order = reflected(int(number * _GOLDEN % 1 * free) + np.arange(count), len(footage.frames))
    frames = _lit(_framed(footage, order, rng), rng)
    return Scene(frames, _tracked(frames), footage.fps)


def _framed(footage: Footage, order: IndexArray, rng: np.random.Generator) -> UInt8Array:
    """The frames ``order`` through one similarity, mirrored or not, (T, 180, 320, 3)."""
    ratio = rng.uniform(*FACE) / footage.face_width
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    turn = np.deg2rad(rng.uniform(-13, 13))
    cos, sin = ratio * np.cos(turn), ratio * np.sin(turn)
    linear = np.array([[cos * mirror, -sin], [sin * mirror, cos]])
    place = np.array([rng.uniform(90, WIDTH - 90), rng.uniform(84, 98)])
    matrix = np.hstack([linear, (place - linear @ footage.middle)[:, None]])
    made = [
        cv2.warpAffine(
            footage.frames[i], matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        for i in order
    ]
    return np.asarray(made, dtype=np.uint8)


def _lit(frames: UInt8Array, rng: np.random.Generator) -> UInt8Array:
    """Frames in a light of the scene's own: a smooth, still field of gain and tint."""
    field_ = np.exp(rng.normal(0, 0.45, (4, 6, 1)) + rng.normal(0, 0.04, (4, 6, 3))).astype(np.float32)
    gain = np.asarray(cv2.resize(field_, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), dtype=np.float32)
    gain *= np.float32(rng.uniform(0.9, 1.1) / gain.mean())
    return np.stack([np.clip(np.rint(frame * gain), 0, 255).astype(np.uint8) for frame in frames])


@functools.cache
def _networks() -> tuple[FaceDetector, FaceMesh]:
    return FaceDetector(), FaceMesh()


def _tracked(frames: UInt8Array) -> FloatArray:
    """Landmarks (T, 468, 2); a frame in which the face is covered has those of the one before (or after)."""
    tracker = FaceTracker(*_networks(), max_faces=1)
    found: list[FloatArray | None] = []
    for index, image in enumerate(frames):
        faces = tracker.update(Frame(index, index / 25, image))
        found.append(next(iter(faces.values())).landmarks if faces else None)
    last = next((points for points in found if points is not None), None)
    if last is None:
        raise FacetellError("no face was found in a scene of the sample clips; run `facetell doctor`")
    landmarks = []
    for points in found:
        last = last if points is None else points
        landmarks.append(last)
    return np.stack(landmarks)


# What stands for each published method: a kind of forging, and changes to its ranges.
_STILL = {"swapped": SwapConfig(still=1.0, whole=1.0, colour=0.5, poisson=0.0)}
_SEAMLESS = {"swapped": SwapConfig(still=0.0, whole=0.0, colour=1.0, poisson=0.0)}
STAND_INS: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "Deepfakes": ("swap", {}),
    "Face2Face": ("drift", {}),
    "FaceSwap": ("swap", _STILL),
    "NeuralTextures": ("mouth", {}),
    "FaceShifter": ("swap", _SEAMLESS),
    "DeepFakeDetection": ("swap", _SEAMLESS),
    "FaceReenact": ("reenact", {}),
    "TalkingFace": ("mouth", {}),
}


@functools.lru_cache(maxsize=8)
def forgery(method: str, target: int, donor: int, seconds: float = 2.0, variant: int = 0) -> UInt8Array:
    """The scene of ``target`` forged with the face or motion of ``donor``, frame for frame.

    Args:
        method: one of :data:`STAND_INS`; whatever else is a swap.
        target: number of the identity that is seen.
        donor: number of the other one.
        seconds: length.
        variant: another forgery of the same two by the same method.
    """
    kind, changes = STAND_INS.get(method, ("swap", {}))
    real, other = scene(target, seconds), scene(donor, seconds)
    rng = np.random.default_rng([sum(map(ord, method)), target, donor, variant])
    recipe = ForgeRecipe.only(kind, **changes)
    return forge_clip(real.frames, real.landmarks, rng, recipe, (other.frames, other.landmarks)).frames


@dataclass(slots=True)
class Recorder:
    """Writes the videos of a miniature under ``root``, and tells ``count`` of them."""

    root: Path
    seconds: float
    count: int = field(default=0)

    def real(self, path: str, number: int, crf: float = 23) -> None:
        """The scene of an identity."""
        self.video(path, scene(number, self.seconds).frames, number, crf)

    def fake(self, path: str, method: str, target: int, donor: int, crf: float = 23, variant: int = 0) -> None:
        """A forgery of ``target`` by ``donor``."""
        self.video(path, forgery(method, target, donor, self.seconds, variant), target, crf)

    def video(self, path: str, frames: UInt8Array, number: int, crf: float = 23) -> None:
        """Frames (T, H, W, 3) as H.264, at the rate of the scene of ``number``."""
        height, width = frames.shape[1:3]
        # One thread and no macroblock tree: the same pictures give the same file.
        options = {"preset": "veryfast", "x264-params": "mbtree=0:threads=1"}
        fps = scene(number, self.seconds).fps
        out = self.root / path
        with VideoWriter(out, fps=fps, width=width, height=height, crf=crf, options=options) as writer:
            for image in frames:
                writer.write(image)
        self.count += 1

    def text(self, path: str, text: str) -> None:
        """A list file."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
