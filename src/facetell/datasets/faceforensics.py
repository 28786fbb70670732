"""FaceForensics++ and what is built on its videos: FaceShifter, DeepFakeDetection and DeeperForensics-1.0.

docs/datasets.md. A forgery ``TTT_SSS`` is the video TTT with the face (or the motion) of SSS.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from facetell.datasets.layout import BY_IDENTITY, Benchmark, Folder, ReadOptions, split_by_identity
from facetell.datasets.manifest import SPLITS, Entry, Split
from facetell.types import FacetellError
from facetell.video.find import LeftOut, search

METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter")
COMPRESSIONS = ("raw", "c23", "c40")
POSTPROCESSED = "reenact_postprocess"
# Folders of DeeperForensics-1.0, and the distortion of the videos in them.
FOLDERS = {
    "end_to_end": "",
    POSTPROCESSED: "",
    **{f"end_to_end_level_{level}": f"level_{level}" for level in range(1, 6)},
    "end_to_end_random_level": "random_level",
    **{f"end_to_end_mix_{count}_distortions": f"mix_{count}" for count in (2, 3, 4)},
}

Pairs = Mapping[Split, Sequence[tuple[str, str]]]


def read_ffpp(at: Folder, options: ReadOptions) -> Iterator[Entry]:
    """FaceForensics++ with its official splits and each of the five methods that is there, or ``options.methods``."""
    pairs = _read_pairs(at)
    methods = options.methods or tuple(m for m in METHODS if (at.root / "manipulated_sequences" / m).is_dir())
    at.check_methods(methods, METHODS)
    if not methods:
        raise at.fault(f"{at.root} lacks manipulated_sequences/{METHODS[0]} and every other method")
    for compression in options.compressions:
        reals = {entry.identity: entry for entry in _reals(at, pairs, compression)}
        yield from reals.values()
        for method in methods:
            folder = _compressed(at, f"manipulated_sequences/{method}", compression)
            for split, both in pairs.items():
                for a, b in (order for pair in both for order in (pair, pair[::-1])):
                    path, source = f"{folder}/{a}_{b}.mp4", reals[a].path
                    yield Entry(path, 1, split, a, b, method, "ffpp", compression, source)


def read_faceshifter(at: Folder, options: ReadOptions) -> Iterator[Entry]:
    """FaceShifter with the reals and splits of FaceForensics++."""
    for entry in read_ffpp(at, replace(options, methods=("FaceShifter",))):
        yield replace(entry, dataset="faceshifter")


def _read_pairs(at: Folder) -> Pairs:
    """The official splits: lists of id pairs, from ``splits/`` or beside the two trees."""
    pairs = {}
    at.folder("original_sequences")
    for split in SPLITS:
        file = at.file(f"splits/{split}.json", f"{split}.json", f"dataset/splits/{split}.json")
        try:
            pairs[split] = [(f"{int(a):03d}", f"{int(b):03d}") for a, b in at.json(file)]
        except (TypeError, ValueError):
            raise at.fault(f'{at.root / file} is no list of id pairs such as [["071", "054"], ...]') from None
    return pairs


def _reals(at: Folder, pairs: Pairs, compression: str) -> Iterator[Entry]:
    """The YouTube reals of all splits at one compression."""
    folder = _compressed(at, "original_sequences/youtube", compression)
    for split, both in pairs.items():
        for name in (name for pair in both for name in pair):
            yield Entry(f"{folder}/{name}.mp4", 0, split, name, dataset="ffpp", compression=compression)


def _compressed(at: Folder, folder: str, compression: str) -> str:
    """The folder of the videos at one compression."""
    if compression not in COMPRESSIONS:
        raise FacetellError(f"'{compression}' is not a compression: choose of {', '.join(COMPRESSIONS)}")
    return at.folder(f"{folder}/{compression}/videos")


def read_dfd(at: Folder, options: ReadOptions) -> list[Entry]:
    """DeepFakeDetection: the actors and their forgeries, split by identity (or all in test)."""
    entries = []
    for compression in options.compressions:
        reals = _compressed(at, "original_sequences/actors", compression)
        fakes = _compressed(at, "manipulated_sequences/DeepFakeDetection", compression)
        known = at.videos(reals)
        for path in known:
            if (name := re.fullmatch(r"(\d+)__.+", Path(path).stem)) is None:
                raise at.fault(f"{path} is not named as an actor's video")
            entries.append(Entry(path, 0, "test", f"actor{name[1]}", dataset="dfd", compression=compression))
        for path in at.videos(fakes):
            if (name := re.fullmatch(r"(\d+)_(\d+)__(?:(.+)__)?.+", Path(path).stem)) is None:
                raise at.fault(f"{path} is not named as a forgery of two actors")
            source = f"{reals}/{name[1]}__{name[3]}.mp4"
            people = f"actor{name[1]}", f"actor{name[2]}"
            more = "DeepFakeDetection", "dfd", compression, source if source in known else ""
            entries.append(Entry(path, 1, "test", *people, *more))
    return split_by_identity(entries, options)


def read_dfo(at: Folder, options: ReadOptions) -> list[Entry]:
    """DeeperForensics-1.0, with the folder ``end_to_end`` unless others are named in ``options.methods``.

    A forgery ``TTT_XXX`` is the FaceForensics++ video TTT with the face of the actor XXX. The distorted folders hold
    the same forgeries: ``compression`` names the distortion (``level_3``, ``random_level``, ``mix_2``). The reals are
    not part of the dataset, so there are several protocols:

    A: the c23 test reals of FaceForensics++ and the forgeries of the same target ids (LipForensics, RealForensics).
    B: the actors' own videos as reals, and the forgeries by the dataset's own lists (DeepfakeBench). An actor is in
       the split of the forgeries made with them; the lists have different actors (71, 9 and 20).
    lists: the forgeries by the dataset's own lists, and the c23 reals that they were made from: to train on it.
    """
    folders = options.methods or ("end_to_end",)
    at.check_methods(folders, tuple(FOLDERS))
    at.folder("manipulated_videos")
    if options.protocol == "B":
        fakes = _fakes(at, folders, _lists(at))
        return [*_actors(at, fakes), *fakes]
    if options.ffpp is None:
        raise FacetellError(
            f"protocol {options.protocol} of DeeperForensics-1.0 takes its reals from FaceForensics++; "
            "name its root with --ffpp, or take --protocol B"
        )
    ffpp = Folder(options.ffpp, FFPP)
    youtube = {
        # Outside the root: paths are absolute.
        entry.identity: replace(entry, path=f"{ffpp.root.resolve().as_posix()}/{entry.path}")
        for entry in _reals(ffpp, _read_pairs(ffpp), "c23")
    }
    if options.protocol == "A":
        reals = {name: entry for name, entry in youtube.items() if entry.split == "test"}
        fakes = [fake for folder in folders for fake in _fakes_of_targets(at, folder, reals)]
        return [*reals.values(), *fakes]
    split_of = _lists(at)
    targets: dict[str, Split] = {name.partition("_")[0]: split for name, split in split_of.items()}
    if missing := sorted(targets.keys() - youtube.keys()):
        raise ffpp.fault(f"the splits of FaceForensics++ do not name the video {missing[0]} that {at.root} needs")
    reals = {target: replace(youtube[target], split=split) for target, split in targets.items()}
    return [*reals.values(), *_fakes(at, folders, split_of, reals)]


def _lists(at: Folder) -> dict[str, Split]:
    """Split by the name of a forgery (TTT_XXX), from the dataset's own lists."""
    files = {split: at.file(f"lists/splits/{split}.txt") for split in SPLITS}
    return {Path(line).stem: split for split, file in files.items() for line in at.lines(file)}


