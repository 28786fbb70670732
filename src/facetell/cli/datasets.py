"""``facetell datasets``: list benchmarks, write and check manifests, list the sources of their videos."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from facetell.datasets.layout import ReadOptions
from facetell.datasets.manifest import SPLITS, Manifest, read_manifest, write_manifest
from facetell.datasets.registry import BENCHMARKS, benchmark
from facetell.datasets.sources import write_sources
from facetell.types import FacetellError

SHOWN = 5  # findings of a kind that are printed
# Flags of `read` by the field of ReadOptions that they set.
FLAGS = {
    "compressions": "--compression",
    "methods": "--methods",
    "protocol": "--protocol",
    "ffpp": "--ffpp",
    "val": "--val",
    "all_test": "--all-test",
    "seed": "--seed",
    "split_file": "--split-file",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the verb's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="the benchmarks that can be read, and how each lies on disk")
    _add_read(actions.add_parser("read", help="write the manifest of a benchmark on disk"))
    check = actions.add_parser("check", help="count a manifest's videos, look for missing files and leaks")
    check.add_argument("manifest", type=Path, metavar="MANIFEST", help="a CSV file, or a folder with manifest.csv")
    how = check.add_mutually_exclusive_group()
    how.add_argument("--fast", action="store_true", help="do not open the videos: no search for near-duplicates")
    how.add_argument(
        "--without-leaks",
        type=Path,
        metavar="FILE",
        help="write a manifest without the videos that leak (training videos go before val, val before test)",
    )
    how.add_argument(
        "--unseen",
        type=Path,
        metavar="FILE",
        help="write a manifest without the videos of val and test that leak: what training on all of train left unseen",
    )
    sources = actions.add_parser("sources", help="list where a manifest's videos were published, with their licences")
    sources.add_argument("manifest", type=Path, metavar="MANIFEST", help="a CSV file, or a folder with manifest.csv")
    sources.add_argument("--out", type=Path, required=True, metavar="FILE", help="the list, a CSV file")


def _add_read(read: argparse.ArgumentParser) -> None:
    read.add_argument("name", metavar="NAME", help="name of the benchmark, as in `facetell datasets list`")
    read.add_argument("root", type=Path, metavar="ROOT", help="where it lies; of csv and deepfakebench the file")
    read.add_argument("--out", type=Path, required=True, metavar="FILE", help="the manifest, a CSV file")
    default = argparse.SUPPRESS  # only what is given reaches the reader
    read.add_argument(
        FLAGS["compressions"], dest="compressions", nargs="+", default=default, metavar="C", help="raw, c23, c40"
    )
    read.add_argument(FLAGS["methods"], nargs="+", default=default, metavar="M", help="these only, by their folders")
    read.add_argument(FLAGS["protocol"], choices=("A", "B", "lists"), default=default, help="of dfo (default: A)")
    read.add_argument(FLAGS["ffpp"], type=Path, default=default, metavar="ROOT", help="FaceForensics++, for its reals")
    read.add_argument(
        FLAGS["val"], type=float, default=default, metavar="SHARE", help="of the training identities, for val"
    )
    read.add_argument(FLAGS["all_test"], action="store_true", default=default, help="take every video for testing")
    read.add_argument(FLAGS["seed"], type=int, default=default, metavar="N", help="of a split by identity (default: 0)")
    read.add_argument(
        FLAGS["split_file"], type=Path, default=default, metavar="FILE", help="where a split by identity is kept"
    )


def run(args: argparse.Namespace) -> int:
    """Run the action of the command; 0 when done, 2 where a check finds a leak or a missing file."""
    actions = {"list": _list, "read": _read, "check": _check, "sources": _sources}
    return actions[args.action](args)


def _list(args: argparse.Namespace) -> int:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, known in BENCHMARKS.items():
        flags = " ".join(flag for field, flag in FLAGS.items() if field in known.options)
        lines = [known.about, f"holds {known.layout.tree}", *([f"takes {flags}"] if flags else []), ""]
        table.add_row(name, Text("\n".join(lines)))
    Console().print(table)
    return 0


def _read(args: argparse.Namespace) -> int:
    known = benchmark(args.name)
    given = {field: getattr(args, field) for field in FLAGS if field in args}
    refused = [FLAGS[field] for field in given if field not in known.options]
    if refused:
        takes = ", ".join(flag for field, flag in FLAGS.items() if field in known.options) or "no option"
        raise FacetellError(f"{args.name} does not take {refused[0]}; it takes {takes}")
    for field in ("compressions", "methods"):
        if field in given:
            given[field] = tuple(dict.fromkeys(given[field]))  # each once
    options = ReadOptions(**given, note=lambda text: print(f"note: {text}", file=sys.stderr))
    manifest = known.read(args.root, options)
    write_manifest(manifest, args.out)
    print_counts(manifest)
    print(f"{args.out}: {len(manifest)} videos")
    return 0


def print_counts(manifest: Manifest) -> None:
    """The number of videos by method and split, as a table."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("method")
    for split in SPLITS:
        table.add_column(split, justify="right")
    counts = manifest.counts()
    rows = sorted({(label if label is not None else -1, method) for _, method, label in counts})
    for label, method in rows:
        names = {0: "real", 1: "forged", -1: "not known"}
        shown = method or names[label]
        table.add_row(shown, *(str(counts[split, method, None if label < 0 else label]) for split in SPLITS))
    Console().print(table)


def _check(args: argparse.Namespace) -> int:
    from facetell.datasets.check import KINDS, check_manifest, unseen, without_leaks

    manifest = read_manifest(args.manifest)
    print_counts(manifest)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("looking at the videos", total=1.0)
        found = check_manifest(manifest, fast=args.fast, progress=lambda share: progress.update(task, completed=share))
    _tell("missing", list(found.missing))
    _tell("unreadable", [reason for _, reason in found.unreadable])
    for kind, meaning in KINDS.items():
        leaks = [leak for leak in found.leaks if leak.kind == kind]
        told = [f"{leak.what}: " + ", ".join(f"{split} {path}" for split, path in leak.example) for leak in leaks]
        _tell(f"leak ({meaning})", told)
    for out, leave_out in ((args.without_leaks, without_leaks), (args.unseen, unseen)):
        if out:
            kept = leave_out(manifest)
            write_manifest(kept, out)
            print(f"{out}: {len(kept)} videos, {len(manifest) - len(kept)} left out")
    if found.sound:
        print(f"{len(manifest)} videos: no missing file, no leak" + " (not looked at)" * args.fast)
        return 0
    return 2


def _sources(args: argparse.Namespace) -> int:
    print(f"{args.out}: {write_sources(args.manifest, args.out)} sources")
    return 0


def _tell(what: str, lines: list[str]) -> None:
    """A heading with the number, and the first few."""
    if lines:
        print(f"{what}: {len(lines)}")
        for line in lines[:SHOWN]:
            print(f"  {line}")
        if len(lines) > SHOWN:
            print(f"  and {len(lines) - SHOWN} more")
