"""DeeperForensics-1.0 (METHOD.md, section 2).

A forgery ``TTT_XXX`` is the FaceForensics++ video TTT with the face of the actor XXX. The distorted folders hold the
same forgeries: in a manifest they have the same method, and ``compression`` names the distortion (``level_3``,
``random_level``, ``mix_2``). The reals are not part of the dataset, so there are several protocols:

A: the c23 test reals of FaceForensics++ and the forgeries of the same target ids (LipForensics, RealForensics).
B: the actors' own videos as reals, and the forgeries by the dataset's own lists (DeepfakeBench). An actor is in the
   split of the forgeries made with them; the lists have different actors (71, 9 and 20).
lists: the forgeries by the dataset's own lists, and the c23 reals that they were made from: to train on it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from facetell.datasets.ffpp import LAYOUT as FFPP_LAYOUT
from facetell.datasets.ffpp import read_pairs, reals_of
from facetell.datasets.layout import BY_IDENTITY, Benchmark, Layout, ReadOptions, below, subfolders
from facetell.datasets.manifest import SPLITS, Entry, Manifest, Split
from facetell.datasets.splits import check_official, split_by_identity
from facetell.types import FacetellError
from facetell.video.find import LeftOut, search

POSTPROCESSED = "reenact_postprocess"
# The distortion by the folder.
FOLDERS = {
    "end_to_end": "",
    POSTPROCESSED: "",
    **{f"end_to_end_level_{level}": f"level_{level}" for level in range(1, 6)},
    "end_to_end_random_level": "random_level",
    **{f"end_to_end_mix_{count}_distortions": f"mix_{count}" for count in (2, 3, 4)},
}
LAYOUT = Layout(
    "DeeperForensics-1.0",
    "manipulated_videos/end_to_end/TTT_XXX.mp4 (and the other folders of forgeries), lists/splits/{train,val,test}.txt "
    "and source_videos/XXX/...",
)


def read_dfo(root: Path, options: ReadOptions) -> Manifest:
    """DeeperForensics-1.0 under ``options.protocol``, with the folder ``end_to_end`` unless others are named."""
    folders = options.methods or ("end_to_end",)
    LAYOUT.check_methods(folders, tuple(FOLDERS))
    if options.protocol != "B":
        check_official(options, f"protocol {options.protocol} of DeeperForensics-1.0 has published splits, unlike B")
    LAYOUT.folder(root, "manipulated_videos")
    if options.protocol == "B":
        fakes = _fakes(root, folders, _lists(root))
        return Manifest(root, (*_split_actors(_actors(root), fakes, root, options), *fakes))
    if options.ffpp is None:
        raise FacetellError(
            f"protocol {options.protocol} of DeeperForensics-1.0 takes its reals from FaceForensics++; "
            "name its root with --ffpp, or take --protocol B"
        )
    base = options.ffpp.resolve().as_posix()  # outside the root: paths are absolute
    youtube = {
        entry.identity: replace(entry, path=f"{base}/{entry.path}")
        for entry in reals_of(options.ffpp, read_pairs(options.ffpp), "c23")
    }
    if options.protocol == "A":
        reals = {name: entry for name, entry in youtube.items() if entry.split == "test"}
        fakes = [fake for folder in folders for fake in _fakes_of_targets(root, folder, reals)]
        return Manifest(root, (*reals.values(), *fakes))
    split_of = _lists(root)
    targets: dict[str, Split] = {name.partition("_")[0]: split for name, split in split_of.items()}
    missing = sorted(targets.keys() - youtube.keys())
    if missing:
        raise FFPP_LAYOUT.fault(f"the splits of FaceForensics++ do not name the video {missing[0]} that {root} needs")
    reals = {target: replace(youtube[target], split=split) for target, split in targets.items()}
    return Manifest(root, (*reals.values(), *_fakes(root, folders, split_of, reals)))


def _split_actors(reals: list[Entry], fakes: list[Entry], root: Path, options: ReadOptions) -> list[Entry]:
    """Actors in the split of their forgeries; split by identity if the lists have one in several splits, or none."""
    places: dict[str, set[Split]] = defaultdict(set)
    for fake in fakes:
        places[fake.donor].add(fake.split)
    if options.all_test or any(len(places[real.identity]) != 1 for real in reals):
        return split_by_identity(reals, root, options)
    return [replace(real, split=next(iter(places[real.identity]))) for real in reals]


def _lists(root: Path) -> dict[str, Split]:
    """Split by the name of a forgery (TTT_XXX), from the dataset's own lists."""
    return {
        Path(line).stem: split
        for split in SPLITS
        for line in LAYOUT.lines(LAYOUT.file(root, f"lists/splits/{split}.txt"))
    }


def _fakes_of_targets(root: Path, folder: str, reals: Mapping[str, Entry]) -> list[Entry]:
    """The forgeries on disk whose target is one of ``reals``."""
    videos = LAYOUT.videos(LAYOUT.folder(root, f"manipulated_videos/{folder}"))
    names: dict[str, Split] = {path.stem: "test" for path in videos if path.stem.partition("_")[0] in reals}
    missing = sorted(reals.keys() - {name.partition("_")[0] for name in names})
    if missing:
        raise LAYOUT.fault(
            f"manipulated_videos/{folder} in {root} has no forgery of {len(missing)} test videos of FaceForensics++, "
            f"such as {missing[0]}"
        )
    return _fakes(root, [folder], names, reals)


def _fakes(
    root: Path, folders: Iterable[str], split_of: Mapping[str, Split], reals: Mapping[str, Entry] | None = None
) -> list[Entry]:
    entries = []
    for folder in folders:
        LAYOUT.folder(root, f"manipulated_videos/{folder}")
        method = POSTPROCESSED if folder == POSTPROCESSED else "end_to_end"
        for name, split in split_of.items():
            target, _, donor = name.partition("_")
            if not (len(target) == 3 and target.isdigit() and donor):
                raise LAYOUT.fault(f"{name} in {root} is not named as a forgery")
            source = reals[target].path if reals else ""
            path = f"manipulated_videos/{folder}/{name}.mp4"
            entries.append(Entry(path, 1, split, target, donor, method, "dfo", FOLDERS[folder], source))
    return entries


def _actors(root: Path) -> list[Entry]:
    """The actors' own videos; the split is not known yet (test)."""
    found = [
        Entry(below(root, path), 0, "test", identity=actor.name, dataset="dfo")
        for actor in subfolders(LAYOUT.folder(root, "source_videos"))
        for path in sorted(actor / item.name for item in search(actor, LeftOut()))
        if path.is_file()
    ]
    if not found:
        raise LAYOUT.fault(f"{root / 'source_videos'} holds no video in any actor's folder")
    return found


BENCHMARKS = {
    "dfo": Benchmark(
        "DeeperForensics-1.0: 1000 end-to-end swaps, clean and distorted; protocols A, B and its own lists",
        LAYOUT,
        read_dfo,
        BY_IDENTITY | {"methods", "protocol", "ffpp"},
    )
}
