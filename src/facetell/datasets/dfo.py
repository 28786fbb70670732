"""DeeperForensics-1.0 (METHOD.md, section 2).

A forgery ``TTT_XXX`` shows the FaceForensics++ video TTT with the face of the actor XXX. The distorted folders hold the
same forgeries, worn: in a manifest they keep the method, and ``compression`` names the wear (``level_3``,
``random_level``, ``mix_2``). The reals are not part of the set, which is why there are several protocols:

A: the c23 test reals of FaceForensics++ against the forgeries of the same target ids (LipForensics, RealForensics).
B: the actors' own videos as reals, and the forgeries by the set's own lists (DeepfakeBench). An actor is in the split
   of the forgeries made with them; the lists are of different actors (71, 9 and 20).
lists: the forgeries by the set's own lists, and the c23 reals that they were made from: to train on it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from facetell.datasets.ffpp import LAYOUT as FFPP_LAYOUT
from facetell.datasets.ffpp import read_pairs, reals_of
from facetell.datasets.layout import Layout, ReadOptions, below, subfolders
from facetell.datasets.manifest import SPLITS, Entry, Manifest, Split
from facetell.datasets.splits import check_official, split_by_identity
from facetell.types import FacetellError
from facetell.video.find import LeftOut, search

CLEAN = ("end_to_end", "reenact_postprocess")
WORN = {
    **{f"end_to_end_level_{level}": f"level_{level}" for level in range(1, 6)},
    "end_to_end_random_level": "random_level",
    **{f"end_to_end_mix_{count}_distortions": f"mix_{count}" for count in (2, 3, 4)},
}
FOLDERS = (*CLEAN, *WORN)
LAYOUT = Layout(
    "DeeperForensics-1.0",
    "manipulated_videos/end_to_end/TTT_XXX.mp4 (and the other folders of forgeries), lists/splits/{train,val,test}.txt "
    "and source_videos/XXX/...",
)


def read_dfo(root: Path, options: ReadOptions) -> Manifest:
    """DeeperForensics-1.0 under ``options.protocol``; of its folders ``end_to_end`` unless others are named.

    Raises:
        FacetellError: the layout is another one, FaceForensics++ is needed and was not named, or a split by identity
            was asked for where splits are published.
    """
    folders = options.methods or CLEAN[:1]
    LAYOUT.check_methods(folders, FOLDERS)
    if options.protocol != "B":
        check_official(options, f"protocol {options.protocol} of DeeperForensics-1.0 has published splits, unlike B")
    LAYOUT.folder(root, "manipulated_videos")
    if options.protocol == "B":
        fakes = [entry for name in folders for entry in _fakes(root, name, _lists(root))]
        return Manifest(root, (*_with_their_forgeries(_actors(root), fakes, root, options), *fakes))
    if options.ffpp is None:
        raise FacetellError(
            f"protocol {options.protocol} of DeeperForensics-1.0 takes its reals from FaceForensics++; "
            "name its root with --ffpp, or take --protocol B"
        )
    youtube = _youtube(options.ffpp)
    if options.protocol == "A":
        wanted = {entry.identity: entry for entry in youtube if entry.split == "test"}
        fakes = [entry for name in folders for entry in _fakes_of_targets(root, name, wanted)]
        return Manifest(root, (*wanted.values(), *fakes))
    return _by_lists(root, folders, {entry.identity: entry for entry in youtube})


def _with_their_forgeries(reals: list[Entry], fakes: list[Entry], root: Path, options: ReadOptions) -> list[Entry]:
    """Actors in the split of their forgeries; split by identity where the lists do not keep all of them apart."""
    places: dict[str, set[Split]] = {}
    for fake in fakes:
        places.setdefault(fake.donor, set()).add(fake.split)
    if options.all_test or any(len(places.get(real.identity, ())) != 1 for real in reals):
        return split_by_identity(reals, root, options)
    return [replace(real, split=next(iter(places[real.identity]))) for real in reals]


def _by_lists(root: Path, folders: tuple[str, ...], youtube: dict[str, Entry]) -> Manifest:
    split_of = _lists(root)
    targets: dict[str, Split] = {name.partition("_")[0]: split for name, split in split_of.items()}
    missing = sorted(targets.keys() - youtube.keys())
    if missing:
        raise FFPP_LAYOUT.fault(f"the splits of FaceForensics++ do not name the video {missing[0]} that {root} needs")
    reals = [
        Entry(youtube[target].path, 0, split, identity=target, dataset="ffpp", compression="c23")
        for target, split in targets.items()
    ]
    fakes = [
        entry for name in folders for entry in _fakes(root, name, split_of, {real.identity: real for real in reals})
    ]
    return Manifest(root, (*reals, *fakes))


def _youtube(ffpp: Path) -> list[Entry]:
    """The c23 reals of FaceForensics++ with absolute paths: they lie outside the root."""
    base = ffpp.resolve().as_posix()
    return [
        Entry(f"{base}/{e.path}", 0, e.split, identity=e.identity, dataset="ffpp", compression="c23")
        for e in reals_of(ffpp, read_pairs(ffpp), "c23")
    ]


def _lists(root: Path) -> dict[str, Split]:
    """Names of forgeries (TTT_XXX) and the split that the set's own lists give them."""
    found: dict[str, Split] = {}
    for split in SPLITS:
        path = LAYOUT.file(root, f"lists/splits/{split}.txt")
        for line in LAYOUT.lines(path):
            found[Path(line).stem] = split
    return found


def _fakes_of_targets(root: Path, folder: str, wanted: dict[str, Entry]) -> list[Entry]:
    """The forgeries on disk whose target is one of ``wanted``."""
    videos = LAYOUT.videos(LAYOUT.folder(root, f"manipulated_videos/{folder}"))
    names: dict[str, Split] = {path.stem: "test" for path in videos if path.stem.partition("_")[0] in wanted}
    missing = sorted(wanted.keys() - {name.partition("_")[0] for name in names})
    if missing:
        raise LAYOUT.fault(
            f"manipulated_videos/{folder} in {root} has no forgery of {len(missing)} test videos of FaceForensics++, "
            f"such as {missing[0]}"
        )
    return _fakes(root, folder, names, wanted)


def _fakes(root: Path, folder: str, split_of: dict[str, Split], reals: dict[str, Entry] | None = None) -> list[Entry]:
    LAYOUT.folder(root, f"manipulated_videos/{folder}")
    entries = []
    for name, split in split_of.items():
        target, _, donor = name.partition("_")
        if not (len(target) == 3 and target.isdigit() and donor):
            raise LAYOUT.fault(f"{name} in {root} is not named as a forgery")
        entries.append(
            Entry(
                f"manipulated_videos/{folder}/{name}.mp4",
                1,
                split,
                identity=target,
                donor=donor,
                method="reenact_postprocess" if folder == CLEAN[1] else CLEAN[0],
                dataset="dfo",
                compression=WORN.get(folder, ""),
                source=reals[target].path if reals else "",
            )
        )
    return entries


def _actors(root: Path) -> list[Entry]:
    """The actors' own videos, of no split yet (all stand under test)."""
    actors = subfolders(LAYOUT.folder(root, "source_videos"))
    found = [
        Entry(below(root, path), 0, "test", identity=actor.name, dataset="dfo")
        for actor in actors
        for path in sorted(actor / item.name for item in search(actor, LeftOut()))
        if path.is_file()
    ]
    if not found:
        raise LAYOUT.fault(f"{root / 'source_videos'} holds no video in any actor's folder")
    return found
