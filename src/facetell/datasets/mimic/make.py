"""Making a miniature by name."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from facetell.datasets.mimic.celebdf import mimic_celebdf, mimic_celebdfpp
from facetell.datasets.mimic.dfo import mimic_dfo
from facetell.datasets.mimic.ffpp import mimic_faceshifter, mimic_ffpp
from facetell.datasets.mimic.others import (
    mimic_deepfakebench,
    mimic_dfd,
    mimic_dfdc,
    mimic_dfdcp,
    mimic_ffiw,
    mimic_pair,
    mimic_wilddeepfake,
)
from facetell.datasets.mimic.people import Recorder
from facetell.types import FacetellError

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
LEAST, MOST = 6, 200
SHORTEST, LONGEST = 0.5, 10.0


def make_miniature(name: str, out: Path, videos: int = 10, seconds: float = 2.0) -> int:
    """Write the miniature of a benchmark into a new folder, whole or not at all.

    Args:
        name: one of :data:`MIMICS`.
        out: the folder; it must not exist, or be empty.
        videos: how many people it shows.
        seconds: length of each video.

    Returns:
        How many videos were written.

    Raises:
        FacetellError: no such miniature, the folder is in use, or a number is out of its range.
    """
    if name not in MIMICS:
        raise FacetellError(f"there is no miniature of '{name}'; choose one of {', '.join(MIMICS)}")
    if not LEAST <= videos <= MOST:
        raise FacetellError(f"a miniature has {LEAST} to {MOST} people, not {videos}; give another number")
    if not SHORTEST <= seconds <= LONGEST:
        raise FacetellError(
            f"its videos have {SHORTEST:g} to {LONGEST:g} seconds, not {seconds:g}; give another length"
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FacetellError(f"{out} exists already; name a new folder for the miniature")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise FacetellError(f"{out} cannot be written ({error.strerror}); choose another folder") from None
    try:
        recorder = Recorder(folder, seconds)
        MIMICS[name](recorder, videos)
        folder.chmod(0o755)
        folder.replace(out)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return recorder.count
