"""``facetell datasets``: list benchmarks, write and check manifests."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from facetell.cli.arguments import count, output
from facetell.cli.progress import Bar
from facetell.datasets.layout import Benchmark, ReadOptions
from facetell.datasets.manifest import SPLITS, Manifest, read_manifest, write_manifest
from facetell.datasets.readers import BENCHMARKS, benchmark, read_benchmark
from facetell.files import check_all_writable
from facetell.types import FacetellError

SHOWN = 5  # findings of a kind that are printed
# The flags of `read` by the field of ReadOptions that they set, and how they are parsed.
FLAGS = {
    "compressions": ("--compression", {"nargs": "+", "metavar": "C", "help": "raw, c23, c40"}),
    "methods": ("--methods", {"nargs": "+", "metavar": "M", "help": "only these, by the names of their folders"}),
    "protocol": ("--protocol", {"choices": ("A", "B", "lists"), "help": "of dfo (default: A)"}),
    "ffpp": ("--ffpp", {"type": Path, "metavar": "ROOT", "help": "FaceForensics++, for its reals"}),
    "val": ("--val", {"type": float, "metavar": "SHARE", "help": "of the training identities, for val"}),
    "all_test": ("--all-test", {"action": "store_true", "help": "put every video into test"}),
    "seed": ("--seed", {"type": partial(count, least=0), "metavar": "N", "help": "of a split (default: 0)"}),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="the benchmarks that can be read, and the files of each")
    add = (read := actions.add_parser("read", help="write the manifest of a benchmark on disk")).add_argument
    add("name", metavar="NAME", help="name of the benchmark, as in `facetell datasets list`")
    add("root", type=Path, metavar="ROOT", help="its folder")
    add("--out", type=Path, required=True, metavar="FILE", help="the manifest, a CSV file")
    for field, (flag, how) in FLAGS.items():
        read.add_argument(flag, dest=field, default=argparse.SUPPRESS, **how)  # type: ignore[arg-type]
    add = actions.add_parser("export", help="write a manifest as the list of frames of another toolkit").add_argument
    add("manifest", type=Path, metavar="MANIFEST", help="of folders of images, or a prepared folder")
    text = "the list of DeepfakeBench, in a folder above the frames; those of prepared clips are written there"
    add("--deepfakebench", type=partial(output, suffixes=(".json",)), required=True, metavar="NAME.json", help=text)
    check = actions.add_parser("check", help="count the videos of a manifest, find missing files and leaks")
    check.add_argument("manifest", type=Path, metavar="MANIFEST", help="a CSV file, or a folder with manifest.csv")
    add = check.add_mutually_exclusive_group().add_argument
    add("--fast", action="store_true", help="do not open the videos: no near-duplicate search")
    text = "write a manifest without leaking videos (those of train are left out before val, val before test)"
    add("--without-leaks", type=Path, metavar="FILE", help=text)


def run(args: argparse.Namespace) -> int:
    """Run the action of the command; 0 when done, 2 where a check finds a leak or a missing file."""
    return {"list": _list, "read": _read, "export": _export, "check": _check}[args.action](args)


def _list(args: argparse.Namespace) -> int:
    for name, known in BENCHMARKS.items():
        print(f"{name}\n    {known.about}\n    holds {known.tree}\n    takes {_flags_of(known)}\n")
    return 0


def _read(args: argparse.Namespace) -> int:
    known = benchmark(args.name)
    given = {field: getattr(args, field) for field in FLAGS if field in args}
    if refused := [FLAGS[field][0] for field in given if field not in known.options]:
        raise FacetellError(f"{args.name} does not take {refused[0]}; it takes {_flags_of(known)}")
    for field in ("compressions", "methods"):
        if field in given:
            given[field] = tuple(dict.fromkeys(given[field]))  # without repeats
    options = ReadOptions(**given, note=lambda text: print(f"note: {text}", file=sys.stderr))
    manifest = read_benchmark(args.name, args.root, options)
    write_manifest(manifest, args.out)
    _print_counts(manifest)
    print(f"{args.out}: {len(manifest)} videos")
    return 0


def _export(args: argparse.Namespace) -> int:
    from facetell.datasets.deepfakebench import write_deepfakebench

    check_all_writable([out := args.deepfakebench])
    with Bar("exporting") as bar:
        classes = write_deepfakebench(read_manifest(args.manifest), out, lambda share: bar.update(share, 1))
    print(f"{out}: for its loader, set test_dataset: [{out.stem}], rgb_dir: {out.parent} and label_dict: {classes}")
    return 0


def _flags_of(known: Benchmark) -> str:
    return ", ".join(flag for field, (flag, _) in FLAGS.items() if field in known.options) or "no option"


def _print_counts(manifest: Manifest) -> None:
    """Print the number of videos by method and split, as a table."""
    table = Table("method", *SPLITS, box=None, pad_edge=False)
    counts = Counter((entry.split, entry.method, entry.label) for entry in manifest)
    names = {0: "real", 1: "forged", None: "not known"}
    rows = {(method, label) for _, method, label in counts}
    for method, label in sorted(rows, key=lambda row: (-1 if row[1] is None else row[1], row[0])):
        table.add_row(method or names[label], *(str(counts[split, method, label]) for split in SPLITS))
    Console().print(table)


def _check(args: argparse.Namespace) -> int:
    from facetell.datasets.check import KINDS, check_manifest, without_leaks

    check_all_writable([args.without_leaks] if args.without_leaks else [])
    manifest = read_manifest(args.manifest)
    _print_counts(manifest)
    with Bar("reading the videos") as bar:
        found = check_manifest(manifest, fast=args.fast, progress=lambda share: bar.update(share, 1))
    _print_findings("missing", found.missing)
    _print_findings("unreadable", found.unreadable)
    for kind, meaning in KINDS.items():
        leaks = [leak for leak in found.leaks if leak.kind == kind]
        lines = [f"{leak.what}: " + ", ".join(f"{split} {path}" for split, path in leak.example) for leak in leaks]
        _print_findings(f"leak ({meaning})", lines)
    if out := args.without_leaks:
        kept = without_leaks(manifest)
        write_manifest(kept, out)
        print(f"{out}: {len(kept)} videos, {len(manifest) - len(kept)} left out")
    if not (found.missing or found.unreadable or found.leaks):
        print(f"{len(manifest)} videos: no missing file, no leak" + " (videos not opened)" * args.fast)
        return 0
    return 2


def _print_findings(what: str, lines: Sequence[str]) -> None:
    if lines:
        more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
        print("\n  ".join([f"{what}: {len(lines)}", *lines[:SHOWN], *more]))
