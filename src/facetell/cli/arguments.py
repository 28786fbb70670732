"""Arguments that several verbs share, each written once, and the types that check their values."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path
from typing import Any

from facetell.detector import Settings
from facetell.engine import DEFAULT_MODEL, ENGINES
from facetell.engine.engines import released_models
from facetell.report.words import one_line
from facetell.types import FacetellError
from facetell.video.find import LeftOut


def positive(text: str, most: float = 100) -> float:
    """A number above 0 and up to ``most``."""
    value = _number(text)
    if not 0 < value <= most:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number above 0 and up to {most:g}")
    return value


def share(text: str) -> float:
    """A probability."""
    value = _number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a probability between 0 and 1")
    return value


def count(text: str, least: int = 1) -> int:
    """A whole number of at least ``least``."""
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number of at least {least}")
    return int(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


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
    kinds = (
        f"a released model ({', '.join(released_models())}), or an .onnx file, or a Python function, MODULE:FUNCTION"
    )
    parser.add_argument("--model", default=default, metavar="MODEL", help=f"{kinds} (default: {default})")


def add_detection(
    parser: argparse._ActionsContainer, model: str = DEFAULT_MODEL, engine: str = "--engine", *, threshold: bool = True
) -> None:
    """Add ``--model`` and the arguments that :func:`detection_settings` reads.

    ``engine`` is the name of the option for what runs the model, ``threshold`` whether the verb gives verdicts.
    """
    add_model(parser, model)
    parser.add_argument(
        "--fps-scored", type=positive, default=1.0, metavar="N", help="clips per second of each face (default: 1)"
    )
    parser.add_argument(
        "--max-clips",
        type=partial(count, least=0),
        metavar="N",
        help="maximum number of scored clips per face, evenly spaced; 0: all (default: as the model file states)",
    )
    parser.add_argument("--max-faces", type=count, default=8, metavar="N", help="faces tracked at once (default: 8)")
    if threshold:
        parser.add_argument(
            "--threshold",
            type=share,
            metavar="P",
            help='minimum probability for "forged" (the interval must also lie above 50 %%), for any number of faces '
            "(default: the model's, which is corrected for their number)",
        )
    parser.add_argument(engine, dest="inference", choices=list(ENGINES), default="openvino", help="runs the model")
    parser.add_argument("--precision", choices=["f32", "bf16"], help="arithmetic of openvino (default: the fastest)")


def detection_settings(args: argparse.Namespace, **more: Any) -> Settings:
    """The settings that the arguments of :func:`add_detection` give, and ``more`` of them."""
    return Settings(
        clips_per_second=args.fps_scored,
        max_clips=args.max_clips,
        max_faces=args.max_faces,
        engine=args.inference,
        precision=args.precision,
        **more,
    )


def print_error(verb: str, message: str) -> None:
    """Print a message to standard error, on one line."""
    print(one_line(f"facetell {verb}: {message}"), file=sys.stderr)


def print_left_out(verb: str, left_out: LeftOut) -> None:
    """Print which arguments gave no video, and how many files of folders are not videos."""
    for message in (*left_out.faults, *([f"left out: {left_out}"] if left_out else [])):
        print_error(verb, message)


def check_suffix(path: Path | None, *suffixes: str) -> None:
    """Check the name of a file to write, if there is one: it has one of the suffixes, or none.

    Raises:
        FacetellError: it has another suffix.
    """
    if path and path.suffix and path.suffix.lower() not in suffixes:
        raise FacetellError(f"cannot write {path}: its name would end in {suffixes[0]}; choose another name")


def check_model_name(path: Path) -> None:
    """Check the name of a model file to write.

    Raises:
        FacetellError: it does not end in .onnx.
    """
    if path.suffix != ".onnx":
        raise FacetellError(f"{path} does not end in .onnx; engines recognise a model file by it")


def check_seed(seed: int) -> None:
    """Check a random seed.

    Raises:
        FacetellError: it is negative.
    """
    if seed < 0:
        raise FacetellError("--seed is a whole number, 0 or more")
