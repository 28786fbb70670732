"""The people of a miniature: short scenes of two real people, and forgeries; each differs, drawn from its number."""

import functools
import tempfile
from pathlib import Path

import cv2
import numpy as np

from facetell.assets import locate
from facetell.forge.mesh import reflected
from facetell.forge.video import forge_video
from facetell.video.writer import VideoWriter
from fixtures import frames_of

WIDTH, HEIGHT, FPS = 320, 180, 25
FACE = (84.0, 114.0)  # width of the face in pixels
# Sample, its scale here, and centre and width of the face in pixels of the sample.
SAMPLES = (("sample_woman", 0.625, (444.0, 204.0), 228.0), ("sample_man", 0.9, (294.0, 196.0), 155.0))
GOLDEN = 0.6180339887  # spreads the scenes of consecutive numbers over a clip


@functools.cache
def footage(path, scale=None):
    return np.stack([cv2.resize(image, None, fx=scale or 1, fy=scale or 1) for image, _ in frames_of(path)])


@functools.lru_cache(maxsize=64)
def scene(number, seconds=2.0):
    """The frames of identity ``number``, uint8 RGB (T, 180, 320, 3)."""
    rng = np.random.default_rng([2023, number])
    name, scale, face, width = SAMPLES[number % 3 == 2]
    clip = footage(locate(name), scale)
    count = max(8, round(seconds * FPS))
    order = reflected(int(number * GOLDEN % 1 * max(1, len(clip) - count + 1)) + np.arange(count), len(clip))
    ratio, mirror = rng.uniform(*FACE) / (width * scale), rng.choice([-1, 1])
    roll = np.deg2rad(rng.uniform(-13, 13))
    cos, sin = ratio * np.cos(roll), ratio * np.sin(roll)
    linear = np.array([[cos * mirror, -sin], [sin * mirror, cos]])
    place = np.array([rng.uniform(90, WIDTH - 90), rng.uniform(84, 98)])
    matrix = np.hstack([linear, (place - linear @ (np.array(face) * scale))[:, None]])
    # The light: a smooth, still field of gain and tint.
    field = np.exp(rng.normal(0, 0.45, (4, 6, 1)) + rng.normal(0, 0.04, (4, 6, 3)))
    gain = cv2.resize(field, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    gain *= rng.uniform(0.9, 1.1) / gain.mean()
    moved = [cv2.warpAffine(clip[i], matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE) for i in order]
    return np.clip(np.rint(moved * gain), 0, 255).astype(np.uint8)


@functools.lru_cache(maxsize=8)
def forgery(target, donor, seconds=2.0):
    with tempfile.TemporaryDirectory() as folder:
        real, other, forged = (Path(folder, f"{name}.mp4") for name in ("real", "other", "forged"))
        write_video(real, scene(target, seconds), 10)
        write_video(other, scene(donor, seconds), 10)
        forge_video(real, forged, "swap", donor=other, mark=False)
        return footage.__wrapped__(forged)


def write_video(path, frames, crf):
    """H.264; the same frames give the same bytes."""
    options = {"preset": "veryfast", "x264-params": "mbtree=0:threads=1"}
    with VideoWriter(path, fps=FPS, width=WIDTH, height=HEIGHT, crf=crf, options=options) as writer:
        for image in frames:
            writer.write(image)


class Recorder:
    """Writes the files of a miniature under ``root``."""

    def __init__(self, root, seconds):
        self.root, self.seconds = root, seconds

    def video(self, path, target, donor=None, *, crf=23):
        """Write the scene of an identity, or a forgery of it with ``donor``; an empty file if ``seconds`` is 0."""
        if not self.seconds:
            self.text(path)
        else:
            frames = scene(target, self.seconds) if donor is None else forgery(target, donor, self.seconds)
            write_video(self.root / path, frames, crf)

    def text(self, path, *lines):
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("\n".join(lines), encoding="utf-8")
