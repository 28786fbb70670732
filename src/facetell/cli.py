"""The command line: find the verb, parse its arguments, call it, turn a known fault into one sentence.

A verb is a module of :mod:`facetell.commands` with ``add_arguments(parser)`` and ``run(args) -> int``. Modules are
imported only when their verb is called: ``facetell --help`` stays instant and no verb pays for another's imports.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from facetell import __version__
from facetell.report.words import one_line
from facetell.types import FacetellError, needs_extra

VERBS: dict[str, str] = {
    "detect": "score videos: is a face in them forged?",
    "scan": "score a corpus: any number of videos, each once, resumable",
    "watch": "score a camera, a stream or a file while it plays",
    "doctor": "show what is installed and what is missing",
    "distort": "make distorted copies of videos, to test detectors",
    "forge": "make a forgery from a real video, to train or test detectors",
    "models": "list the networks that can be trained, and how large they are",
    "export": "write a trained network as a model file, and prove it",
    "fuse": "make trained networks the streams of one: for pictures, for motion",
    "datasets": "turn a benchmark on disk into a manifest, or check one",
    "prepare": "cut the faces out of the videos of a manifest, once",
    "score": "score the videos of a manifest into a score file",
    "evaluate": "tables, curves and a page from score files, under a published protocol",
    "compare": "is one model better than another, by how much, and is that sure?",
    "train": "train a network from a configuration file",
    "sweep": "train and compare a grid of configurations",
    "serve": "a page and an API: upload videos, read their reports",
    "motion": "draw the motion of a face, and what the network sees of it",
}

# Packages that come with an extra only, and its name: whichever verb misses one, the sentence is the same.
EXTRAS = {
    "fastapi": "serve",
    "lightning": "train",
    "lightning_fabric": "train",
    "onnx": "train",
    "onnxruntime": "train",
    "onnxscript": "train",
    "prometheus_client": "serve",
    "pyarrow": "bench",
    "python_multipart": "serve",
    "ray": "ray",
    "scipy": "bench",
    "tensorboard": "train",
    "torch": "train",
    "uvicorn": "serve",
    "yaml": "train",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit code: 0 done, 2 not (or not wholly) done, 130 interrupted."""
    _settle_streams()
    argv = list(sys.argv[1:] if argv is None else argv)
    called = next((word for word in argv if word in VERBS), None)
    told = f"facetell {called}" if called else "facetell"
    try:
        try:
            return _run(argv, called)
        finally:
            sys.stdout.flush()
    except FacetellError as error:
        print(f"{told}: {one_line(str(error))}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        print(f"{told}: {needs_extra('this', extra)}", file=sys.stderr)
        return 2
    except ImportError as error:
        if (error.name or "").startswith("facetell"):
            raise
        remark = one_line(str(error))
        print(f"{told}: a library cannot be loaded ({remark}); `facetell doctor` says which", file=sys.stderr)
        return 2
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EPIPE):
            raise
        _drop_output()
        print(f"{told}: cannot write its output: {error.strerror}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{told}: interrupted", file=sys.stderr)
        return 130


def _run(argv: Sequence[str], called: str | None) -> int:
    parser = argparse.ArgumentParser(prog="facetell", description="Tell a forged face from a real one by how it moves.")
    parser.add_argument("--version", action="version", version=f"facetell {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, summary in VERBS.items():
        verb = verbs.add_parser(name, help=summary, description=summary[0].upper() + summary[1:])
        if name == called:
            module = importlib.import_module(f"facetell.commands.{name}")
            module.add_arguments(verb)
            verb.set_defaults(run=module.run)
    args = parser.parse_args(argv)
    return int(args.run(args))


def _settle_streams() -> None:
    """Make sure that both streams are there and take any text: a name or a sign may not fit their encoding."""
    # One that was closed is None.
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115  # open to the end
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """Throw away what standard output does not take: Python would try once more, at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    raise SystemExit(main())
