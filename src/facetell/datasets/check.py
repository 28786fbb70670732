"""Check a manifest of videos or of prepared clips: missing and unreadable files, and leaks between splits."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
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
    unreadable: tuple[tuple[str, str], ...]  # paths with the reasons
    leaks: tuple[Leak, ...]


def check_manifest(manifest: Manifest, *, fast: bool = False, progress: Progress | None = None) -> Findings:
    """Find missing and unreadable files, and leaks between splits. An identity must be one person in all rows.

    ``fast``: do not open the videos, so no search for unreadable files and near-duplicates. ``progress`` is called with
    the share done in [0, 1].
    """
    present, missing = _present(manifest)
    leaks = list(_table_leaks(manifest))
    if fast:
        return Findings(missing, (), tuple(leaks))
    hashes, unreadable = _hashes(manifest, present, progress)
    return Findings(missing, tuple(unreadable), (*leaks, *_duplicates(hashes)))


def leaking_videos(manifest: Manifest, split: str) -> frozenset[str]:
    """The videos of a split that share an identity, a recording or near-duplicate frames with another split.

    Metrics on them do not measure generalisation. The files of the manifest, which has all splits, are opened.
    """
    recording = _recordings(manifest)
    others = [entry for entry in manifest if entry.split != split]
    identities = {name for entry in others for name in (entry.identity, entry.donor) if name}
    recordings = {recording(entry) for entry in others}
    videos = {entry.path: entry.video for entry in manifest if entry.split == split}
    shared = {
        entry.video
        for entry in manifest
        if entry.split == split and (identities & {entry.identity, entry.donor} or recording(entry) in recordings)
    }
    hashes, _ = _hashes(manifest, _present(manifest)[0])
    return frozenset(
        shared | {videos[path] for leak in _duplicates(hashes) for place, path in leak.example if place == split}
    )


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


def _table_leaks(manifest: Manifest) -> Iterator[Leak]:
    """Leaks that follow from the rows alone."""
    recording = _recordings(manifest)
    yield from (videos := list(_shared("video", ((entry.video, entry) for entry in manifest))))
    sources = _shared("source", ((recording(entry), entry) for entry in manifest))
    yield from (leak for leak in sources if leak.what not in {other.what for other in videos})
    people = ((name, entry) for entry in manifest for name in (entry.identity, entry.donor) if name)
    yield from _shared("identity", people)


def _recordings(manifest: Iterable[Entry]) -> Callable[[Entry], str]:
    """A function from an entry to the real video that its frames are from: the video of its ``source``, or its own.

    The ``source`` of a prepared clip is another prepared clip; the names before preparation are compared.
    """
    videos = {entry.path: entry.video for entry in manifest}
    return lambda entry: videos.get(entry.source, entry.source) or entry.video


def _shared(kind: str, named: Iterable[tuple[str, Entry]]) -> Iterator[Leak]:
    """The names that are in several splits."""
    found: dict[str, dict[str, str]] = {}
    for name, entry in named:
        found.setdefault(name, {}).setdefault(entry.split, entry.path)
    for name, places in found.items():
        if len(places) > 1:
            yield Leak(kind, name, tuple((split, places[split]) for split in SPLITS if split in places))


def _duplicates(hashes: list[tuple[Entry, VideoHash]]) -> Iterator[Leak]:
    """Near-duplicates between splits; for each two splits, the most similar first."""
    of_split = {split: [pair for pair in hashes if pair[0].split == split] for split in SPLITS}
    for first, second in combinations(SPLITS, 2):
        here, there = of_split[first], of_split[second]
        for i, j, share in near_duplicates([known for _, known in here], [known for _, known in there]):
            example = (first, here[i][0].path), (second, there[j][0].path)
            yield Leak("duplicate", f"{share:.1%} of the bits of their hashes differ", example)


def _hashes(
    manifest: Manifest, entries: list[Entry], progress: Progress | None = None
) -> tuple[list[tuple[Entry, VideoHash]], list[tuple[str, str]]]:
    """The hash of each video, and (path, reason) of those that cannot be read."""

    def compute(entry: Entry) -> VideoHash | str:
        try:
            return hash_video(manifest.file(entry))
        except FacetellError as error:
            return str(error)

    hashes, unreadable = [], []
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # decoding releases the interpreter lock
        for number, (entry, found) in enumerate(zip(entries, pool.map(compute, entries), strict=True), 1):
            if isinstance(found, str):
                unreadable.append((entry.path, found))
            else:
                hashes.append((entry, found))
            if progress:
                progress(number / len(entries))
    return hashes, unreadable
