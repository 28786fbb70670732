"""Forging whole videos: follow the main face, forge it stretch by stretch, write the result as the original was.

A video is read twice: once to follow its faces, once to forge. Memory stays bounded: frames are held one take at a
time, landmarks (4 kB a frame) for the whole video.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from facetell import __version__
from facetell.files import check_all_writable
from facetell.forge.follow import Progress, Run, follow, load_donor, pictures, portrait_of, surroundings
from facetell.forge.mark import stamp
from facetell.forge.paint import Still, most_opened
from facetell.forge.recipe import KINDS, ForgeRecipe, draw_kind, forge_clip
from facetell.forge.reenact import Donor, Performance, borrowed_motion, plan
from facetell.types import FacetellError, FloatArray, UInt8Array
from facetell.video.reader import VideoReader
from facetell.video.writer import VideoWriter

NONE = "none"  # nothing is forged, only re-encoded: the fair real beside a forgery
VIDEO_KINDS = (*KINDS, "mix", NONE)
TAKE_BYTES = 400_000_000
TAKE_LENGTHS = (12, 96)
# Parameters of these hold for a whole video, so every take replays them; the others are noise, new in every take.
STEADY = ("sbv", "breathe", "swap", "resynth")

Picture = tuple[UInt8Array, FloatArray, float]
"""A frame (H, W, 3), its mask (H, W), its time in seconds."""


@dataclass(frozen=True, slots=True)
class VideoForgery:
    """What became of a video: the ``kind`` applied; ``forged`` of its ``frames`` frames carry a forged face."""

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
    """Forge the main face of a video and write the result; sound is copied.

    Args:
        source: a real video.
        out: the forgery; its suffix decides the container. It carries a metadata tag (``comment``).
        kind: one of :data:`VIDEO_KINDS`; ``mix`` draws one by the recipe's weights, ``none`` only re-encodes.
        donor: another person's video: the face of a ``swap`` (needed), the motion of a ``reenact`` (optional).
        seed: the same seed gives the same forgery.
        recipe: ranges and weights, the default ones where not given.
        mark: stamp a small visible mark into a corner.
        mask_out: also write the mask as a grey video of the same frames.
        progress: called with the share done in [0, 1].

    Raises:
        FacetellError: a video cannot be read, shows no face, or a file cannot be written.
    """
    source, out = Path(source), Path(out)
    donor, mask_out = (None if path is None else Path(path) for path in (donor, mask_out))
    check_all_writable([path for path in (out, mask_out) if path], keep=[path for path in (source, donor) if path])
    recipe, kind = _settle(kind, recipe or ForgeRecipe(), seed, donor is not None)
    report = progress or (lambda share: None)
    person = load_donor(donor, np.random.default_rng([seed, 1])) if donor is not None and kind != NONE else None
    runs = [] if kind == NONE else follow(source, lambda share: report(0.4 * share))
    count = forged = 0
    with VideoReader(source) as reader, ExitStack() as stack:
        if kind == "reenact":
            made = _performed(reader, _performances(source, runs, recipe, person, seed), seed)
        else:
            made = _forged(reader, runs, kind, recipe, person, seed)
        writers: list[VideoWriter] = []
        for image, mask, time in made:
            if not writers:
                tag = f"{'re-encoded' if kind == NONE else 'forged'} by facetell {__version__}: {kind}, seed {seed}"
                writers = _open(stack, (image.shape[0], image.shape[1]), reader, source, [out, mask_out], tag)
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
    """The kind for the whole video, and a recipe of it alone that keeps the ranges."""
    if kind not in VIDEO_KINDS:
        raise FacetellError(f"'{kind}' is not a kind of forgery: choose one of {', '.join(VIDEO_KINDS)}")
    if kind == "mix":
        kind = draw_kind(np.random.default_rng(seed), recipe if with_donor else replace(recipe, swap=0.0))
    if kind == "swap" and not with_donor:
        raise FacetellError("a swap needs another person's face: name a video of one with --with")
    weights = {name: float(name == kind) for name in KINDS}
    return replace(recipe, more=0.0, **weights), kind  # type: ignore[arg-type]  # all of KINDS are weights


def _open(
    stack: ExitStack,
    size: tuple[int, int],
    reader: VideoReader,
    source: Path,
    paths: Sequence[Path | str | None],
    tag: str,
) -> list[VideoWriter]:
    """Writers of the forgery, which carries the source's sound, and of its mask, where it is wished."""
    writers = []
    for number, path in enumerate(paths):
        if path is not None:
            writer = VideoWriter(
                path,
                fps=reader.info.fps or 25.0,
                height=size[0],
                width=size[1],
                crf=18,
                # Without its macroblock tree x264 gives the same file for the same pictures.
                options={"preset": "veryfast", "x264-params": "mbtree=0"},
                audio_from=source if number == 0 else None,
                metadata={"comment": tag},
            )
            writers.append(stack.enter_context(writer))
    return writers


