"""What a clip goes through before a detector sees it, alike for the real and the fake of a pair.

If the two classes were degraded differently, the degradation would be learned instead of the forgery. So parameters
are drawn once and used on every clip of a pair, whole-frame repeats hit both, and a real may be run through harmless
twins of the forging steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from facetell.forge.colour import (
    ColourConfig,
    SharpnessConfig,
    apply_colour,
    apply_sharpness,
    blend,
    draw_colour,
    draw_sharpness,
)
from facetell.forge.masks import MaskConfig, draw_mask
from facetell.forge.mesh import IndexArray, check_landmarks, face_width, smooth
from facetell.forge.temporal import FEATURES, feature_centres, repeat_order
from facetell.forge.warp import bump_field, grid_nodes, remap_field
from facetell.noise import normal_noise
from facetell.types import FloatArray, UInt8Array

INTERPOLATIONS = (cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_AREA)


@dataclass(frozen=True, slots=True)
class Coder:
    """How a clip is coded: PyAV's name of the encoder, its options by FFmpeg's names, frames a second."""

    name: str
    options: dict[str, str]
    rate: float


@dataclass(frozen=True, slots=True)
class DegradeConfig:
    """Chances and ranges of each degradation (ours).

    ``scale`` of the shrunken picture; ``sigma`` of the blur in pixels; ``noise`` in grey levels; ``gamma`` exponent;
    ``repeats`` chance of frames that repeat, drop or swap, to the share ``repeat_share``; ``rerate`` chance of a change
    to the share ``slower`` of the frame rate and back by repetition; ``social`` chance of a messenger's chain
    (shrunken, sharpened, coded at a low rate); else ``codec`` chance of a coder; else ``jpeg`` chance of the cheap
    substitute, JPEG of one quality for the whole clip.
    """

    repeats: float = 0.1
    repeat_share: tuple[float, float] = (0.1, 0.4)
    rerate: float = 0.04
    slower: tuple[float, float] = (0.5, 0.95)
    colourful: float = 0.5
    colour: ColourConfig = field(default_factory=lambda: ColourConfig(rgb=12.0, hue=6.0, contrast=0.2))
    gamma_chance: float = 0.3
    gamma: tuple[float, float] = (0.75, 1.33)
    blur: float = 0.2
    sigma: tuple[float, float] = (0.4, 1.2)
    sharpen: float = 0.1
    resize: float = 0.35
    scale: tuple[float, float] = (0.45, 0.9)
    noisy: float = 0.2
    noise: tuple[float, float] = (1.0, 6.0)
    social: float = 0.06
    codec: float = 0.5
    jpeg: float = 0.25
    quality: tuple[int, int] = (35, 95)


def degrade_pair(
    clips: Sequence[UInt8Array], rng: np.random.Generator, config: DegradeConfig | None = None
) -> list[UInt8Array]:
    """The same random degradation on every clip, each uint8 RGB (T, H, W, 3); shapes are kept.

    Noise is drawn anew for each clip, of one strength. The clips should have one length: an order of frames drawn for
    the first is only used on clips of its length.
    """
    config = config or DegradeConfig()
    results = _recoloured(_reordered(list(clips), rng, config), rng, config)
    if rng.random() < config.blur:
        sigma = rng.uniform(*config.sigma)
        results = [np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in clip]) for clip in results]
    elif rng.random() < config.sharpen:
        amount = 1 + float(rng.uniform(0.2, 0.8))
        results = [apply_sharpness(clip, amount) for clip in results]
    if rng.random() < config.resize:
        results = _resized(results, rng, config.scale)
    if rng.random() < config.noisy:
        level = rng.uniform(*config.noise)
        results = [add_noise(clip, level, rng) for clip in results]
    return _coded(results, rng, config)


def _reordered(clips: list[UInt8Array], rng: np.random.Generator, config: DegradeConfig) -> list[UInt8Array]:
    """Whole frames repeated, dropped, swapped; or shown at a lower rate."""
    length = len(clips[0])
    if rng.random() < config.repeats:
        order = repeat_order(length, rng, rng.uniform(*config.repeat_share))
    elif rng.random() < config.rerate:
        order = lower_rate_order(length, float(rng.uniform(*config.slower)), float(rng.uniform(0, 1)))
    else:
        return clips
    return [clip[order] if len(clip) == length else clip for clip in clips]


def lower_rate_order(length: int, share: float, phase: float) -> IndexArray:
    """Which frame is on the screen at each of ``length`` ticks where only the ``share`` of frames is shown, (T,).

    ``phase`` in [0, 1) of the slower clock against the frames.
    """
    ticks = np.floor(np.arange(length) * share + phase)  # of the slower clock
    return np.asarray(np.ceil((ticks - phase) / share - 1e-9).clip(0, length - 1), dtype=np.int64)


def _recoloured(clips: list[UInt8Array], rng: np.random.Generator, config: DegradeConfig) -> list[UInt8Array]:
    """One change of colour and of gamma."""
    if rng.random() < config.colourful:
        matrix = draw_colour(rng, config.colour)
        clips = [apply_colour(clip, matrix) for clip in clips]
    if rng.random() < config.gamma_chance:
        table = np.rint(255 * (np.arange(256) / 255) ** rng.uniform(*config.gamma)).astype(np.uint8)
        clips = [table[clip] for clip in clips]
    return clips


def _coded(clips: list[UInt8Array], rng: np.random.Generator, config: DegradeConfig) -> list[UInt8Array]:
    """A messenger's chain, a coder, JPEG, or nothing."""
    lead = int(rng.integers(0, 5))
    if rng.random() < config.social:
        small = _resized(clips, rng, (0.4, 0.8))
        coder = Coder("libx264", _h264_options(rng, (28, 38)), 30)
        amount = 1 + float(rng.uniform(0, 0.6))
        return [recode_within(apply_sharpness(clip, amount), coder, lead) for clip in small]
    if rng.random() < config.codec:
        coder = draw_coder(rng)
        if coder.name == "libx265" and not all(fit_for_x265(clip) for clip in clips):
            coder = replace(coder, name="libx264", options=_h264_options(rng))
        return [recode_within(clip, coder, lead) for clip in clips]
    if rng.random() < config.jpeg:
        quality = int(rng.integers(*config.quality))
        return [jpeg(clip, quality) for clip in clips]
    return clips


