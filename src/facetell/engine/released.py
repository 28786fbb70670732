"""The released model files and their names."""

from __future__ import annotations

import os
import re
from pathlib import Path

from facetell.types import FacetellError

WEIGHTS = Path(__file__).parent.parent / "weights"
FAST_MODEL = "facetell-fast"
"""Small, with motion blocks; close to chance on unseen forgeries. Default of ``facetell motion``."""
DEFAULT_MODEL = "facetell"
"""Default of all other commands and of :class:`facetell.detector.Detector`."""
FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def released_models() -> dict[str, Path]:
    """The released model files by name.

    >>> "facetell-fast" in released_models()
    True
    """
    return {path.stem: path for path in sorted(WEIGHTS.glob("*.onnx"))}


def model_path(model: Path | str | None = None) -> Path:
    """The file of a model: the name of a released one, or the path of an ONNX file; None is :data:`DEFAULT_MODEL`.

    ``./NAME`` (as text) is a file with the name of a released model. Of a function, ``MODULE:FUNCTION``, its name
    (:class:`facetell.engine.function.FunctionEngine`). FacetellError: there is no such file.
    """
    released = released_models()
    name = str(model or DEFAULT_MODEL)
    path = released.get(name) or Path(name)
    if not is_function(path) and not os.path.isfile(path):  # noqa: PTH113  # unlike Path, False for names that are too long
        raise FacetellError(
            f"there is no model file at {path}; give an .onnx file exported by facetell, MODULE:FUNCTION, or the name "
            f"of a released model: {', '.join(released)}"
        )
    return path


def is_function(path: Path) -> bool:
    """Whether a model is ``MODULE:FUNCTION`` and not a file of that name."""
    return bool(FUNCTION.fullmatch(str(path))) and not os.path.lexists(path)


def model_word(path: Path) -> str:
    """The value of ``--model`` for a file that is released or in the current folder."""
    return path.stem if path.parent == WEIGHTS else path.name
