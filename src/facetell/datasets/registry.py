"""All benchmarks that can be read, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from facetell.datasets.celebdf import LAYOUT as CELEB_LAYOUT
from facetell.datasets.celebdf import PLUS_LAYOUT, read_celebdf1, read_celebdf2, read_celebdfpp
from facetell.datasets.deepfakebench import LAYOUT as BENCH_LAYOUT
from facetell.datasets.deepfakebench import read_deepfakebench
from facetell.datasets.dfdc import LAYOUT as DFDC_LAYOUT
from facetell.datasets.dfdc import PREVIEW_LAYOUT, read_dfdc, read_dfdcp
from facetell.datasets.dfo import LAYOUT as DFO_LAYOUT
from facetell.datasets.dfo import read_dfo
from facetell.datasets.ffpp import DFD_LAYOUT, read_dfd, read_faceshifter, read_ffpp
from facetell.datasets.ffpp import LAYOUT as FFPP_LAYOUT
from facetell.datasets.folders import (
    CSV_LAYOUT,
    FFIW_LAYOUT,
    PAIR_LAYOUT,
    WILD_LAYOUT,
    read_csv,
    read_ffiw,
    read_pair,
    read_wilddeepfake,
)
from facetell.datasets.layout import Layout, ReadOptions
from facetell.datasets.manifest import Manifest
from facetell.types import FacetellError

Reader = Callable[[Path, ReadOptions], Manifest]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One benchmark.

    Attributes:
        about: what it is, in a few words.
        layout: what must lie under its root.
        read: its reader.
        options: fields of :class:`ReadOptions` that it takes.
    """

    about: str
    layout: Layout
    read: Reader
    options: frozenset[str] = frozenset()


_BY_IDENTITY = frozenset({"all_test", "seed", "split_file"})
_CARVED = frozenset({"val", "seed", "split_file"})

BENCHMARKS: dict[str, Benchmark] = {
    "ffpp": Benchmark(
        "FaceForensics++: 1000 reals, five methods (and DeepFakeDetection), official splits",
        FFPP_LAYOUT,
        read_ffpp,
        frozenset({"compressions", "methods"}) | _BY_IDENTITY,
    ),
    "faceshifter": Benchmark(
        "FaceShifter: the fifth method of FaceForensics++ alone, with its reals",
        FFPP_LAYOUT,
        read_faceshifter,
        frozenset({"compressions"}),
    ),
    "dfd": Benchmark(
        "DeepFakeDetection: 363 videos of 28 actors and their forgeries",
        DFD_LAYOUT,
        read_dfd,
        frozenset({"compressions"}) | _BY_IDENTITY,
    ),
    "dfo": Benchmark(
        "DeeperForensics-1.0: 1000 end-to-end swaps, clean and distorted; protocols A, B and its own lists",
        DFO_LAYOUT,
        read_dfo,
        frozenset({"methods", "protocol", "ffpp"}) | _BY_IDENTITY,
    ),
    "celebdf1": Benchmark("Celeb-DF v1", CELEB_LAYOUT, read_celebdf1, _CARVED),
    "celebdf2": Benchmark(
        "Celeb-DF v2: 590 + 300 reals, 5639 swaps, 518 for testing", CELEB_LAYOUT, read_celebdf2, _CARVED
    ),
    "celebdf++": Benchmark(
        "Celeb-DF++: the reals of v2 and 22 methods", PLUS_LAYOUT, read_celebdfpp, frozenset({"methods"}) | _CARVED
    ),
    "dfdc": Benchmark("the Deepfake Detection Challenge: training parts and test set", DFDC_LAYOUT, read_dfdc, _CARVED),
    "dfdcp": Benchmark("the preview of the Deepfake Detection Challenge", PREVIEW_LAYOUT, read_dfdcp, _CARVED),
    "wilddeepfake": Benchmark(
        "WildDeepfake: faces from the web as folders of pictures", WILD_LAYOUT, read_wilddeepfake, _CARVED
    ),
    "ffiw": Benchmark("Face Forensics in the Wild: several people in a picture", FFIW_LAYOUT, read_ffiw, _CARVED),
    "deepfakebench": Benchmark(
        "a JSON file of DeepfakeBench or DF40", BENCH_LAYOUT, read_deepfakebench, frozenset({"compressions", "methods"})
    ),
    "pair": Benchmark("any two folders real/ and fake/", PAIR_LAYOUT, read_pair, _BY_IDENTITY),
    "csv": Benchmark("a manifest that is there already", CSV_LAYOUT, read_csv),
}


def benchmark(name: str) -> Benchmark:
    """The benchmark of a name.

    Raises:
        FacetellError: none has it.
    """
    if name not in BENCHMARKS:
        raise FacetellError(f"'{name}' is not a benchmark that can be read; choose one of {', '.join(BENCHMARKS)}")
    return BENCHMARKS[name]


def read_benchmark(name: str, root: Path, options: ReadOptions | None = None) -> Manifest:
    """The manifest of a benchmark on disk; paths are relative to ``root``.

    Raises:
        FacetellError: no such benchmark, or its layout is another one.
    """
    return benchmark(name).read(root, options or ReadOptions())