def _fakes_of_targets(at: Folder, folder: str, reals: Mapping[str, Entry]) -> list[Entry]:
    """The forgeries on disk whose target is one of ``reals``."""
    stems = [Path(path).stem for path in at.videos(at.folder(f"manipulated_videos/{folder}"))]
    names: dict[str, Split] = {name: "test" for name in stems if name.partition("_")[0] in reals}
    if missing := sorted(reals.keys() - {name.partition("_")[0] for name in names}):
        raise at.fault(
            f"manipulated_videos/{folder} in {at.root} has no forgery of {len(missing)} test videos of "
            f"FaceForensics++, such as {missing[0]}"
        )
    return _fakes(at, [folder], names, reals)


def _fakes(
    at: Folder, folders: Iterable[str], split_of: Mapping[str, Split], reals: Mapping[str, Entry] | None = None
) -> list[Entry]:
    entries = []
    for folder in folders:
        place = at.folder(f"manipulated_videos/{folder}")
        method = POSTPROCESSED if folder == POSTPROCESSED else "end_to_end"
        for name, split in split_of.items():
            target, _, donor = name.partition("_")
            if not (len(target) == 3 and target.isdigit() and donor):
                raise at.fault(f"{name} in {at.root} is not named as a forgery")
            source = reals[target].path if reals else ""
            path = f"{place}/{name}.mp4"
            entries.append(Entry(path, 1, split, target, donor, method, "dfo", FOLDERS[folder], source))
    return entries


