"""Forge the main face of a whole video.

A video is read twice: to track its faces, then to forge them. Memory is bounded: frames are held for one take at a
time, landmarks (4 kB per frame) for the whole video.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from facetell import __version__
from facetell.files import check_all_writable
from facetell.forge.follow import Progress, Run, follow, load_donor, portrait_of, read_frames, surroundings
from facetell.forge.recipe import KINDS, ForgeRecipe, draw_kind, forge_clip
from facetell.forge.reenact import Donor, Performance, borrowed_motion, most_opened, plan
from facetell.types import FacetellError, FloatArray, UInt8Array
from facetell.video.reader import VideoReader
from facetell.video.writer import VideoWriter

NONE = "none"  # only re-encoded: the real to compare a forgery with
VIDEO_KINDS = (*KINDS, "mix", NONE)
TAKE_BYTES = 400_000_000
TAKE_LENGTHS = (12, 96)
# Their parameters hold for the whole video, so every take starts from the same seed; the other kinds are noise.
STEADY = ("sbv", "breathe", "swap", "resynth")

Made = tuple[UInt8Array, FloatArray, float]
"""A frame (H, W, 3), its mask (H, W), its time in seconds."""


@dataclass(frozen=True, slots=True)
class VideoForgery:
    """The result: the ``kind`` applied; ``forged`` of the ``frames`` frames have a forged face."""

    path: Path
    kind: str
    frames: int
    forged: int


def forge_video(
    source: Path | str,
    out: Path | str,
    kind: str = "mix",
    *,
    donor: Path | str | None = None,
    seed: int = 0,
    recipe: ForgeRecipe | None = None,
    mark: bool = True,
    mask_out: Path | str | None = None,
    progress: Progress | None = None,
) -> VideoForgery:
    """Forge the main face of a video; its sound is copied.

    Args:
        source: a real video.
        out: the forgery, with a metadata tag (``comment``); the suffix sets the container.
        kind: one of :data:`VIDEO_KINDS`; ``mix`` draws one by the weights of the recipe, ``none`` only re-encodes.
        donor: video of another person: the face of a ``swap`` (required), the motion of a ``reenact`` (optional).
        seed: the same seed gives the same forgery.
        recipe: weights and ranges; default: those of :class:`ForgeRecipe`.
        mark: write FORGED into a corner.
        mask_out: also write the mask, as a grey video of the same frames.
        progress: called with the share done in [0, 1].

    Raises:
        FacetellError: a video cannot be read or shows no face, or a file cannot be written.
    """
    source, out = Path(source), Path(out)
    donor, mask_out = (None if path is None else Path(path) for path in (donor, mask_out))
    check_all_writable([path for path in (out, mask_out) if path], keep=[path for path in (source, donor) if path])
    recipe, kind = _settle(kind, recipe or ForgeRecipe(), seed, donor is not None)
    report = progress or (lambda share: None)
    person = load_donor(donor, np.random.default_rng([seed, 1])) if donor is not None and kind != NONE else None
    runs = [] if kind == NONE else follow(source, lambda share: report(0.4 * share))
    tag = {"comment": f"{'re-encoded' if kind == NONE else 'forged'} by facetell {__version__}: {kind}, seed {seed}"}
    count = forged = 0
    with VideoReader(source) as reader, ExitStack() as stack:
        if kind == "reenact":
            made = _performed(reader, _performances(source, runs, recipe, person, seed), seed)
        else:
            made = _forged(reader, runs, kind, recipe, person, seed)
        writers: list[VideoWriter] = []
        for image, mask, time in made:
            if not writers:
                targets = [(out, source), *([(mask_out, None)] if mask_out else [])]
                options: dict[str, Any] = {"fps": reader.info.fps or 25.0, "crf": 18, "metadata": tag}
                options |= {"height": image.shape[0], "width": image.shape[1]}
                # Without its macroblock tree x264 gives the same file for the same frames.
                options["options"] = {"preset": "veryfast", "x264-params": "mbtree=0"}
                writers = [stack.enter_context(VideoWriter(path, audio_from=a, **options)) for path, a in targets]
            grey = np.rint(mask * 255).astype(np.uint8)
            shown = stamp(image) if mark and kind != NONE else image
            for writer, content in zip(writers, (shown, np.repeat(grey[..., None], 3, axis=2)), strict=False):
                writer.write(content, time)
            count += 1
            forged += bool(grey.any())
            if reader.info.duration:
                report(min(1.0, 0.4 + 0.6 * time / reader.info.duration))
    return VideoForgery(out, kind, count, forged)


def _settle(kind: str, recipe: ForgeRecipe, seed: int, with_donor: bool) -> tuple[ForgeRecipe, str]:
    """A recipe of one kind alone with the ranges of ``recipe``, and that kind."""
    if kind not in VIDEO_KINDS:
        raise FacetellError(f"'{kind}' is not a kind of forgery: choose one of {', '.join(VIDEO_KINDS)}")
    if kind == "mix":
        kind = draw_kind(np.random.default_rng(seed), recipe if with_donor else replace(recipe, swap=0.0))
    if kind == "swap" and not with_donor:
        raise FacetellError("a swap needs the face of another person: name a video of one with --with")
    weights: dict[str, Any] = {name: float(name == kind) for name in KINDS}
    return replace(recipe, more=0.0, **weights), kind


def _forged(
    reader: VideoReader, runs: list[Run], kind: str, recipe: ForgeRecipe, donor: Donor | None, seed: int
) -> Iterator[Made]:
    """All frames in order; those of the runs are forged within a crop around the face."""
    held: list[tuple[UInt8Array, float]] = []
    landmarks: FloatArray | None = None
    takes: dict[int, FloatArray] | None = None
    for raw in reader:
        image = raw.rgb()
        takes = _takes(runs, image.shape) if takes is None else takes
        if not held:
            landmarks = takes.get(raw.index)
        if landmarks is None:
            yield image, np.zeros(image.shape[:2], np.float32), raw.time
            continue
        held.append((image, raw.time))
        if len(held) < len(landmarks):
            continue
        x0, y0, x1, y1 = surroundings(landmarks, image.shape)
        crop = np.stack([whole[y0:y1, x0:x1] for whole, _ in held])
        rng = np.random.default_rng([seed, 0 if kind in STEADY else raw.index])
        forged = forge_clip(crop, (landmarks - (x0, y0)).astype(np.float32), rng, recipe, donor)
        for (whole, time), face, alpha in zip(held, forged.frames, forged.mask, strict=True):
            result = whole.copy()  # the reader may return a view of the decoder's memory
            result[y0:y1, x0:x1] = face
            mask = np.zeros(image.shape[:2], np.float32)
            mask[y0:y1, x0:x1] = alpha
            yield result, mask, time
        held = []
    for image, time in held:  # only if the second reading gave fewer frames than the first
        yield image, np.zeros(image.shape[:2], np.float32), time


def _takes(runs: list[Run], size: tuple[int, ...]) -> dict[int, FloatArray]:
    """Runs divided into takes that fit into memory: landmarks by the number of the first frame."""
    takes: dict[int, FloatArray] = {}
    for run in runs:
        x0, y0, x1, y1 = surroundings(run.landmarks, size)
        bytes_a_frame = 3 * size[0] * size[1] + 17 * (x1 - x0) * (y1 - y0)  # the frame, and all arrays of its crop
        length = int(np.clip(TAKE_BYTES // bytes_a_frame, *TAKE_LENGTHS))
        parts = max(1, round(len(run.landmarks) / length))
        bounds = np.linspace(0, len(run.landmarks), parts + 1).round().astype(int)
        takes |= {run.start + int(first): run.landmarks[first:last] for first, last in pairwise(bounds)}
    return takes


def _performances(
    source: Path, runs: list[Run], recipe: ForgeRecipe, donor: Donor | None, seed: int
) -> dict[int, Performance]:
    """For each run, by its first frame: one of its frames, and how it is animated in place of all the others."""
    chosen = {run.start: portrait_of(run) for run in runs}
    opened = {run.start: most_opened(run.landmarks, run.landmarks[chosen[run.start]]) for run in runs}
    wanted = {run.start + i for run in runs for i in (chosen[run.start], opened[run.start]) if i is not None}
    frames = dict(read_frames(source, wanted))
    plans = {}
    for run in runs:
        portrait, wide = (
            None if i is None else (frames[run.start + i], run.landmarks[i])
            for i in (chosen[run.start], opened[run.start])
        )
        assert portrait is not None
        length = len(run.landmarks)
        goals = run.landmarks if donor is None else borrowed_motion(portrait[1], donor[1], 0, length)
        # The same draws for each run: one manner for the whole video.
        plans[run.start] = plan(portrait, goals, wide, np.random.default_rng(seed), recipe.reenacted)
    return plans


def _performed(reader: VideoReader, plans: dict[int, Performance], seed: int) -> Iterator[Made]:
    """All frames in order, those of a performance animated from its portrait."""
    rng = np.random.default_rng([seed, 2])
    start, performance = 0, None
    for raw in reader:
        if raw.index in plans:
            start, performance = raw.index, plans[raw.index]
        step = raw.index - start
        forged = performance is not None and step < len(performance.goals)
        image = performance.render(rng, step, step + 1)[0] if performance is not None and forged else raw.rgb()
        yield image, np.full(image.shape[:2], forged, np.float32), raw.time


def stamp(image: UInt8Array) -> UInt8Array:
    """A copy of ``image`` (H, W, 3) with FORGED in its lower left corner, white on black; unchanged if under 48 pixels.

    The letters are 3.5 % of the shorter side high, at least 7 pixels.
    """
    height, width = image.shape[:2]
    if min(height, width) < 48:
        return image
    scale = max(7.0, 0.035 * min(height, width)) / 22  # capitals are 22 pixels high at scale 1
    font, text, thickness = cv2.FONT_HERSHEY_SIMPLEX, "FORGED", max(1, round(2 * scale))
    (wide, high), _ = cv2.getTextSize(text, font, scale, thickness)
    pad = max(2, high // 3)
    marked = np.array(image)
    cv2.rectangle(marked, (0, height - high - 2 * pad), (wide + 2 * pad, height - 1), (0, 0, 0), cv2.FILLED)
    cv2.putText(marked, text, (pad, height - pad), font, scale, (255, 255, 255), thickness, cv2.LINE_AA)
    return marked
