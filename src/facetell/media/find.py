"""From what a user names on the command line to the list of videos meant."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from facetell.types import FacetellError

_NAMES = """
3g2 3gp asf avi divx f4v flv gif h264 h265 hevc ivf m1v m2ts m2v m4v mjpeg mkv mov mp4 mpeg mpg mts mxf ogm ogv ts vob
webm wmv y4m
"""
VIDEO_SUFFIXES = frozenset(f".{name}" for name in _NAMES.split())
"""What is taken for a video when a folder is searched; a file named outright needs none of them."""


def find_videos(arguments: Sequence[str]) -> list[Path]:
    """Videos meant by ``arguments``: files as they are, folders searched to the bottom, patterns expanded.

    A named file is kept whatever its suffix, and even if it is not there: its reader says what is wrong with it, so
    that the others still get done. In folders, hidden files and folders are passed over. Each file comes once, in the
    order of the arguments and sorted within each.

    Raises:
        FacetellError: nothing was named, a folder holds no video, or a pattern matches none.

    >>> find_videos(["a.mp4", "./a.mp4"])
    [PosixPath('a.mp4')]
    """
    if not arguments:
        raise FacetellError("no video was named: name files, folders or patterns such as 'clips/*.mp4'")
    found: dict[Path, Path] = {}
    for argument in arguments:
        for path in _expand(argument):
            found.setdefault(path.resolve(), path)
    return list(found.values())


def _expand(argument: str) -> list[Path]:
    path = Path(argument).expanduser()
    # A file whose very name holds brackets or stars is that file, not a pattern.
    if path.is_dir():
        videos = sorted(_walk(path))
        if not videos:
            raise FacetellError(f"the folder {argument} holds no video: name another, or the file itself")
        return videos
    if path.exists() or not glob.has_magic(argument):
        return [path]
    matches = sorted(Path(match) for match in glob.glob(str(path), recursive=True))  # noqa: PTH207  # Path.glob takes no absolute pattern
    videos = [match for match in matches if match.is_file()]
    if not videos:
        # A pattern may name folders ('people/*'): then their videos are meant.
        videos = [video for folder in matches if folder.is_dir() for video in sorted(_walk(folder))]
    if not videos:
        raise FacetellError(f"no file matches the pattern {argument}: check it")
    return videos


def _walk(folder: Path) -> Iterator[Path]:
    """Video files below ``folder``; links to folders are not followed, so that a circle of links ends."""
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith(".") and Path(name).suffix.lower() in VIDEO_SUFFIXES:
                yield Path(parent, name)