def _forged(
    reader: VideoReader, runs: list[Run], kind: str, recipe: ForgeRecipe, donor: Donor | None, seed: int
) -> Iterator[Picture]:
    """All frames in order, those of the runs forged inside a cut round the face; the rest as they are."""
    held: list[tuple[UInt8Array, float]] = []
    landmarks: FloatArray | None = None
    takes: dict[int, FloatArray] | None = None
    for raw in reader:
        image = raw.rgb()
        if takes is None:
            takes = _takes(runs, (image.shape[0], image.shape[1]))
        if not held:
            landmarks = takes.get(raw.index)
        if landmarks is None:
            yield image, np.zeros(image.shape[:2], np.float32), raw.time
            continue
        held.append((image, raw.time))
        if len(held) == len(landmarks):
            number = 0 if kind in STEADY else raw.index
            yield from _forge_take(held, landmarks, np.random.default_rng([seed, number]), recipe, donor)
            held, landmarks = [], None
    for image, time in held:  # only if the second reading gave fewer frames than the first
        yield image, np.zeros(image.shape[:2], np.float32), time


def _takes(runs: list[Run], size: tuple[int, int]) -> dict[int, FloatArray]:
    """Runs cut into stretches short enough to be held, by the number of their first frame."""
    takes = {}
    for run in runs:
        start, landmarks = run.start, run.landmarks
        x0, y0, x1, y1 = surroundings(landmarks, size)
        a_frame = 3 * size[0] * size[1] + 17 * (x1 - x0) * (y1 - y0)  # the frame, and all arrays of its cut
        length = int(np.clip(TAKE_BYTES // a_frame, *TAKE_LENGTHS))
        parts = max(1, round(len(landmarks) / length))
        bounds = np.linspace(0, len(landmarks), parts + 1).round().astype(int)
        for first, last in pairwise(bounds):
            takes[start + int(first)] = landmarks[first:last]
    return takes


def _forge_take(
    held: list[tuple[UInt8Array, float]],
    landmarks: FloatArray,
    rng: np.random.Generator,
    recipe: ForgeRecipe,
    donor: Donor | None,
) -> Iterator[Picture]:
    size = held[0][0].shape[:2]
    x0, y0, x1, y1 = surroundings(landmarks, (size[0], size[1]))
    cut = np.stack([image[y0:y1, x0:x1] for image, _ in held])
    forged = forge_clip(cut, (landmarks - (x0, y0)).astype(np.float32), rng, recipe, donor)
    for (image, time), face, alpha in zip(held, forged.frames, forged.mask, strict=True):
        whole = image.copy()  # what the reader gives may be a view of the decoder's own memory
        whole[y0:y1, x0:x1] = face
        mask = np.zeros(size, np.float32)
        mask[y0:y1, x0:x1] = alpha
        yield whole, mask, time


def _performances(
    source: Path, runs: list[Run], recipe: ForgeRecipe, donor: Donor | None, seed: int
) -> dict[int, Performance]:
    """For each run, by its first frame: one of its frames, and how it will be moved to stand for all the others."""
    chosen = {run.start: portrait_of(run) for run in runs}
    opened = {run.start: most_opened(run.landmarks, run.landmarks[chosen[run.start]]) for run in runs}
    wanted = {run.start + i for run in runs for i in (chosen[run.start], opened[run.start]) if i is not None}
    found = pictures(source, wanted)
    plans = {}
    for run in runs:

        def still(i: int, run: Run = run) -> Still:
            return found[run.start + i], run.landmarks[i]

        portrait, wide = still(chosen[run.start]), opened[run.start]
        length = len(run.landmarks)
        goals = run.landmarks if donor is None else borrowed_motion(portrait[1], donor[1], 0, length)
        # Each run begins with the same draws: one forger, one manner.
        rng = np.random.default_rng(seed)
        plans[run.start] = plan(portrait, goals, None if wide is None else still(wide), rng, recipe.reenacted)
    return plans


def _performed(reader: VideoReader, plans: dict[int, Performance], seed: int) -> Iterator[Picture]:
    """All frames in order, those of a performance made from its portrait alone."""
    rng = np.random.default_rng([seed, 2])
    current: tuple[int, Performance] | None = None
    for raw in reader:
        if raw.index in plans:
            current = raw.index, plans[raw.index]
        if current is not None and raw.index - current[0] < len(current[1].goals):
            step = raw.index - current[0]
            image = current[1].render(rng, step, step + 1)[0]
            yield image, np.ones(image.shape[:2], np.float32), raw.time
        else:
            image = raw.rgb()
            yield image, np.zeros(image.shape[:2], np.float32), raw.time