def _resized(clips: list[UInt8Array], rng: np.random.Generator, scales: tuple[float, float]) -> list[UInt8Array]:
    """Shrunken and grown again, each by an interpolation of its own."""
    scale = rng.uniform(*scales)
    down, up = (INTERPOLATIONS[int(i)] for i in rng.integers(len(INTERPOLATIONS), size=2))
    results = []
    for clip in clips:
        height, width = clip.shape[1:3]
        small = (max(2, round(width * scale)), max(2, round(height * scale)))
        shrunken = [cv2.resize(frame, small, interpolation=down) for frame in clip]
        results.append(np.stack([cv2.resize(frame, (width, height), interpolation=up) for frame in shrunken]))
    return results


def add_noise(clip: UInt8Array, level: float, rng: np.random.Generator) -> UInt8Array:
    """Gaussian noise of standard deviation ``level`` in grey levels, new in every frame."""
    noise = normal_noise(clip.shape, level, rng)
    noise += clip
    return np.clip(np.rint(noise, out=noise), 0, 255).astype(np.uint8)


def jpeg(clip: UInt8Array, quality: int) -> UInt8Array:
    """Every frame through JPEG of the same ``quality`` in [1, 100]."""
    out = np.empty_like(clip)
    for frame, place in zip(clip, out, strict=True):
        bgr = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)  # colours have each their own weight in JPEG's brightness
        coded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        decoded = cv2.imdecode(coded, cv2.IMREAD_COLOR)
        assert decoded is not None  # it was encoded here
        cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB, dst=place)
    return out


def fit_for_x265(clip: UInt8Array) -> bool:
    """Whether x265 can be trusted with a clip (T, H, W, 3): it overruns its memory on pictures smaller than its blocks
    of 64 pixels, and refuses clips of one or two frames.
    """
    return len(clip) >= 4 and min(clip.shape[1:3]) >= 64


