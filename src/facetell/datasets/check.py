"""Check a manifest of videos or of prepared clips: missing and unreadable files, and leaks between splits."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations

from facetell.datasets.dhash import VideoHash, hash_video, near_duplicates
from facetell.datasets.manifest import SPLITS, Entry, Manifest
from facetell.types import FacetellError
from facetell.video.find import images_in

Progress = Callable[[float], None]

KINDS = {
    "video": "the same video in several splits",
    "source": "videos made from the same recording in several splits",
    "identity": "a person visible or used as a donor in several splits",
    "duplicate": "near-duplicate videos in different splits",
}


@dataclass(frozen=True, slots=True)
class Leak:
    """Something in several splits."""

    kind: str  # of KINDS
    what: str
    example: tuple[tuple[str, str], ...]  # a split and a path of each


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong with a manifest."""

    missing: tuple[str, ...]
    unreadable: tuple[str, ...]  # messages with the paths
    leaks: tuple[Leak, ...]


def check_manifest(manifest: Manifest, *, fast: bool = False, progress: Progress = lambda share: None) -> Findings:
    """Find missing and unreadable files, and leaks between splits. An identity must be one person in all rows.

    ``fast``: do not open the videos, so find no unreadable files and near-duplicates. ``progress`` gets the share done.
    """
    present, missing = _present(manifest)
    leaks = _table_leaks(manifest)
    if fast:
        return Findings(missing, (), tuple(leaks))
    hashes, unreadable = _hashes(manifest, present, progress)
    return Findings(missing, tuple(unreadable), (*leaks, *_duplicates(hashes)))


def leaking_videos(manifest: Manifest, split: str) -> frozenset[str]:
    """The videos of a split that share an identity, recording or near-duplicate frames with another; opens files."""
    others = {named for entry, named in _names(manifest) if entry.split != split}
    shared = {entry.video for entry, named in _names(manifest) if entry.split == split and named in others}
    videos = {entry.path: entry.video for entry in manifest if entry.split == split}
    duplicates = _duplicates(_hashes(manifest, _present(manifest)[0])[0])
    return frozenset(shared | {videos[path] for leak in duplicates for place, path in leak.example if place == split})


def without_leaks(manifest: Manifest) -> Manifest:
    """The manifest without leaks: a training video is left out before one of ``val``, that before one of ``test``."""
    for number, split in enumerate(SPLITS[:-1]):
        later = Manifest(manifest.root, tuple(entry for entry in manifest if entry.split in SPLITS[number:]))
        leaking = {(split, video) for video in leaking_videos(later, split)}
        manifest = Manifest(manifest.root, tuple(e for e in manifest if (e.split, e.video) not in leaking))
    return manifest


def _present(manifest: Manifest) -> tuple[list[Entry], tuple[str, ...]]:
    """The entries whose files are there, and the paths of the others."""
    files = {entry.path: manifest.file(entry) for entry in manifest}
    missing = {path for path, file in files.items() if not (file.is_file() or (file.is_dir() and images_in(file)))}
    return [e for e in manifest if e.path not in missing], tuple(e.path for e in manifest if e.path in missing)


def _names(manifest: Manifest) -> Iterator[tuple[Entry, tuple[str, str]]]:
    """Each entry with the kind (of KINDS) and the name of everything that is to be in one split only.

    A recording is the real video that frames are from: the video of the ``source``, or the own one. The ``source`` of a
    prepared clip is another prepared clip; the names before preparation are compared.
    """
    videos = {entry.path: entry.video for entry in manifest}
    for entry in manifest:
        yield entry, ("video", entry.video)
        yield entry, ("source", videos.get(entry.source, entry.source) or entry.video)
        yield from ((entry, ("identity", name)) for name in (entry.identity, entry.donor) if name)


def _table_leaks(manifest: Manifest) -> list[Leak]:
    """Leaks that follow from the rows alone; a video in several splits is not named as a recording as well."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for entry, named in _names(manifest):
        found.setdefault(named, {}).setdefault(entry.split, entry.path)
    leaks = [
        Leak(kind, name, tuple((split, places[split]) for split in SPLITS if split in places))
        for (kind, name), places in found.items()
        if len(places) > 1 and not (kind == "source" and len(found.get(("video", name), ())) > 1)
    ]
    return sorted(leaks, key=lambda leak: [*KINDS].index(leak.kind))


def _duplicates(hashes: list[tuple[Entry, VideoHash]]) -> Iterator[Leak]:
    """Near-duplicates between splits; for each two splits, the most similar first."""
    of_split = {split: [pair for pair in hashes if pair[0].split == split] for split in SPLITS}
    for first, second in combinations(SPLITS, 2):
        here, there = of_split[first], of_split[second]
        for i, j, share in near_duplicates([known for _, known in here], [known for _, known in there]):
            example = (first, here[i][0].path), (second, there[j][0].path)
            yield Leak("duplicate", f"{share:.1%} of the bits of their hashes differ", example)


def _hashes(
    manifest: Manifest, entries: list[Entry], progress: Progress = lambda share: None
) -> tuple[list[tuple[Entry, VideoHash]], list[str]]:
    """The hash of each video, and the messages on those that cannot be read."""

    def compute(entry: Entry) -> VideoHash | str:
        try:
            return hash_video(manifest.file(entry))
        except FacetellError as error:
            return str(error)

    hashes, unreadable = [], []
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoding releases the interpreter lock
        for number, (entry, found) in enumerate(zip(entries, pool.map(compute, entries), strict=True), 1):
            if isinstance(found, str):
                unreadable.append(found)
            else:
                hashes.append((entry, found))
            progress(number / len(entries))
    return hashes, unreadable
