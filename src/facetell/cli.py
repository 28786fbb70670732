"""The command line: find the verb, parse its arguments, call it, turn a known fault into one sentence.

A verb is a module of :mod:`facetell.commands` with ``add_arguments(parser)`` and ``run(args) -> int``. Modules are
imported only when their verb is called: ``facetell --help`` stays instant and no verb pays for another's imports.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

from facetell import __version__
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
    "datasets": "turn a benchmark on disk into a manifest, check it, or make a miniature of it",
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
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="facetell", description="Tell a forged face from a real one by how it moves.")
    parser.add_argument("--version", action="version", version=f"facetell {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    called = next((word for word in argv if word in VERBS), None)
    for name, summary in VERBS.items():
        verb = verbs.add_parser(name, help=summary, description=summary[0].upper() + summary[1:])
        if name == called:
            module = importlib.import_module(f"facetell.commands.{name}")
            module.add_arguments(verb)
            verb.set_defaults(run=module.run)
    args = parser.parse_args(argv)
    try:
        return int(args.run(args))
    except FacetellError as error:
        print(f"facetell {args.verb}: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        extra = EXTRAS.get((error.name or "").partition(".")[0])
        if extra is None:
            raise
        print(f"facetell {args.verb}: {needs_extra('this', extra)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"facetell {args.verb}: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
