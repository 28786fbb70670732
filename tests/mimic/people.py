"""The people of a miniature: short scenes made from the sample clips, and forgeries of them.

Two real people stand for all identities. Each identity has a part of a clip, position, roll, mirroring and light of
its own, drawn from its number, so that no two scenes are near-duplicates and a number always gives the same scene.
"""

import functools
from dataclasses import dataclass
from fractions import Fraction

import cv2
import numpy as np

from facetell.assets import locate
from facetell.faces.detector import FaceDetector
from facetell.faces.mesh import FaceMesh
from facetell.faces.tracker import FaceTracker
from facetell.forge.mesh import reflected
from facetell.forge.recipe import ForgeRecipe, forge_clip
from facetell.types import FloatArray, Frame, UInt8Array
from facetell.video.reader import VideoReader
from facetell.video.writer import VideoWriter

WIDTH, HEIGHT = 320, 180
FACE = (84.0, 114.0)  # width of the face in pixels
# Sample, its scale here, and centre and width of the face in pixels of the sample.
SAMPLES = (("sample_woman", 0.625, (444.0, 204.0), 228.0), ("sample_man", 0.9, (294.0, 196.0), 155.0))
GOLDEN = 0.6180339887  # spreads the scenes of consecutive numbers over a clip
# The kind of forgery that stands for a published method; a swap for all others.
STAND_INS = {"Face2Face": "drift", "NeuralTextures": "mouth", "FaceReenact": "reenact", "TalkingFace": "mouth"}


@dataclass(frozen=True, slots=True)
class Scene:
    """One identity: ``frames`` uint8 RGB (T, 180, 320, 3), ``landmarks`` (T, 468, 2), ``fps``."""

    frames: UInt8Array
    landmarks: FloatArray
    fps: Fraction


@functools.cache
def footage(name, scale):
    with VideoReader(locate(name)) as reader:
        frames = [cv2.resize(raw.rgb(), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for raw in reader]
        return np.asarray(frames, dtype=np.uint8), Fraction(reader.info.fps or 25).limit_denominator(1001)


@functools.lru_cache(maxsize=64)
def scene(number, seconds=2.0):
    """The scene of identity ``number``."""
    rng = np.random.default_rng([2023, number])
    name, scale, face, width = SAMPLES[number % 3 == 2]
    clip, fps = footage(name, scale)
    count = max(8, round(seconds * fps))
    free = max(1, len(clip) - count + 1)
    order = reflected(int(number * GOLDEN % 1 * free) + np.arange(count), len(clip))
    ratio = rng.uniform(*FACE) / (width * scale)
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    roll = np.deg2rad(rng.uniform(-13, 13))
    cos, sin = ratio * np.cos(roll), ratio * np.sin(roll)
    linear = np.array([[cos * mirror, -sin], [sin * mirror, cos]])
    place = np.array([rng.uniform(90, WIDTH - 90), rng.uniform(84, 98)])
    matrix = np.hstack([linear, (place - linear @ (np.array(face) * scale))[:, None]])
    # The light: a smooth, still field of gain and tint.
    field = np.exp(rng.normal(0, 0.45, (4, 6, 1)) + rng.normal(0, 0.04, (4, 6, 3))).astype(np.float32)
    gain = np.asarray(cv2.resize(field, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), dtype=np.float32)
    gain *= np.float32(rng.uniform(0.9, 1.1) / gain.mean())
    moved = [cv2.warpAffine(clip[i], matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE) for i in order]
    frames = np.stack([np.clip(np.rint(frame * gain), 0, 255).astype(np.uint8) for frame in moved])
    return Scene(frames, tracked(frames), fps)


@functools.cache
def networks():
    return FaceDetector(), FaceMesh()


def tracked(frames):
    """Landmarks (T, 468, 2); a frame without a face has those of the frame before, or of the first face."""
    tracker = FaceTracker(*networks(), max_faces=1)
    found = [tracker.update(Frame(index, index / 25, image)) for index, image in enumerate(frames)]
    last = next(face for faces in found for face in faces.values())
    landmarks = []
    for faces in found:
        last = next(iter(faces.values()), last)
        landmarks.append(last.landmarks)
    return np.stack(landmarks)


@functools.lru_cache(maxsize=8)
def forgery(method, target, donor, seconds=2.0):
    """The scene of ``target`` forged with the face or motion of ``donor``, frame for frame."""
    real, other = scene(target, seconds), scene(donor, seconds)
    rng = np.random.default_rng([sum(map(ord, method)), target, donor, 0])
    recipe = ForgeRecipe.only(STAND_INS.get(method, "swap"))
    return forge_clip(real.frames, real.landmarks, rng, recipe, (other.frames, other.landmarks)).frames


class Recorder:
    """Writes the files of a miniature under ``root``; ``count`` is the number of its videos."""

    def __init__(self, root, seconds):
        self.root, self.seconds, self.count = root, seconds, 0

    def video(self, path, target, donor=None, method="", *, crf=23):
        """Write the scene of an identity, or a forgery of it with ``donor``, as H.264, reproducibly."""
        self.count += 1
        if not self.seconds:
            self.text(path)
            return
        frames = (
            forgery(method, target, donor, self.seconds) if donor is not None else scene(target, self.seconds).frames
        )
        height, width = frames.shape[1:3]
        options = {"preset": "veryfast", "x264-params": "mbtree=0:threads=1"}
        with VideoWriter(self.root / path, fps=25, width=width, height=height, crf=crf, options=options) as writer:
            for image in frames:
                writer.write(image)

    def text(self, path, *lines):
        """Write a list file."""
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("\n".join(lines), encoding="utf-8")
