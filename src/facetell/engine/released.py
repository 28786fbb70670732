"""The released model files and their names."""

from __future__ import annotations

import os
from pathlib import Path

from facetell.types import FacetellError

WEIGHTS = Path(__file__).parent.parent / "weights"
FAST_MODEL = "facetell-fast"
"""The model of version 0.1.0: small, with motion blocks, close to chance on unseen forgeries. Default of `motion`."""
DEFAULT_MODEL = "facetell"
"""The default of everything else, also of :class:`facetell.detector.Detector`."""


def released_models() -> dict[str, Path]:
    """The released model files by name.

    >>> "facetell-fast" in released_models()
    True
    """
    return {path.stem: path for path in sorted(WEIGHTS.glob("*.onnx"))}


def model_path(model: Path | str | None = None) -> Path:
    """The file of a model.

    Args:
        model: name of a released model, or path of an ONNX file; a file with the name of a released model is
            ``./NAME``, as text. None: :data:`DEFAULT_MODEL`.

    Raises:
        FacetellError: there is no such file.
    """
    released = released_models()
    name = str(model or DEFAULT_MODEL)
    path = released.get(name) or Path(name)
    if not os.path.isfile(path):  # noqa: PTH113  # takes names that are too long, which Path does not
        raise FacetellError(
            f"there is no model file at {path}; give an .onnx file exported by facetell, or the name of a released "
            f"model: {', '.join(released)}"
        )
    return path


def model_word(path: Path) -> str:
    """The released model's name, or the file's: what `--model` takes where the file is in the current folder."""
    return path.stem if path.parent == WEIGHTS else path.name
