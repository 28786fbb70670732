"""The arguments of the verbs that score videos: ``detect``, ``scan``, ``score`` and ``serve``."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from facetell.cli.arguments import add_model, count, positive, share
from facetell.detector import Settings
from facetell.engine import DEFAULT_MODEL, ENGINES


def add_detection(
    parser: argparse._ActionsContainer, model: str = DEFAULT_MODEL, engine: str = "--engine", *, threshold: bool = True
) -> None:
    """Add ``--model`` and what :func:`detection_settings` reads.

    Args:
        parser: of the verb.
        model: default of the verb.
        engine: name of the option for the engine of the model.
        threshold: whether the verb gives verdicts.
    """
    add_model(parser, model)
    parser.add_argument(
        "--fps-scored",
        type=positive,
        default=1.0,
        metavar="N",
        help="clips per second of each face (default: 1)",
    )
    parser.add_argument(
        "--max-clips",
        type=partial(count, least=0),
        metavar="N",
        help="clips scored per face at most, evenly spaced; 0: all (default: as the model states)",
    )
    parser.add_argument("--max-faces", type=count, default=8, metavar="N", help="faces followed at once (default: 8)")
    if threshold:
        parser.add_argument(
            "--threshold",
            type=share,
            metavar="P",
            help="minimum probability for forged, for any number of faces (default: the model's, corrected for it)",
        )
    parser.add_argument(engine, dest="inference", choices=list(ENGINES), default="openvino", help="what runs the model")
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
