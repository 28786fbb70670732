"""All benchmarks that can be read, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from facetell.datasets.ffpp import DFD_LAYOUT, read_dfd, read_faceshifter, read_ffpp
from facetell.datasets.ffpp import LAYOUT as FFPP_LAYOUT
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
