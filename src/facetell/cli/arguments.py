"""Arguments that several verbs share; each type refuses what it cannot take in one message."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from facetell.engine.released import released_models
from facetell.report.words import one_line
from facetell.types import FacetellError
from facetell.video.find import LeftOut


def positive(text: str, most: float = 100) -> float:
    """A number above 0 and up to ``most``."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value <= most:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0 and up to {most:g}")
    return value


def add_fps(parser: argparse.ArgumentParser) -> None:
    """Add ``--fps``, the frame rate of folders of images."""
    parser.add_argument(
        "--fps",
        type=partial(positive, most=1000),
        metavar="N",
        help="frame rate of folders of images, which states that they are consecutive frames (default: 25, checked)",
    )


def add_model(parser: argparse._ActionsContainer, default: str) -> None:
    """Add ``--model``, a name or a path as text: ``./facetell-fast`` is a file, ``facetell-fast`` is not."""
    parser.add_argument(
        "--model",
        default=default,
        metavar="NAME|FILE",
        help=f"a released model ({', '.join(released_models())}) or an .onnx file (default: {default})",
    )


def share(text: str) -> float:
    """A probability."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a probability between 0 and 1")
    return value


def count(text: str, least: int = 1) -> int:
    """A whole number of at least ``least``."""
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least {least}")
    return int(text)


def print_left_out(verb: str, left_out: LeftOut) -> None:
    """Print to stderr which arguments gave no video, and how many files of folders are no videos."""
    for message in (*left_out.faults, *([f"left out: {left_out}"] if left_out else [])):
        print(one_line(f"facetell {verb}: {message}"), file=sys.stderr)


def check_model_name(path: Path) -> None:
    """The name of a model file to write.

    Raises:
        FacetellError: it does not end in .onnx.
    """
    if path.suffix != ".onnx":
        raise FacetellError(f"{path} does not end in .onnx; engines know a model file by that")


def check_seed(seed: int) -> None:
    """A seed of chance.

    Raises:
        FacetellError: it is negative.
    """
    if seed < 0:
        raise FacetellError("--seed is a whole number, 0 or more")
