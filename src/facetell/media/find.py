"""From what a user names on the command line to the list of videos meant."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from facetell.media.address import address_in
from facetell.types import FacetellError

_NAMES = """
3g2 3gp asf avi divx f4v flv gif h264 h265 hevc ivf m1v m2ts m2v m4v mjpeg mkv mov mp4 mpeg mpg mts mxf ogm ogv ts vob
webm wmv y4m
"""
VIDEO_SUFFIXES = frozenset(f".{name}" for name in _NAMES.split())
"""What is taken for a video when a folder is searched; a file named outright needs none of them."""
PICTURE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".webp"})
"""What is taken for a frame of a folder of frames."""


def find_videos(arguments: Sequence[str]) -> list[Path]:
    """Videos meant by ``arguments``: files as they are, folders searched to the bottom, patterns expanded.

    A named file is kept whatever its suffix, and even if it is not there: its reader says what is wrong with it, so
    that the others still get done; so is a folder that may not be read. A folder of nothing but numbered pictures is
    one video. In folders, hidden files and folders are passed over. Each video comes once, in the order of the
    arguments and sorted within each.

    Raises:
        FacetellError: nothing was named, or an empty name, a folder holds no video, or a pattern matches none.

    >>> find_videos(["a.mp4", "./a.mp4"])
    [PosixPath('a.mp4')]
    """
    if not arguments:
        raise FacetellError("no video was named: name files, folders or patterns such as 'clips/*.mp4'")
    found: dict[str, Path] = {}
    for argument in arguments:
        for path in _expand(argument):
            # Unlike Path.resolve it takes links that lead in a circle, which are told of like a file that is not there.
            found.setdefault(os.path.realpath(path), path)
    return list(found.values())


def _expand(argument: str) -> list[Path]:
    if not argument:
        raise FacetellError("an empty name was given for a video: name a file, a folder or a pattern")
    # These of os.path, unlike those of Path, take "~a.mp4" where no user is called so, and what may not be looked at.
    path = Path(os.path.expanduser(argument))  # noqa: PTH111
    if os.path.isdir(path):  # noqa: PTH112
        videos = sorted(_walk(path))
        if not videos:
            raise FacetellError(f"the folder {argument} holds no video: name another, or the file itself")
        return videos
    # A file whose very name holds brackets or stars is that file, not a pattern; "?" is usual in an address.
    if os.path.exists(path) or address_in(argument) or not glob.has_magic(argument):  # noqa: PTH110
        return [path]
    matches = sorted(Path(match) for match in glob.glob(str(path), recursive=True))  # noqa: PTH207  # Path.glob takes no absolute pattern
    # Here, too, those of os.path take what may not be looked at.
    videos = [match for match in matches if os.path.isfile(match)]  # noqa: PTH113
    if not videos:
        # A pattern may name folders ('people/*'): then their videos are meant.
        folders = [match for match in matches if os.path.isdir(match)]  # noqa: PTH112
        videos = [video for folder in folders for video in sorted(_walk(folder))]
    if not videos:
        raise FacetellError(f"no file matches the pattern {argument}: check it")
    return videos


def _walk(folder: Path) -> Iterator[Path]:
    """Videos below ``folder``; links to folders are not followed, so that a circle of links ends."""
    closed: list[Path] = []
    for parent, folders, files in os.walk(folder, onerror=lambda error: closed.append(Path(error.filename))):
        folders[:] = [name for name in folders if not name.startswith(".")]
        shown = [name for name in files if not name.startswith(".")]
        if not folders and _is_one_video(shown):
            yield Path(parent)
        for name in shown:
            if Path(name).suffix.lower() in VIDEO_SUFFIXES:
                yield Path(parent, name)
    yield from closed


def _is_one_video(files: Sequence[str]) -> bool:
    """Whether the files of a folder are the pictures of one video: their names differ in nothing but numbers."""
    patterns = {re.sub("[0-9]+", "\0", name.lower()) for name in files}
    return len(patterns) == 1 and "\0" in patterns.pop() and Path(files[0]).suffix.lower() in PICTURE_SUFFIXES


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder in the order of the numbers in their names: ``frame2.png`` before ``frame10.png``.

    Hidden files are none: some systems put one of their own beside each picture.

    Raises:
        OSError: the folder may not be read.
    """
    files = (file for file in folder.iterdir() if file.suffix.lower() in PICTURE_SUFFIXES)
    return sorted((file for file in files if not file.name.startswith(".")), key=_by_number)


def _by_number(file: Path) -> list[tuple[int, str]]:
    parts = enumerate(re.split("([0-9]+)", file.name))  # names and numbers by turns
    return [(int(part), "") if place % 2 else (-1, part) for place, part in parts]
