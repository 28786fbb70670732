"""Degradation of training clips, the same for both clips of a pair: a model would learn a difference in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np

from facetell.distort.frames import X265_LEAST, normal_noise
from facetell.forge import pixels as px
from facetell.forge.mesh import FEATURES, face_width, feature_centres, smooth
from facetell.forge.recipe import repeat_order
from facetell.types import FloatArray, UInt8Array

INTERPOLATIONS = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA)


class Coder(NamedTuple):
    """An encoder by its name in PyAV, its options by FFmpeg's names, and the frame rate."""

    name: str
    options: dict[str, str]
    rate: float


@dataclass(frozen=True, slots=True)
class DegradeConfig:
    """Chances and ranges of each degradation (ours)."""

    repeats: float = 0.1  # chance of repeated, dropped or swapped frames
    rerate: float = 0.04  # chance of a lower frame rate and back by repetition
    colourful: float = 0.5
    gamma_chance: float = 0.3
    blur: float = 0.2
    sigma: tuple[float, float] = (0.4, 1.2)  # pixels
    sharpen: float = 0.1
    resize: float = 0.35
    scale: tuple[float, float] = (0.45, 0.9)  # of the shrunken image
    noisy: float = 0.2
    noise: tuple[float, float] = (1.0, 6.0)  # standard deviation in grey levels
    social: float = 0.06  # chance of shrinking, sharpening and a low bit rate, as by a messenger; else
    codec: float = 0.5  # chance of an encoder; else
    jpeg: float = 0.25  # chance of JPEG of one quality for the clip


def degrade_pair(
    clips: Sequence[UInt8Array], rng: np.random.Generator, config: DegradeConfig | None = None
) -> list[UInt8Array]:
    """One random degradation of clips, uint8 RGB (T, H, W, 3), of one length; only the noise is each one's own."""
    config, results = config or DegradeConfig(), list(clips)
    length = len(results[0])
    if rng.random() < config.repeats:
        order = repeat_order(length, rng, rng.uniform(0.1, 0.4))
        results = [clip[order] for clip in results]
    elif rng.random() < config.rerate:
        # The frame on screen at each tick where a share of them is shown, by a clock with a phase.
        share, phase = float(rng.uniform(0.5, 0.95)), float(rng.uniform(0, 1))
        ticks = np.floor(np.arange(length) * share + phase)
        order = np.asarray(np.ceil((ticks - phase) / share - 1e-9).clip(0, length - 1), dtype=np.int64)
        results = [clip[order] for clip in results]
    if rng.random() < config.colourful:
        matrix = px.draw_colour(rng, rgb=12.0, hue=6.0, contrast=0.2)
        results = [px.apply_colour(clip, matrix) for clip in results]
    if rng.random() < config.gamma_chance:
        table = np.rint(255 * (np.arange(256) / 255) ** rng.uniform(0.75, 1.33)).astype(np.uint8)
        results = [table[clip] for clip in results]
    if rng.random() < config.blur:
        sigma = rng.uniform(*config.sigma)
        results = [np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in clip]) for clip in results]
    elif rng.random() < config.sharpen:
        amount = 1 + float(rng.uniform(0.2, 0.8))
        results = [px.apply_sharpness(clip, amount) for clip in results]
    if rng.random() < config.resize:
        results = _resized(results, rng, config.scale)
    if rng.random() < config.noisy:
        level = rng.uniform(*config.noise)
        noisy = [normal_noise(clip.shape, level, rng) + clip for clip in results]
        results = [np.clip(np.rint(clip), 0, 255).astype(np.uint8) for clip in noisy]
    return _coded(results, rng, config)


def _coded(clips: list[UInt8Array], rng: np.random.Generator, config: DegradeConfig) -> list[UInt8Array]:
    lead = int(rng.integers(0, 5))
    if rng.random() < config.social:
        small = _resized(clips, rng, (0.4, 0.8))
        coder = Coder("libx264", _h264_options(rng, (28, 38)), 30)
        amount = 1 + float(rng.uniform(0, 0.6))
        return [recode_within(px.apply_sharpness(clip, amount), coder, lead) for clip in small]
    if rng.random() < config.codec:
        coder = _draw_coder(rng)
        # x265 refuses short clips.
        if coder.name == "libx265" and any(len(clip) < 4 or min(clip.shape[1:3]) < X265_LEAST for clip in clips):
            coder = coder._replace(name="libx264", options=_h264_options(rng))
        return [recode_within(clip, coder, lead) for clip in clips]
    if rng.random() < config.jpeg:
        quality = int(rng.integers(35, 95))
        return [jpeg(clip, quality) for clip in clips]
    return clips


