"""All benchmarks that can be read, by name. To add one, write its reader in a file of its own and add a line here."""

from __future__ import annotations

from pathlib import Path

from facetell.datasets import celebdf, deepfakebench, dfdc, dfo, ffpp, folders
from facetell.datasets.layout import Benchmark, ReadOptions
from facetell.datasets.manifest import Manifest
from facetell.types import FacetellError

BENCHMARKS: dict[str, Benchmark] = {
    **ffpp.BENCHMARKS,
    **dfo.BENCHMARKS,
    **celebdf.BENCHMARKS,
    **dfdc.BENCHMARKS,
    **deepfakebench.BENCHMARKS,
    **folders.BENCHMARKS,
}


def benchmark(name: str) -> Benchmark:
    """The benchmark of a name.

    Raises:
        FacetellError: there is none.
    """
    if name not in BENCHMARKS:
        raise FacetellError(f"'{name}' is not a benchmark that can be read; choose one of {', '.join(BENCHMARKS)}")
    return BENCHMARKS[name]


def read_benchmark(name: str, root: Path, options: ReadOptions | None = None) -> Manifest:
    """The manifest of a benchmark on disk, with paths relative to ``root``.

    Raises:
        FacetellError: no such benchmark, or its files are not as expected.
    """
    return benchmark(name).read(root, options or ReadOptions())
