"""Arguments that several verbs share, each written once, and the types that check their values."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from facetell.detector import Settings
from facetell.engine import DEFAULT_MODEL, ENGINES
from facetell.engine.engines import DEVICES, released_models
from facetell.report.words import one_line
from facetell.types import Status
from facetell.video.find import LeftOut, find_videos


def number(text: str, most: float = 100, least: float = 0.001) -> float:
    """A number from ``least`` to ``most``."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number from {least:g} to {most:g}")
    return value


share = partial(number, most=1, least=0)


def count(text: str, least: int = 1) -> int:
    """A whole number of at least ``least``."""
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least {least}")
    return int(text)


def output(text: str, *, suffixes: tuple[str, ...]) -> Path:
    """The name of a file to write, which has one of the suffixes."""
    if Path(text).suffix.lower() not in suffixes:
        raise argparse.ArgumentTypeError(f"cannot write {text}: its name would end in {suffixes[0]}")
    return Path(text)


onnx_file = partial(output, suffixes=(".onnx",))


def add_fps(parser: argparse.ArgumentParser) -> None:
    """Add ``--fps``, the frame rate of folders of images."""
    text = "frame rate of folders of images, which states that they are consecutive frames (default: 25, checked)"
    parser.add_argument("--fps", type=partial(number, most=1000), metavar="N", help=text)


def add_model(parser: argparse._ActionsContainer, default: str) -> None:
    """Add ``--model``, a name or a path as text: ``./facetell-fast`` is a file, ``facetell-fast`` is not."""
    kinds = f"a released model ({', '.join(released_models())}), an .onnx file, or a Python function, MODULE:FUNCTION"
    parser.add_argument("--model", default=default, metavar="MODEL", help=f"{kinds} (default: {default})")


def add_detection(parser: argparse._ActionsContainer, *, threshold: bool = True) -> None:
    """Add ``--model`` and what :func:`detection_settings` reads; ``threshold``: whether the verb gives verdicts."""
    add_model(parser, DEFAULT_MODEL)
    add = parser.add_argument
    rate = ("--clips-per-second", "--fps-scored")  # the second is the name of 0.1.0
    add(*rate, type=number, default=1.0, metavar="N", help="clips of each face that are scored (default: 1)")
    most = "maximum number of scored clips per face, evenly spaced; 0: all (default: as the model file states)"
    add("--max-clips", type=partial(count, least=0), metavar="N", help=most)
    add("--max-faces", type=count, default=8, metavar="N", help="faces tracked at once (default: 8)")
    if threshold:
        least = 'minimum probability for "forged" (the interval must also be at or above 50 %%, or P if lower)'
        least += " (default: the model's, which rises with the number of faces)"
        add("--threshold", type=share, metavar="P", help=least)
    add("--engine", choices=list(ENGINES), help="runs the model (default: openvino, on cuda onnxruntime)")
    add("--device", choices=list(DEVICES), default="cpu", help="runs the model; cuda: an NVIDIA GPU (default: cpu)")
    add("--precision", choices=["f32", "bf16"], help="arithmetic of openvino (default: the fastest)")


def detection_settings(args: argparse.Namespace, **more: Any) -> Settings:
    """The settings that the arguments of :func:`add_detection` give, and ``more`` of them."""
    names = ("clips_per_second", "max_clips", "max_faces", "engine", "device", "precision")
    return Settings(**{name: getattr(args, name) for name in names}, **more)


def print_error(verb: str, message: str) -> None:
    """Print a message to standard error, on one line."""
    print(one_line(f"facetell {verb}: {message}"), file=sys.stderr)


def find(verb: str, arguments: Sequence[str]) -> tuple[list[Path], bool]:
    """The videos that are named, and whether all arguments gave one; prints what did not, and what was left out."""
    left_out = LeftOut()
    paths = find_videos(arguments, left_out)
    for message in (*left_out.faults, *([f"left out: {left_out}"] if left_out else [])):
        print_error(verb, message)
    return paths, not left_out.faults


def summary(statuses: Counter[str], scored: str = "") -> str:
    """How many videos were scored, which is specified by ``scored``, and why others were not."""
    reasons = [f"{status.replace('_', ' ')} {n}" for status, n in sorted(statuses.items()) if status != Status.SCORED]
    done, total = statuses[Status.SCORED], statuses.total()
    text = f"{total} video{'s' * (total != 1)}: {done} scored" + (f" ({scored})" if scored else "")
    return f"{text}, {total - done} not" + (f" ({', '.join(reasons)})" if reasons else "")
