"""A Python function as a model: ``--model my_module:predict``."""

from __future__ import annotations

import importlib
import inspect
import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from facetell.engine.engines import Engine
from facetell.engine.info import ModelInfo, invalid_field
from facetell.files import file_sha256
from facetell.types import FacetellError, FloatArray, UInt8Array

DEFAULTS: Mapping[str, object] = {"clip_frames": 8, "frame_rate": 25.0, "size": 224, "crop_scale": 1.8}


class FunctionEngine(Engine):
    """Calls ``function(frames, fps, face_boxes)`` for each clip; it returns a logit, positive = forged.

    ``frames`` is uint8 RGB (T, S, S, 3): consecutive frames of one face, cropped alike, the face upright. ``fps`` is
    their approximate rate. ``face_boxes`` is float32 (T, 4): x0, y0, x1, y1 of the face in pixels of the crop. T, S and
    all else that :class:`ModelInfo` describes are :data:`DEFAULTS`, or what the attribute ``model`` of the function, a
    dictionary, gives. The scores are calibrated only if it has a ``calibration``.

    Args:
        name: ``MODULE:FUNCTION``; the module is imported from the current folder or the Python path.

    Raises:
        FacetellError: there is no such module or function, or its description is invalid.
    """

    name = "python"
    version = platform.python_version()
    outputs = frozenset({"logit"})

    def __init__(self, name: str) -> None:
        module_name, _, function_name = name.partition(":")
        try:
            if os.getcwd() not in sys.path:  # noqa: PTH109  # as `python -m` does
                sys.path.insert(0, os.getcwd())  # noqa: PTH109
            module = importlib.import_module(module_name)
            self._function = getattr(module, function_name)
            source = Path(inspect.getsourcefile(module) or "")
            self.sha256 = file_sha256(source) if source.is_file() else ""
        except (Exception, SystemExit) as error:  # whatever the module raises when it is imported
            raise FacetellError(
                f"{name} cannot be used as a model ({type(error).__name__}: {error}); give MODULE:FUNCTION, importable "
                "from the current folder"
            ) from None
        stated = getattr(self._function, "model", {})
        if not callable(self._function) or not isinstance(stated, Mapping):
            raise FacetellError(f"{name} is not a function, or its attribute `model` not a dictionary (docs/models.md)")
        described = {**DEFAULTS, "name": name, **stated}
        unknown = sorted(described.keys() - {field.name for field in fields(ModelInfo)})
        if unknown:
            raise FacetellError(f"{name}: the attribute `model` has the unknown key '{unknown[0]}' (docs/models.md)")
        try:
            self.info = ModelInfo(**described)
        except ValidationError as error:
            raise FacetellError(f"{name}: in the attribute `model`, {invalid_field(error)}") from None
        self.path = Path(name)
        half = self.info.size / self.info.crop_scale / 2
        box = self.info.size / 2 + half * np.array([-1, -1, 1, 1])
        self._boxes = np.tile(box.astype(np.float32), (self.info.clip_frames, 1))

    def score(self, clips: UInt8Array) -> FloatArray:
        """See :meth:`Engine.score`. Raises FacetellError if the function fails or returns no number."""
        return np.array([self._logit(clip) for clip in clips], dtype=np.float32)

    def _logit(self, clip: UInt8Array) -> float:
        try:
            return float(self._function(clip, self.info.frame_rate, self._boxes.copy()))
        except (Exception, SystemExit) as error:
            raise FacetellError(f"{self.path} failed ({type(error).__name__}: {error})") from error

    def run(self, clips: FloatArray, output: str = "logit") -> FloatArray:
        """See :meth:`Engine.run`."""
        return self.score((clips.transpose(0, 1, 3, 4, 2) * 255 + 0.5).astype(np.uint8))
