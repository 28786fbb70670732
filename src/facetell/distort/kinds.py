"""The table of distortions: code, name, family, and one parameter for each of five levels."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from facetell.types import FacetellError

LEVELS = (1, 2, 3, 4, 5)


class Family(StrEnum):
    """What a distortion changes: each frame, the times of frames, or the encoding."""

    FRAME = "frame"
    TIME = "time"
    CODER = "coder"


@dataclass(frozen=True, slots=True)
class Distortion:
    """One kind: its ``code`` on the command line, its ``name``, the parameters of ``levels`` 1 to 5."""

    code: str
    name: str
    family: Family
    levels: tuple[float, float, float, float, float]


_TABLE = (
    # DeeperForensics-1.0 (arXiv 2001.03024), with the parameters of its published perturbation tool.
    Distortion("CS", "colour saturation", Family.FRAME, (0.4, 0.3, 0.2, 0.1, 0.0)),
    Distortion("CC", "colour contrast", Family.FRAME, (0.85, 0.725, 0.6, 0.475, 0.35)),
    Distortion("BW", "block-wise", Family.FRAME, (16, 32, 48, 64, 80)),
    Distortion("GNC", "Gaussian noise in colour components", Family.FRAME, (0.001, 0.002, 0.005, 0.01, 0.05)),
    Distortion("GB", "Gaussian blur", Family.FRAME, (7, 9, 13, 17, 21)),
    Distortion("JPEG", "pixelation (published under the name JPEG)", Family.FRAME, (2, 3, 4, 5, 6)),
    Distortion("VC", "video compression, H.264", Family.CODER, (30, 32, 35, 38, 40)),
    # Ours.
    Distortion("DROP", "dropped frames", Family.TIME, (0.02, 0.05, 0.1, 0.2, 0.3)),
    Distortion("FREEZE", "frozen frames", Family.TIME, (0.05, 0.1, 0.2, 0.3, 0.4)),
    Distortion("FPS", "lower frame rate", Family.TIME, (24, 20, 15, 12, 10)),
    Distortion("H265", "re-encoding, H.265", Family.CODER, (28, 32, 36, 40, 44)),
    Distortion("VP9", "re-encoding, VP9", Family.CODER, (36, 42, 48, 54, 60)),
    Distortion("AV1", "re-encoding, AV1", Family.CODER, (36, 42, 48, 54, 60)),
    Distortion("SOCIAL", "shrinking and re-encoding, as by a messenger", Family.CODER, (1280, 960, 848, 640, 426)),
    Distortion("SCALE", "shrinking and enlarging", Family.FRAME, (0.75, 0.5, 0.375, 0.25, 0.1875)),
)
KINDS: dict[str, Distortion] = {kind.code: kind for kind in _TABLE}
PUBLISHED, BEYOND = tuple(KINDS)[:7], tuple(KINDS)[7:]


def parameter(code: str, level: int) -> float:
    """The parameter of a kind at a level of 1 to 5. FacetellError: no such kind or level."""
    if code not in KINDS:
        raise FacetellError(f"'{code}' is not a distortion: choose one of {', '.join(KINDS)}")
    if level not in LEVELS:
        raise FacetellError(f"{level} is not a level of a distortion: choose 1 to 5")
    return KINDS[code].levels[level - 1]
