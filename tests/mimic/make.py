"""Miniatures of benchmarks: their folders, names and lists, with a few short videos made from the sample clips."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mimic.celebdf import mimic_celebdf, mimic_celebdfpp
from mimic.dfo import mimic_dfo
from mimic.ffpp import mimic_faceshifter, mimic_ffpp
from mimic.others import (
    mimic_deepfakebench,
    mimic_dfd,
    mimic_dfdc,
    mimic_dfdcp,
    mimic_ffiw,
    mimic_pair,
    mimic_wilddeepfake,
)
from mimic.people import Recorder

MIMICS: dict[str, Callable[[Recorder, int], None]] = {
    "ffpp": mimic_ffpp,
    "faceshifter": mimic_faceshifter,
    "dfd": mimic_dfd,
    "dfo": mimic_dfo,
    "celebdf1": mimic_celebdf,
    "celebdf2": mimic_celebdf,
    "celebdf++": mimic_celebdfpp,
    "dfdc": mimic_dfdc,
    "dfdcp": mimic_dfdcp,
    "wilddeepfake": mimic_wilddeepfake,
    "ffiw": mimic_ffiw,
    "deepfakebench": mimic_deepfakebench,
    "pair": mimic_pair,
}


def make_miniature(name: str, root: Path, videos: int = 10, seconds: float = 2.0) -> int:
    """Write the miniature of a benchmark.

    Args:
        name: one of :data:`MIMICS`.
        root: its folder.
        videos: number of identities, at least 6.
        seconds: length of each video.

    Returns:
        Number of videos written.
    """
    recorder = Recorder(root, seconds)
    MIMICS[name](recorder, videos)
    return recorder.count
