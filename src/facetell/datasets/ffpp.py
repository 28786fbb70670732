"""FaceForensics++, and two benchmarks published in its tree: FaceShifter and DeepFakeDetection (DFD).

METHOD.md, section 2. A forgery ``TTT_SSS`` is the video TTT with the face (or the motion) of SSS.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from facetell.datasets.layout import BY_IDENTITY, Benchmark, Layout, ReadOptions, below
from facetell.datasets.manifest import SPLITS, Entry, Manifest, Split
from facetell.datasets.splits import check_official, split_by_identity
from facetell.types import FacetellError

METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures", "FaceShifter")
ACTED = "DeepFakeDetection"
COMPRESSIONS = ("raw", "c23", "c40")
LAYOUT = Layout(
    "FaceForensics++",
    "original_sequences/youtube/{raw,c23,c40}/videos/NNN.mp4, "
    "manipulated_sequences/METHOD/{raw,c23,c40}/videos/TTT_SSS.mp4 and splits/{train,val,test}.json",
)
DFD_LAYOUT = Layout(
    ACTED,
    "original_sequences/actors/{raw,c23,c40}/videos/NN__SCENE.mp4 and "
    "manipulated_sequences/DeepFakeDetection/{raw,c23,c40}/videos/TT_SS__SCENE__CODE.mp4",
)

Pairs = Mapping[Split, Sequence[tuple[str, str]]]


def read_ffpp(root: Path, options: ReadOptions) -> Manifest:
    """FaceForensics++ with its official splits and each of the five methods that is there.

    ``options.methods`` selects others; DeepFakeDetection comes with its actors, split by identity as it has no
    official splits.
    """
    pairs = read_pairs(root)
    methods = options.methods or tuple(m for m in METHODS if (root / "manipulated_sequences" / m).is_dir())
    LAYOUT.check_methods(methods, (*METHODS, ACTED))
    if not methods:
        raise LAYOUT.fault(f"{root} lacks manipulated_sequences/{METHODS[0]} and every other method")
    if ACTED not in methods:
        check_official(options, "FaceForensics++ has published splits (all but DeepFakeDetection)")
    entries = []
    for compression in options.compressions:
        entries += reals_of(root, pairs, compression)
        for method in (name for name in methods if name != ACTED):
            entries += _fakes_of(root, pairs, method, compression)
    if ACTED in methods:
        entries += read_dfd(root, replace(options, methods=())).entries
    return Manifest(root, tuple(entries))


def read_faceshifter(root: Path, options: ReadOptions) -> Manifest:
    """FaceShifter with the reals and splits of FaceForensics++."""
    read = read_ffpp(root, replace(options, methods=("FaceShifter",)))
    return Manifest(root, tuple(replace(entry, dataset="faceshifter") for entry in read))


def read_pairs(root: Path) -> dict[Split, list[tuple[str, str]]]:
    """The official splits: lists of id pairs, from ``splits/`` or beside the two trees."""
    pairs: dict[Split, list[tuple[str, str]]] = {}
    LAYOUT.folder(root, "original_sequences")
    for split in SPLITS:
        path = LAYOUT.file(root, f"splits/{split}.json", f"{split}.json", f"dataset/splits/{split}.json")
        try:
            pairs[split] = [(f"{int(a):03d}", f"{int(b):03d}") for a, b in LAYOUT.json(path)]
        except (TypeError, ValueError):
            raise LAYOUT.fault(f'{path} is no list of id pairs such as [["071", "054"], ...]') from None
    return pairs


def reals_of(root: Path, pairs: Pairs, compression: str) -> list[Entry]:
    """The YouTube reals of all splits at one compression."""
    folder = _videos(LAYOUT, root, "original_sequences/youtube", compression)
    return [
        Entry(f"{folder}/{name}.mp4", 0, split, identity=name, dataset="ffpp", compression=compression)
        for split, both in pairs.items()
        for pair in both
        for name in pair
    ]


def _fakes_of(root: Path, pairs: Pairs, method: str, compression: str) -> list[Entry]:
    folder = _videos(LAYOUT, root, f"manipulated_sequences/{method}", compression)
    common = Entry("", 1, "test", method=method, dataset="ffpp", compression=compression)
    reals = f"original_sequences/youtube/{compression}/videos"
    return [
        replace(common, path=f"{folder}/{a}_{b}.mp4", split=split, identity=a, donor=b, source=f"{reals}/{a}.mp4")
        for split, both in pairs.items()
        for pair in both
        for a, b in (pair, pair[::-1])
    ]


def read_dfd(root: Path, options: ReadOptions) -> Manifest:
    """DeepFakeDetection: the actors and their forgeries, split by identity (or all in test)."""
    entries = []
    for compression in options.compressions:
        reals = _videos(DFD_LAYOUT, root, "original_sequences/actors", compression)
        fakes = _videos(DFD_LAYOUT, root, f"manipulated_sequences/{ACTED}", compression)
        known = set()
        for path in DFD_LAYOUT.videos(root / reals):
            actor, _, scene = path.stem.partition("__")
            if not (actor.isdigit() and scene):
                raise DFD_LAYOUT.fault(f"{path} is not named as an actor's video")
            known.add(below(root, path))
            entry = Entry(below(root, path), 0, "test", f"actor{actor}", dataset="dfd", compression=compression)
            entries.append(entry)
        for path in DFD_LAYOUT.videos(root / fakes):
            both, _, rest = path.stem.partition("__")
            target, _, donor = both.partition("_")
            if not (target.isdigit() and donor.isdigit() and rest):
                raise DFD_LAYOUT.fault(f"{path} is not named as a forgery of two actors")
            source = f"{reals}/{target}__{rest.rpartition('__')[0]}.mp4"
            entry = Entry(below(root, path), 1, "test", f"actor{target}", f"actor{donor}", ACTED, "dfd", compression)
            entries.append(replace(entry, source=source if source in known else ""))
    return Manifest(root, tuple(split_by_identity(entries, root, options)))


def _videos(layout: Layout, root: Path, folder: str, compression: str) -> str:
    """The folder of the videos at one compression, relative to the root."""
    if compression not in COMPRESSIONS:
        raise FacetellError(f"'{compression}' is not a compression: choose of {', '.join(COMPRESSIONS)}")
    return below(root, layout.folder(root, f"{folder}/{compression}/videos"))


BENCHMARKS = {
    "ffpp": Benchmark(
        "FaceForensics++: 1000 reals, five methods (and DeepFakeDetection), official splits",
        LAYOUT,
        read_ffpp,
        BY_IDENTITY | {"compressions", "methods"},
    ),
    "faceshifter": Benchmark(
        "FaceShifter: the fifth method of FaceForensics++ alone, with its reals",
        LAYOUT,
        read_faceshifter,
        frozenset({"compressions"}),
    ),
    "dfd": Benchmark(
        "DeepFakeDetection: 363 videos of 28 actors and their forgeries",
        DFD_LAYOUT,
        read_dfd,
        BY_IDENTITY | {"compressions"},
    ),
}
