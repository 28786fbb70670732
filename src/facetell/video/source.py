"""Open a video file, an animated image or an image sequence: each gives frames with presentation times."""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from facetell.files import file_sha256
from facetell.video.find import images_in
from facetell.video.kinds import animated_webp_size, read_head
from facetell.video.reader import SourceFrame, VideoReader, VideoSource
from facetell.video.sequence import AnimatedWebP, ImageSequence

__all__ = ["SourceFrame", "VideoSource", "content_sha256", "open_video"]


def open_video(path: Path | str, *, threads: int = 2, image_rate: float | None = None) -> VideoSource:
    """Open a video file, an animated WebP image, or a folder of images of ``image_rate`` frames per second.

    NotConsecutive: the images of a folder are not consecutive frames.
    Unreadable: there is no such file, or no frame can be decoded from it.
    """
    path = Path(path)
    if os.path.isdir(path):  # noqa: PTH112  # unlike Path.is_dir it accepts folders that may not be read
        return ImageSequence(path, image_rate)
    with contextlib.suppress(OSError):  # the video reader reports it
        if path.is_file() and animated_webp_size(read_head(path)):
            return AnimatedWebP(path)
    return VideoReader(path, threads=threads)


def content_sha256(path: Path | str) -> str | None:
    """Return the sha256 of a file, or of the names and contents of a folder's images; None if it cannot be read."""
    try:
        if not os.path.isdir(path):  # noqa: PTH112  # as above
            return file_sha256(Path(path)) if os.path.isfile(path) else None  # noqa: PTH113  # a pipe may never end
        digest = hashlib.sha256()
        for file in sorted(images_in(Path(path))):
            if file.is_file():
                digest.update(os.fsencode(file.name) + b"\0" + file_sha256(file).encode() + b"\n")
    except OSError:
        return None
    return digest.hexdigest()
