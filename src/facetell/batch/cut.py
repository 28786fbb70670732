"""Write the clips of located faces: from parts of frames that were kept, or by reading the video again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facetell.batch.locate import LEAST_FRAMES, Codec, Stretch
from facetell.faces.crop import crop_matrix
from facetell.files import sync
from facetell.types import Crop, FloatArray, UInt8Array
from facetell.video.source import open_video
from facetell.video.writer import VideoWriter

CHECK_EVERY = 25  # frames between two checks that the landmarks are on the face

CODECS: dict[Codec, tuple[str, str, float | None, str, dict[str, str]]] = {
    # Suffix, encoder, crf, pixel format, options. Frequent key frames make seeking fast; with several threads the bytes
    # would depend on the machine.
    "h264": (".mp4", "libx264", 15.0, "yuv420p", {"preset": "superfast", "g": "16", "bf": "0", "threads": "1"}),
    "jpeg": (".avi", "mjpeg", None, "yuvj420p", {"qmin": "2", "qmax": "2", "threads": "1"}),
}

Look = Callable[[UInt8Array, FloatArray], None]


@dataclass(frozen=True, slots=True)
class Cut:
    """A written clip: its file (with an ``.npz`` beside it), the number of its stretch, frames, times in seconds."""

    file: Path
    number: int
    track: int
    frames: int
    start: float
    end: float


@dataclass(slots=True)
class _Writing:
    """A clip that is being written."""

    stretch: Stretch
    writer: VideoWriter
    landmarks: FloatArray
    times: NDArray[np.float64]
    written: int = 0

    def write(self, part: UInt8Array) -> None:
        """Append the patch of the next frame."""
        self.writer.write(self.stretch.patch.crop(part, self.stretch.square, self.stretch.size))
        self.written += 1

    def finish(self, number: int) -> Cut:
        """Close the video, and write its landmarks (in pixels of the clip), times and square beside it."""
        self.writer.close()
        stretch, file = self.stretch, self.writer.path
        times = self.times[: self.written]
        matrix = crop_matrix(Crop.of_square(stretch.square), stretch.size)
        landmarks = (self.landmarks[: self.written] @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
        np.savez(file.with_suffix(".npz"), landmarks=landmarks, times=times, square=np.array(stretch.square))
        return Cut(file, number, stretch.track, self.written, float(times[0]), float(times[-1]))


def cut_kept(stretch: Stretch, parts: UInt8Array, fps: float | None, folder: Path, codec: Codec) -> Cut:
    """Write a stretch from its patch of each frame, uint8 (F, h, w, 3)."""
    with _begin(folder / f"kept-{stretch.points.stem}", stretch, fps, codec) as clip:
        for part in parts:
            clip.write(part)
        return clip.finish(0)


def cut_stretches(
    path: Path,
    stretches: Sequence[Stretch],
    folder: Path,
    codec: Codec,
    look: Look | None = None,
    made: Mapping[Path, Cut] | None = None,
    image_rate: float | None = None,
) -> tuple[list[Cut], tuple[str, ...]]:
    """Write each stretch as a video, with its landmarks, times and square beside it.

    If the video ends within a stretch, the clip ends there; with too few frames it is left out.

    Args:
        path: the video; may be another one than that of the stretches, if it is the same frame for frame.
        stretches: by first frame.
        folder: for the clips.
        codec: of the clips.
        look: called every few frames with the frame (H, W, 3) and the landmarks (468, 2) of the stretch.
        made: clips that exist already, by ``points`` of their stretch; if these are all, the video is not read.
        image_rate: frames per second of a folder of images.

    Returns:
        The clips, in the order of the stretches, and messages on damaged or missing frames.
    """
    made, cuts = made or {}, []
    waiting: list[tuple[int, Stretch]] = []
    for number, stretch in enumerate(stretches):
        if stretch.points in made:
            cuts.append(replace(made[stretch.points], number=number))
        else:
            waiting.append((number, stretch))
    damage: tuple[str, ...] = ()
    writing: dict[int, _Writing] = {}
    with ExitStack() as stack:
        reader = stack.enter_context(open_video(path, threads=1, image_rate=image_rate)) if waiting else None
        fps = reader.info.fps if reader else None
        for raw in reader or ():
            while waiting and waiting[0][1].first <= raw.index:
                number, stretch = waiting.pop(0)
                begun = _begin(folder / f"cut-{number}", stretch, fps, codec)
                writing[number] = stack.enter_context(begun)
            if not writing:
                if not waiting:
                    break
                continue
            image = raw.rgb()
            for number, clip in list(writing.items()):
                if look is not None and clip.written % CHECK_EVERY == 0:
                    look(image, clip.landmarks[clip.written])
                clip.write(clip.stretch.patch.of(image))
                if raw.index >= clip.stretch.last:
                    cuts.append(writing.pop(number).finish(number))
        cuts += [clip.finish(number) for number, clip in writing.items() if clip.written >= LEAST_FRAMES]
        damage = reader.damage if reader else ()
    return sorted(cuts, key=lambda cut: cut.number), damage


@contextmanager
def _begin(file: Path, stretch: Stretch, fps: float | None, codec: Codec) -> Iterator[_Writing]:
    """Begin the clip of a stretch; ``file`` has no suffix."""
    suffix, encoder, crf, pix_fmt, options = CODECS[codec]
    size: dict[str, Any] = {"width": stretch.size, "height": stretch.size}
    how: dict[str, Any] = {"codec": encoder, "crf": crf, "pix_fmt": pix_fmt, "options": options}
    with np.load(stretch.points) as points:  # closed at once: a film has more clips than files may be open
        landmarks, times = points["landmarks"], points["times"]
    with VideoWriter(file.with_name(file.name + suffix), fps=fps or 25.0, **size, **how) as writer:
        yield _Writing(stretch, writer, landmarks, times)


def move_cuts(cuts: Sequence[Cut], folder: Path, name: str) -> list[dict[str, Any]]:
    """Move clips to ``folder`` under the names ``NAME-NNN``, complete and on disk; returns a record of each clip."""
    records = []
    for cut in cuts:
        target = folder / f"{name}-{cut.number:03d}{cut.file.suffix}"
        for suffix in (".npz", target.suffix):
            sync(cut.file.with_suffix(suffix))
            cut.file.with_suffix(suffix).replace(target.with_suffix(suffix))
        fields = asdict(cut)
        del fields["file"]
        records.append({"path": f"{folder.name}/{target.name}"} | fields)
    sync(folder)
    return records
