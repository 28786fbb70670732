"""Cut the faces of a video where they were located: out of pictures that were kept, or by reading it again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facetell.datasets.prepare_faces import LEAST_FRAMES, Codec, Stretch
from facetell.faces.crop import crop_matrix
from facetell.types import Crop, FloatArray, UInt8Array
from facetell.video.source import open_video
from facetell.video.writer import VideoWriter

LOOK_EVERY = 25  # frames between two looks at whether the landmarks lie on the face

CODECS: dict[Codec, tuple[str, str, float | None, str, dict[str, str]]] = {
    # Suffix, encoder, crf, pixel format, options. Key pictures are close, so that a window is reached soon; one thread,
    # as several would make the bytes depend on the machine.
    "h264": (".mp4", "libx264", 15.0, "yuv420p", {"preset": "superfast", "g": "16", "bf": "0", "threads": "1"}),
    "jpeg": (".avi", "mjpeg", None, "yuvj420p", {"qmin": "2", "qmax": "2", "threads": "1"}),
}

Look = Callable[[UInt8Array, FloatArray], None]


@dataclass(frozen=True, slots=True)
class Cut:
    """A clip that was cut: its file, which of the stretches it is, how many frames it has, its times in seconds."""

    file: Path
    number: int
    track: int
    frames: int
    start: float
    end: float


@dataclass(slots=True)
class _Writing:
    """A clip that is being written."""

    number: int
    stretch: Stretch
    writer: VideoWriter
    landmarks: FloatArray
    times: NDArray[np.float64]
    written: int = 0

    def write(self, part: UInt8Array) -> None:
        """Append what the patch of the stretch is in the next picture."""
        stretch = self.stretch
        self.writer.write(stretch.patch.cut(part, stretch.square, stretch.size))
        self.written += 1


class KeptCuts:
    """Cuts stretches whose pictures were kept, while their video is read.

    Args:
        folder: where to.
        codec: of the clips.
    """

    def __init__(self, folder: Path, codec: Codec) -> None:
        self._folder, self._codec = folder, codec
        self._cuts: dict[Path, Cut] = {}

    def __call__(self, stretch: Stretch, pictures: UInt8Array, fps: float | None) -> None:
        """Cut one; see :data:`facetell.datasets.prepare_faces.CutNow`."""
        with _begin(self._folder / f"kept-{stretch.points.stem}", 0, stretch, fps, self._codec) as clip:
            for part in pictures:
                clip.write(part)
            self._cuts[stretch.points] = _finish(clip)

    def named(self, stretches: Sequence[Stretch], name: str) -> dict[int, Cut]:
        """Those that were cut, by number among ``stretches``; their files get the names of :func:`cut_stretches`."""
        cuts = {}
        for number, stretch in enumerate(stretches):
            cut = self._cuts.get(stretch.points)
            if cut is not None:
                file = _clip_path(self._folder, name, number).with_suffix(cut.file.suffix)
                for suffix in (".npz", file.suffix):
                    cut.file.with_suffix(suffix).replace(file.with_suffix(suffix))
                cuts[number] = replace(cut, file=file, number=number)
        return cuts


def cut_stretches(
    path: Path,
    stretches: Sequence[Stretch],
    folder: Path,
    name: str,
    codec: Codec,
    look: Look | None = None,
    made: Mapping[int, Cut] | None = None,
    image_rate: float | None = None,
) -> tuple[list[Cut], tuple[str, ...]]:
    """Write each stretch as a video and, beside it, its landmarks, times and square.

    A stretch that the video ends in is written as far as it goes, one of which too little is there not at all.

    Args:
        path: the video; it may be another than the stretches were found in, frame for frame the same.
        stretches: what to cut, by first frame.
        folder: where to.
        name: begins the names of the files.
        codec: of the clips.
        look: called now and then with a picture (H, W, 3) and the landmarks (468, 2) that are taken to be its own.
        made: those that are cut already, by number; where these are all, the video is not read.
        image_rate: frames per second of a folder of images.

    Returns:
        What was cut, in the order of the stretches, and messages on damaged or missing frames.

    Raises:
        FacetellError: the video cannot be read, or a clip cannot be written.
    """
    cuts = list(made.values()) if made else []
    waiting = [(number, stretch) for number, stretch in enumerate(stretches) if not made or number not in made]
    if not waiting:
        return sorted(cuts, key=lambda cut: cut.number), ()
    writing: list[_Writing] = []
    with ExitStack() as stack:
        reader = stack.enter_context(open_video(path, threads=1, image_rate=image_rate))
        for raw in reader:
            while waiting and waiting[0][1].first <= raw.index:
                number, stretch = waiting.pop(0)
                file = _clip_path(folder, name, number)
                writing.append(stack.enter_context(_begin(file, number, stretch, reader.info.fps, codec)))
            if not writing:
                if not waiting:
                    break
                continue
            image = raw.rgb()
            for clip in writing:
                if look is not None and clip.written % LOOK_EVERY == 0:
                    look(image, clip.landmarks[clip.written])
                clip.write(clip.stretch.patch.of(image))
            cuts += [_finish(clip) for clip in writing if raw.index == clip.stretch.last]
            writing = [clip for clip in writing if raw.index < clip.stretch.last]
        cuts += [_finish(clip) for clip in writing if clip.written >= LEAST_FRAMES]
        damage = reader.damage
    return sorted(cuts, key=lambda cut: cut.number), damage


def _clip_path(folder: Path, name: str, number: int) -> Path:
    """A clip's file, still without the suffix of its codec."""
    return folder / f"{name}-{number:03d}"


@contextmanager
def _begin(file: Path, number: int, stretch: Stretch, fps: float | None, codec: Codec) -> Iterator[_Writing]:
    """Begin the clip of a stretch; ``file`` is without suffix."""
    suffix, encoder, crf, pix_fmt, options = CODECS[codec]
    writer = VideoWriter(
        file.with_name(file.name + suffix),
        fps=fps or 25.0,
        width=stretch.size,
        height=stretch.size,
        codec=encoder,
        crf=crf,
        pix_fmt=pix_fmt,
        options=options,
    )
    with writer, np.load(stretch.points) as points:
        yield _Writing(number, stretch, writer, points["landmarks"], points["times"])


def _finish(clip: _Writing) -> Cut:
    """Close the video and write beside it what was written of the stretch, landmarks in pixels of the clip."""
    clip.writer.close()
    stretch, file = clip.stretch, clip.writer.path
    times = clip.times[: clip.written]
    matrix = crop_matrix(Crop.of_square(stretch.square), stretch.size)
    landmarks = (clip.landmarks[: clip.written] @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    np.savez(file.with_suffix(".npz"), landmarks=landmarks, times=times, square=np.array(stretch.square))
    return Cut(file, clip.number, stretch.track, clip.written, float(times[0]), float(times[-1]))


def move_cuts(cuts: Sequence[Cut], folder: Path) -> None:
    """Move clips and what lies beside them, each whole or not at all; they are on disk when this returns."""
    for cut in cuts:
        for file in (cut.file.with_suffix(".npz"), cut.file):
            _sync(file)
            file.replace(folder / file.name)
    _sync(folder)


def _sync(path: Path) -> None:
    """Have the system write down a file, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