def draw_coder(rng: np.random.Generator) -> Coder:
    """A random coder as videos on the web have been through: mostly H.264, at any quality, GOP and frame rate."""
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
    """Quality by constant rate factor, or in a quarter of the cases by bit rate."""
    options = {
        "preset": ("ultrafast", "superfast", "veryfast", "faster")[int(rng.integers(4))],
        "bf": str(int(rng.integers(0, 3))),
        "g": str(int(rng.integers(3, 60))),
        "threads": "1",
        "x264-params": "mbtree=0",  # the one part of x264 that does not repeat to the last bit
    }
    if rng.random() < 0.25:
        return options | {"b": str(int(np.exp(rng.uniform(np.log(80_000), np.log(600_000)))))}
    return options | {"crf": str(int(rng.integers(*crf)))}


def recode_within(clip: UInt8Array, coder: Coder, lead: int) -> UInt8Array:
    """Re-encode a clip as a part of a longer video: ``lead`` mirrored frames run before it and are cut off again.

    So the key frame does not always fall on the first frame of a clip. Where PyAV is missing, JPEG of one quality for
    the whole clip stands in.
    """
    try:
        from facetell.video.writer import reencode
    except ModuleNotFoundError:
        return jpeg(clip, _quality_like(coder))
    lead = min(lead, len(clip) - 1)
    longer = np.concatenate([clip[1 : lead + 1][::-1], clip])
    return reencode(longer, coder.rate, coder.name, **coder.options)[lead:]


def _quality_like(coder: Coder) -> int:
    """JPEG's quality, in [30, 90], for a coder's constant rate factor; a middling one where it has a bit rate."""
    return int(np.clip(126 - 2.5 * int(coder.options.get("crf", 30)), 30, 90))


@dataclass(frozen=True, slots=True)
class TwinConfig:
    """Harmless twins of the forging steps (ours): all constant or smooth in time, as nature is.

    ``warp``: size of the warp there and back in face widths; ``whole``: chance that it covers the whole frame.
    """

    warped: float = 0.7
    warp: tuple[float, float] = (0.005, 0.02)
    radius: tuple[float, float] = (0.15, 0.35)
    whole: float = 0.4
    sharpness: SharpnessConfig = field(default_factory=lambda: SharpnessConfig(probability=0.5, quarter=0.1))
    jpeg: float = 0.3
    quality: tuple[int, int] = (50, 95)
    mask: MaskConfig = field(default_factory=MaskConfig)


def harmless_twin(
    frames: UInt8Array, landmarks: FloatArray, rng: np.random.Generator, config: TwinConfig | None = None
) -> UInt8Array:
    """A real clip (T, H, W, 3) resampled, sharpened or recompressed inside the face, without a forgery's traces.

    It is warped there and back, so that geometry and colours stay and only the resampling is left.
    """
    config = config or TwinConfig()
    landmarks = smooth(check_landmarks(landmarks, len(frames)), 1.0)
    width = face_width(landmarks)
    changed = frames
    if rng.random() < config.warped:
        points = feature_centres(landmarks)
        push = rng.uniform(*config.warp) * width * rng.standard_normal((1, len(FEATURES), 2), dtype=np.float32)
        pushes = np.repeat(push, len(frames), axis=0).astype(np.float32)
        field_ = bump_field(grid_nodes(frames.shape[1:3], width), points, pushes, rng.uniform(*config.radius) * width)
        there = np.stack([remap_field(frame, part) for frame, part in zip(frames, field_, strict=True)])
        changed = np.stack([remap_field(frame, -part) for frame, part in zip(there, field_, strict=True)])
    changed = apply_sharpness(changed, draw_sharpness(rng, config.sharpness))
    if rng.random() < config.jpeg:
        changed = jpeg(changed, int(rng.integers(*config.quality)))
    if rng.random() < config.whole:
        return changed
    return blend(frames, changed, draw_mask(landmarks, frames.shape[1:3], rng, config.mask))
