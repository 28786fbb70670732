"""Find the videos that the arguments of a command name, and those in a folder."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from facetell.types import FacetellError
from facetell.video.container import address_in
from facetell.video.kinds import IMAGE_SUFFIXES, Kind, is_hidden, kind_of

# Functions of os.path are used for paths that those of Path reject: circular links, folders that may not be read, "~x".
_NAMED = 3  # files of one kind that a message names
_NAMED_KINDS = (Kind.EMPTY, Kind.UNKNOWN, Kind.CLOSED)  # those that may be videos


class LeftOut:
    """Files that a search found and that are not videos, counted by kind; false where there are none.

    >>> left_out = LeftOut()
    >>> left_out.add(Kind.IMAGE, "cover.jpg")
    >>> left_out.add(Kind.UNKNOWN, "a.bin")
    >>> str(left_out)
    '1 image, 1 file of an unknown kind (a.bin)'
    """

    def __init__(self) -> None:
        self.faults: list[str] = []  # a message for each argument that gave no video
        self._counts: Counter[Kind] = Counter()
        self._names: dict[Kind, list[str]] = {kind: [] for kind in _NAMED_KINDS}

    def __bool__(self) -> bool:
        return bool(self._counts)

    def __str__(self) -> str:
        phrases = []
        for kind in (kind for kind in Kind if self._counts[kind]):
            count, names = self._counts[kind], self._names.get(kind, [])
            named = f" ({', '.join(names)}{', ...' * (count > len(names))})" if names else ""
            noun = kind.value if count == 1 else re.sub("(file)|$", r"\1s", kind.value, count=1)
            phrases.append(f"{count} {noun}{named}")
        return ", ".join(phrases)

    def add(self, kind: Kind, name: str) -> None:
        """Count one file; text, archives, documents and programs (``Kind.OTHER``) are not counted."""
        if kind is not Kind.OTHER:
            self._counts[kind] += 1
            if kind in _NAMED_KINDS and len(self._names[kind]) < _NAMED:
                self._names[kind].append(name)

    def update(self, other: LeftOut) -> None:
        """Add the files of another search."""
        self._counts.update(other._counts)
        for kind, names in other._names.items():
            self._names[kind] = (self._names[kind] + names)[:_NAMED]


@dataclass(frozen=True, slots=True)
class Found:
    """A video in a folder: its ``name`` relative to that folder ("." for the folder itself).

    ``is_closed``: it is a folder that cannot be read; its name ends in "/", or is empty for the folder itself.
    """

    name: str
    is_closed: bool = False


def find_videos(arguments: Sequence[str], left_out: LeftOut | None = None) -> list[Path]:
    """Return the videos that ``arguments`` name: files, folders (searched recursively) and patterns.

    A named file is returned whatever it is, and even if it does not exist: its reader reports what is wrong with it.
    Each video is returned once, in the order of the arguments and sorted within each. ``left_out`` counts the files in
    folders that are not videos, and gets a message on each argument without one. FacetellError: none gives a video.

    >>> find_videos(["a.mp4", "./a.mp4"])
    [PosixPath('a.mp4')]
    """
    if not arguments:
        raise FacetellError("no video was named: name files, folders or patterns such as 'clips/*.mp4'")
    left_out = LeftOut() if left_out is None else left_out
    found: dict[str, Path] = {}
    for argument in arguments:
        try:
            for path in _expand(argument, left_out):
                found.setdefault(os.path.realpath(path), path)
        except FacetellError as error:
            left_out.faults.append(str(error))
    if not found:
        raise FacetellError("; ".join(left_out.faults))
    return list(found.values())


def _expand(argument: str, left_out: LeftOut) -> list[Path]:
    if not argument:
        raise FacetellError("an empty name was given for a video: name a file, a folder or a pattern")
    path = Path(os.path.expanduser(argument))  # noqa: PTH111
    if os.path.isdir(path):  # noqa: PTH112
        here = LeftOut()
        if not (videos := [path / found.name for found in search(path, here)]):
            instead = f"no video, but {here}" if here else "no video"
            raise FacetellError(f"the folder {argument} holds {instead}: name another, or the file itself")
        left_out.update(here)
        return videos
    # An existing file whose name holds brackets or stars is not a pattern; "?" is usual in an address.
    if os.path.exists(path) or address_in(argument) or not glob.has_magic(argument):  # noqa: PTH110
        return [path]
    videos = []
    searched: Path | None = None
    for match in sorted(Path(match) for match in glob.glob(str(path), recursive=True)):  # noqa: PTH207  # Path.glob takes no absolute pattern
        if searched is not None and match.is_relative_to(searched):
            continue  # '**' matches a folder and what is in it
        if os.path.isdir(match):  # noqa: PTH112
            searched = match
            videos += [match / found.name for found in search(match, left_out)]
        elif os.path.isfile(match):  # noqa: PTH113
            videos.append(match)
    if not videos:
        raise FacetellError(f"no file matches the pattern {argument}: check it")
    return videos


def search(root: Path, left_out: LeftOut, wanted: Callable[[str], bool] = lambda name: True) -> Iterator[Found]:
    """Yield the videos and image sequences in ``root`` and its subfolders, sorted by the parts of their paths.

    Hidden and system files and folders are ignored, and links to folders are not followed. A folder without subfolders
    and without videos is one video if it holds images whose names differ only in their numbers. Names relative to
    ``root`` that are not ``wanted`` are left out and not counted. Memory holds the names of a folder and those around.
    """
    kinds: dict[str, Kind] = {}  # of the files that were opened to decide on their folder
    levels = [iter([""])]  # names relative to root; those of folders end in "/"
    while levels:
        if (name := next(levels[-1], None)) is None:
            levels.pop()
        elif name and not name.endswith("/"):
            known = kinds.pop(name, None)
            if not wanted(name):
                continue
            kind = known or kind_of(root / name)
            if kind is Kind.VIDEO:
                yield Found(name)
            else:
                left_out.add(kind, name)
        elif (names := _names(root, name)) is None:
            if wanted(name):
                yield Found(name, is_closed=True)
        else:
            folder = name.removesuffix("/") or "."
            beside = _beside_frames(root, names)
            if beside is None or Kind.VIDEO in beside.values():
                kinds.update(beside or {})
                levels.append(iter(names))
            elif wanted(folder):
                yield Found(folder)
                for other, kind in beside.items():
                    if not _is_image(other):
                        left_out.add(kind, other)


def _names(root: Path, folder: str) -> list[str] | None:
    """Return the visible files and folders (with "/") of a folder, sorted; None where it cannot be read."""
    names = []
    try:
        with os.scandir(root / folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if not is_hidden(entry.name) and not (entry.is_symlink() and os.path.isdir(entry)):  # noqa: PTH112
                    names.append(folder + entry.name + "/" * entry.is_dir(follow_symlinks=False))
    except OSError:
        return None
    return names


def _beside_frames(root: Path, names: Sequence[str]) -> dict[str, Kind] | None:
    """Return the kinds of the first image and of the other files in a folder of numbered images; None for another."""
    images = [name for name in names if _is_image(name)]
    patterns = {re.sub("[0-9]+", "\0", name.rpartition("/")[2].lower()) for name in images}
    if len(patterns) != 1 or "\0" not in patterns.pop() or any(name.endswith("/") for name in names):
        return None
    return {name: kind_of(root / name) for name in names if name == images[0] or not _is_image(name)}


def _is_image(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES  # noqa: PTH122


def images_in(folder: Path) -> list[Path]:
    """Return the visible images of a folder by the numbers in their names: ``frame2.png`` before ``frame10.png``."""

    def by_number(file: Path) -> list[tuple[int, str]]:
        parts = enumerate(re.split("([0-9]+)", file.name))  # other text and numbers by turns
        return [(int(part), "") if place % 2 else (-1, part) for place, part in parts]

    return sorted((f for f in folder.iterdir() if _is_image(f.name) and not is_hidden(f.name)), key=by_number)
