"""The table of distortions: code, name, and one parameter for each of five levels."""

from __future__ import annotations

from dataclasses import dataclass

from facetell.types import FacetellError

LEVELS = (1, 2, 3, 4, 5)


@dataclass(frozen=True, slots=True)
class Distortion:
    """One kind: its ``code`` on the command line, its ``name``, the parameters of ``levels`` 1 to 5."""

    code: str
    name: str
    levels: tuple[float, float, float, float, float]


_TABLE = (
    # DeeperForensics-1.0 (arXiv 2001.03024), with the parameters of its published perturbation tool.
    Distortion("CS", "colour saturation", (0.4, 0.3, 0.2, 0.1, 0.0)),
    Distortion("CC", "colour contrast", (0.85, 0.725, 0.6, 0.475, 0.35)),
    Distortion("BW", "block-wise", (16, 32, 48, 64, 80)),
    Distortion("GNC", "Gaussian noise in colour components", (0.001, 0.002, 0.005, 0.01, 0.05)),
    Distortion("GB", "Gaussian blur", (7, 9, 13, 17, 21)),
    Distortion("JPEG", "pixelation (published under the name JPEG)", (2, 3, 4, 5, 6)),
    Distortion("VC", "video compression, H.264", (30, 32, 35, 38, 40)),
    # Ours.
    Distortion("DROP", "dropped frames", (0.02, 0.05, 0.1, 0.2, 0.3)),
    Distortion("FREEZE", "frozen frames", (0.05, 0.1, 0.2, 0.3, 0.4)),
    Distortion("FPS", "lower frame rate", (24, 20, 15, 12, 10)),
    Distortion("H265", "re-encoding, H.265", (28, 32, 36, 40, 44)),
    Distortion("VP9", "re-encoding, VP9", (36, 42, 48, 54, 60)),
    Distortion("AV1", "re-encoding, AV1", (36, 42, 48, 54, 60)),
    Distortion("SOCIAL", "shrinking and re-encoding, as by a messenger", (1280, 960, 848, 640, 426)),
    Distortion("SCALE", "shrinking and enlarging", (0.75, 0.5, 0.375, 0.25, 0.1875)),
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
