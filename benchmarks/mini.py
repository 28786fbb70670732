"""Run a benchmark from its folder on disk to its tables, on miniatures, with the commands that a user gives.

    python benchmarks/mini.py [--out DIR]

Miniatures of FaceForensics++, DeeperForensics-1.0 and Celeb-DF v2 are made from the two sample clips
(``tests/mimic``), read into manifests, checked, prepared, scored with the released model, and evaluated within and
across datasets and under distortions, those of time among them. The figures are meaningless: a few videos of two
people, forged by this package's own code. They show that every command runs on the layout of a benchmark; with a real
benchmark in place of a miniature, the same commands measure it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from mimic.make import make_miniature

NOTICE = (
    "These figures are meaningless: they rest on a few two-second videos of two people, forged by facetell itself. "
    "They show that every command runs, from a benchmark on disk to its tables."
)
NAMES = ("ffpp", "dfo", "celebdf2")
SECONDS = 2.0  # of each video


class Commands:
    """Runs commands of ``facetell`` in a folder, one after the other, and records their times."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.times: dict[str, float] = {}

    def __call__(self, *words: str) -> None:
        print(f"\n$ facetell {' '.join(words)}", flush=True)
        start = time.perf_counter()
        done = subprocess.run([Path(sys.executable).with_name("facetell"), *words], cwd=self.folder, check=False)
        self.times[words[0]] = self.times.get(words[0], 0.0) + time.perf_counter() - start
        if done.returncode not in (0, 2):  # 2: some videos of a miniature are too short
            raise SystemExit(f"facetell {words[0]} ended with exit code {done.returncode}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("out/bench-mini"), metavar="DIR", help="replaced if it exists")
    args = parser.parse_args()
    shutil.rmtree(args.out, ignore_errors=True)
    args.out.mkdir(parents=True)
    facetell = Commands(args.out)

    for name in NAMES:
        print(f"making {args.out / name}", flush=True)
        make_miniature(name, args.out / name, SECONDS)
    facetell("datasets", "read", "ffpp", "ffpp", "--compression", "c23", "--out", "ffpp.csv")
    facetell("datasets", "read", "dfo", "dfo", "--ffpp", "ffpp", "--out", "dfo.csv")
    facetell("datasets", "read", "celebdf2", "celebdf2", "--out", "celebdf2.csv")
    workers = ["--workers", str(os.cpu_count() or 1)]
    for name in NAMES:
        facetell("datasets", "check", f"{name}.csv")
        facetell("score", f"{name}.csv", "--split", "test", "--out", f"{name}.parquet", *workers)
        facetell("prepare", f"{name}.csv", "--out", f"{name}-faces", *workers)
    kinds = ["--distort", "all", "DROP", "FREEZE", "FPS"]
    facetell("score", "dfo.csv", *kinds, "--out", "distorted.parquet", *workers)

    tables = ["--out", "tables"]
    facetell("evaluate", "ffpp.parquet", "--protocol", "within", *tables)
    facetell("evaluate", *(f"{name}.parquet" for name in NAMES), "--protocol", "cross", *tables)
    facetell("evaluate", "distorted.parquet", "--protocol", "distortion", *tables)

    print(f"\n{'verb':10} seconds")
    for verb, seconds in facetell.times.items():
        print(f"{verb:10} {seconds:7.1f}")
    print(f"{'in all':10} {sum(facetell.times.values()):7.1f}\n\n{NOTICE}")
    print(f"The pages: {', '.join(str(page) for page in sorted((args.out / 'tables').glob('*.html')))}")


if __name__ == "__main__":
    main()