def _resized(clips: list[UInt8Array], rng: np.random.Generator, scales: tuple[float, float]) -> list[UInt8Array]:
    """Shrunken and enlarged, by two random interpolations."""
    scale = rng.uniform(*scales)
    down, up = (INTERPOLATIONS[int(i)] for i in rng.integers(len(INTERPOLATIONS), size=2))
    results = []
    for clip in clips:
        height, width = clip.shape[1:3]
        small = (max(2, round(width * scale)), max(2, round(height * scale)))
        shrunken = [cv2.resize(frame, small, interpolation=down) for frame in clip]
        results.append(np.stack([cv2.resize(frame, (width, height), interpolation=up) for frame in shrunken]))
    return results


def jpeg(clip: UInt8Array, quality: int) -> UInt8Array:
    """Every frame as JPEG of the same ``quality`` in [1, 100]."""
    frames = []
    for frame in clip:
        bgr = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)  # luma weighs the channels differently
        decoded = cv2.imdecode(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)
        assert decoded is not None  # it was encoded here
        frames.append(cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB))
    return np.asarray(frames, dtype=np.uint8)


def _draw_coder(rng: np.random.Generator) -> Coder:
    """A random encoder as of web video: mostly H.264, of any quality, GOP length and frame rate."""
    name = ("libx264", "libx265", "libvpx-vp9")[int(rng.choice(3, p=(0.8, 0.12, 0.08)))]
    if name == "libx264":
        options = _h264_options(rng)
    elif name == "libx265":
        options = {"preset": "ultrafast", "crf": str(int(rng.integers(20, 38)))}
        options["x265-params"] = "log-level=error:pools=1:frame-threads=1"
    else:
        options = {"crf": str(int(rng.integers(25, 50))), "b": "0"}
        options |= {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}
    options |= {"g": str(int(rng.integers(3, 60))), "threads": "1"}
    return Coder(name, options, (24, 25, 30, 50)[int(rng.integers(4))])


def _h264_options(rng: np.random.Generator, crf: tuple[int, int] = (18, 38)) -> dict[str, str]:
    """Constant rate factor, or in a quarter of the cases a bit rate."""
    options = {
        "preset": ("ultrafast", "superfast", "veryfast", "faster")[int(rng.integers(4))],
        "bf": str(int(rng.integers(0, 3))),
        "g": str(int(rng.integers(3, 60))),
        "threads": "1",
        "x264-params": "mbtree=0",  # the one part of x264 that is not reproducible to the bit
    }
    if rng.random() < 0.25:
        return options | {"b": str(int(np.exp(rng.uniform(np.log(80_000), np.log(600_000)))))}
    return options | {"crf": str(int(rng.integers(*crf)))}


def recode_within(clip: UInt8Array, coder: Coder, lead: int) -> UInt8Array:
    """Re-encode a clip (T, H, W, 3) with ``lead`` mirrored frames before it: its first frame is not always a key frame.

    Without PyAV, the clip is coded as JPEG of one quality in [30, 90] that corresponds to the constant rate factor.
    """
    try:
        from facetell.video.writer import reencode
    except ModuleNotFoundError:
        return jpeg(clip, int(np.clip(126 - 2.5 * int(coder.options.get("crf", 30)), 30, 90)))
    before = clip[1 : lead + 1][::-1]
    return reencode(np.concatenate([before, clip]), coder.rate, coder.name, **coder.options)[len(before) :]


def harmless_twin(frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator) -> UInt8Array:
    """A real clip (T, H, W, 3) with the face resampled, sharpened or recompressed, without the traces of a forgery.

    All changes are constant or smooth in time. The warp is undone again, so that only the resampling remains.
    """
    landmarks = smooth(landmarks, 1.0)
    width, size = face_width(landmarks), frames.shape[1:3]
    changed = frames
    if rng.random() < 0.7:
        push = rng.uniform(0.005, 0.02) * width * rng.standard_normal((1, len(FEATURES), 2), dtype=np.float32)
        pushes = np.repeat(push, len(frames), axis=0).astype(np.float32)
        fields = px.bump_field(size, width, feature_centres(landmarks), pushes, rng.uniform(0.15, 0.35) * width)
        changed = px.remap_fields(px.remap_fields(frames, fields), -fields)
    changed = px.apply_sharpness(changed, px.draw_sharpness(rng, probability=0.5, quarter=0.1))
    if rng.random() < 0.3:
        changed = jpeg(changed, int(rng.integers(50, 95)))
    return changed if rng.random() < 0.4 else px.blend(frames, changed, px.draw_mask(landmarks, size, rng))