def _actors(at: Folder, fakes: Sequence[Entry]) -> list[Entry]:
    """The own videos of the actors in the split of their forgeries."""
    split_of = {fake.donor: fake.split for fake in fakes}
    if stray := next((fake.donor for fake in fakes if split_of[fake.donor] != fake.split), None):
        raise at.fault(f"the lists of {at.root} have the actor {stray} in several splits")
    reals = [
        Entry(path.relative_to(at.root).as_posix(), 0, split_of[Path(actor).name], Path(actor).name, dataset="dfo")
        for actor in at.subfolders(at.folder("source_videos"))
        if Path(actor).name in split_of
        for path in sorted(at.root / actor / item.name for item in search(at.root / actor, LeftOut()))
        if path.is_file()
    ]
    if not reals:
        raise at.fault(f"{at.root / 'source_videos'} holds no video in the folder of an actor of the lists")
    return reals


_FFPP_TREE = (
    "original_sequences/youtube/{raw,c23,c40}/videos/NNN.mp4, "
    "manipulated_sequences/METHOD/{raw,c23,c40}/videos/TTT_SSS.mp4 and splits/{train,val,test}.json"
)
_DFD_TREE = (
    "original_sequences/actors/{raw,c23,c40}/videos/NN__SCENE.mp4 and "
    "manipulated_sequences/DeepFakeDetection/{raw,c23,c40}/videos/TT_SS__SCENE__CODE.mp4"
)
_DFO_TREE = (
    "manipulated_videos/end_to_end/TTT_XXX.mp4 (and the other folders of forgeries), "
    "lists/splits/{train,val,test}.txt and source_videos/XXX/..."
)
_FFPP = "FaceForensics++: 1000 reals, five methods, official splits"
_FACESHIFTER = "FaceShifter: the fifth method of FaceForensics++ alone, with its reals"
_DFD = "DeepFakeDetection: 363 videos of 28 actors and their forgeries"
_DFO = "DFO: DeeperForensics-1.0, 1000 end-to-end swaps, clean and distorted; protocols A, B and its own lists"
FFPP = Benchmark("ffpp", _FFPP, _FFPP_TREE, read_ffpp, frozenset({"compressions", "methods"}))
FACESHIFTER = Benchmark("faceshifter", _FACESHIFTER, _FFPP_TREE, read_faceshifter, frozenset({"compressions"}))
DFD = Benchmark("dfd", _DFD, _DFD_TREE, read_dfd, BY_IDENTITY | {"compressions"})
DFO = Benchmark("dfo", _DFO, _DFO_TREE, read_dfo, frozenset({"methods", "protocol", "ffpp"}))
