"""Check a manifest of videos or of prepared clips: missing and unreadable files, and leaks between splits."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from facetell.datasets.layout import has_pictures
from facetell.datasets.likeness import Likeness, look_at, near_duplicates
from facetell.datasets.manifest import SPLITS, Entry, Manifest
from facetell.types import FacetellError

Progress = Callable[[float], None]

KINDS = {
    "video": "the same video in several splits",
    "source": "videos made from the same recording in several splits",
    "identity": "a person seen or used as a donor in several splits",
    "pair": "the same two people forged onto each other in several splits",
    "likeness": "videos of different splits that look alike",
}


@dataclass(frozen=True, slots=True)
class Leak:
    """Something that is in several splits: its ``kind`` of :data:`KINDS`, ``what`` it is, an ``example`` per split."""

    kind: str
    what: str
    example: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Findings:
    """All that is wrong with a manifest: missing paths, unreadable ones with the reason, and leaks."""

    missing: tuple[str, ...]
    unreadable: tuple[tuple[str, str], ...]
    leaks: tuple[Leak, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.missing or self.unreadable or self.leaks)


def check_manifest(manifest: Manifest, *, fast: bool = False, progress: Progress | None = None) -> Findings:
    """Look for missing and unreadable files, and for leaks between splits.

    Args:
        manifest: identities must mean one person throughout it.
        fast: leave the videos closed: no search for unreadable files and near-duplicates.
        progress: called with the share done in [0, 1].
    """
    missing = tuple(entry.path for entry in manifest if not _is_there(manifest.file(entry)))
    leaks = list(table_leaks(manifest))
    if fast:
        return Findings(missing, (), tuple(leaks))
    gone = set(missing)
    entries = [entry for entry in manifest if entry.path not in gone]
    seen, unreadable = _look(manifest, entries, progress or (lambda share: None))
    leaks += look_alikes(seen)
    return Findings(missing, tuple(unreadable), tuple(leaks))


def table_leaks(manifest: Iterable[Entry]) -> Iterator[Leak]:
    """Leaks that follow from the rows of the manifest alone: no file is opened."""
    entries = list(manifest)
    recording = _recordings(entries)
    yield from _shared("video", ((entry.video, entry) for entry in entries))
    recordings = ((recording(entry), entry) for entry in entries)
    doubled = {leak.what for leak in _shared("video", ((entry.video, entry) for entry in entries))}
    yield from (leak for leak in _shared("source", recordings) if leak.what not in doubled)
    people = ((person, entry) for entry in entries for person in (entry.identity, entry.donor) if person)
    yield from _shared("identity", people)
    pairs = (
        (" and ".join(sorted((entry.identity, entry.donor))), entry)
        for entry in entries
        if entry.identity and entry.donor
    )
    yield from _shared("pair", pairs)


def leaking_videos(manifest: Manifest, split: str) -> frozenset[str]:
    """The videos of a split that share an identity, a recording or near-duplicate frames with another split.

    Figures on these videos do not measure how a model generalises.

    Args:
        manifest: of all splits; its files are opened.
        split: the split whose videos are returned.

    Returns:
        Their :attr:`Entry.video`.
    """
    recording = _recordings(manifest)
    others = [entry for entry in manifest if entry.split != split]
    people = {person for entry in others for person in (entry.identity, entry.donor) if person}
    recordings = {recording(entry) for entry in others}
    found = {
        entry.video
        for entry in manifest
        if entry.split == split and (people & {entry.identity, entry.donor} or recording(entry) in recordings)
    }
    videos = {entry.path: entry.video for entry in manifest if entry.split == split}
    seen, _ = _look(manifest, [entry for entry in manifest if _is_there(manifest.file(entry))], lambda share: None)
    alike = {path for leak in look_alikes(seen) for place, path in leak.example if place == split}
    return frozenset(found | {videos[path] for path in alike})


def without_leaks(manifest: Manifest) -> Manifest:
    """The manifest without what leaks: a training video goes before one of ``val``, this before one of ``test``."""
    for number, split in enumerate(SPLITS[:-1]):
        later = manifest.where(lambda entry, least=number: SPLITS.index(entry.split) >= least)  # type: ignore[misc]
        leaked = leaking_videos(later, split)
        manifest = manifest.where(
            lambda entry, gone=leaked, of=split: entry.split != of or entry.video not in gone  # type: ignore[misc]
        )
    return manifest


def unseen(manifest: Manifest) -> Manifest:
    """The manifest without the videos of ``val`` and ``test`` that share anything with another split.

    What is left of them is new to a model that was trained on all of ``train``; model cards give figures of that.
    """
    leaked = {split: leaking_videos(manifest, split) for split in SPLITS[1:]}
    return manifest.where(lambda entry: entry.video not in leaked.get(entry.split, ()))


def _recordings(manifest: Iterable[Entry]) -> Callable[[Entry], str]:
    """A function from an entry to the real video that its frames come from: the video of its ``source``, or its own.

    The ``source`` of a prepared clip is another prepared clip; videos are compared by the names that they had before.
    """
    videos = {entry.path: entry.video for entry in manifest}
    return lambda entry: videos.get(entry.source, entry.source) or entry.video


def _shared(kind: str, named: Iterable[tuple[str, Entry]]) -> Iterator[Leak]:
    """What is found under one name in several splits."""
    found: dict[str, dict[str, str]] = {}
    for name, entry in named:
        found.setdefault(name, {}).setdefault(entry.split, entry.path)
    for name, places in found.items():
        if len(places) > 1:
            yield Leak(kind, name, tuple((split, places[split]) for split in SPLITS if split in places))


def look_alikes(seen: list[tuple[Entry, Likeness]]) -> Iterator[Leak]:
    """Near-duplicates between splits; the most alike first within each two splits."""
    for first, second in combinations(SPLITS, 2):
        here = [pair for pair in seen if pair[0].split == first]
        there = [pair for pair in seen if pair[0].split == second]
        for i, j, share in near_duplicates([look for _, look in here], [look for _, look in there]):
            a, b = here[i][0].path, there[j][0].path
            yield Leak("likeness", f"{share:.1%} of what they show differs", ((first, a), (second, b)))


def _look(
    manifest: Manifest, entries: list[Entry], progress: Progress
) -> tuple[list[tuple[Entry, Likeness]], list[tuple[str, str]]]:
    """The likeness of each video, and those that cannot be read."""

    def look(entry: Entry) -> Likeness | str:
        # Of a prepared clip, start and end are times in the video that it was cut from.
        span = (None, None) if entry.is_clip else (entry.start, entry.end)
        try:
            return look_at(manifest.file(entry), *span)
        except FacetellError as error:
            return str(error)

    seen, unreadable = [], []
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoding leaves Python alone
        for number, (entry, found) in enumerate(zip(entries, pool.map(look, entries), strict=True), 1):
            if isinstance(found, str):
                unreadable.append((entry.path, found))
            else:
                seen.append((entry, found))
            progress(number / len(entries))
    return seen, unreadable


def _is_there(path: Path) -> bool:
    return path.is_file() or has_pictures(path)
