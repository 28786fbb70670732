"""Networks of other programs: ONNX files without facetell's metadata, whose input the user describes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facetell.engine.engines import OpenVinoEngine
from facetell.engine.info import InputFormat, ModelInfo, is_foreign
from facetell.files import file_sha256
from facetell.types import FacetellError, FloatArray

CLIP_FRAMES = 8  # of the clips of which a network of one frame is given the middle one
FORM = (
    "a network takes one float input, (N, T, 3, H, W), (N, 3, T, H, W) or, of single frames, (N, 3, H, W), and gives "
    "one logit, positive = forged, or two, of genuine and of forged"
)


class ForeignEngine(OpenVinoEngine):
    """Runs a network of another program (``docs/models.md``) on OpenVINO, in float32 unless ``precision`` is "bf16".

    FacetellError: the file is one of facetell, the description is incomplete, or the form is not :data:`FORM`.
    """

    def __init__(
        self, path: Path, given: InputFormat, precision: str | None = None, threads: int | None = None
    ) -> None:
        model, metadata = self.read(path)
        if not is_foreign(metadata):
            raise given.refused(path)
        size, frames, rate, mean, std = given.size, given.frames, given.rate, given.mean, given.std
        if size is None or frames is None or rate is None or mean is None or std is None:
            raise given.incomplete(path)
        self.path, self.sha256, self._frames = path, file_sha256(path), frames
        if (data := path.with_name(f"{path.name}.data")).is_file():  # where torch exports the weights to
            self.sha256 = hashlib.sha256(f"{self.sha256}{file_sha256(data)}".encode()).hexdigest()
        self.info = ModelInfo(path.stem, frames if frames > 1 else CLIP_FRAMES, rate, size, given.crop)
        self._mean, self._std = (np.array(values, np.float32).reshape(3, 1, 1) for values in (mean, std))
        self._shape = _input_shape(path, model, size, frames)
        self._type = np.dtype(model.input(0).get_element_type().to_dtype())
        outputs = [found for found in model.outputs if "logit" in found.get_names()] or model.outputs
        if len(outputs) > 1:
            raise FacetellError(f"{path} has {len(outputs)} outputs, none of them called logit; {FORM}")
        model.reshape({0: self._shape})
        self.compile(model, [_before_squashing(outputs[0])], precision or "f32", threads)
        ((trial,),) = self.run(np.full((1, self.info.clip_frames, 3, size, size), 0.5, np.float32))
        if not np.isfinite(trial):
            raise FacetellError(f"{path} gives {trial} for a grey face, which is not a score; check --mean and --std")

    def run(self, clips: FloatArray) -> Sequence[FloatArray]:
        """See :meth:`Engine.run`."""
        if self._frames == 1:
            clips = clips[:, CLIP_FRAMES // 2, None]
        clips = (clips - self._mean) / self._std
        if len(self._shape) == 4:
            return [np.array([np.mean([self._logit(frame) for frame in clip]) for clip in clips], np.float32)]
        if self._shape[2] != 3:  # (1, 3, T, S, S)
            clips = clips.swapaxes(1, 2)
        return [np.array([self._logit(clip) for clip in clips], np.float32)]

    def _logit(self, values: FloatArray) -> float:
        first, *second = found = self.infer(values[None].astype(self._type))[0].ravel()
        if found.size not in (1, 2):
            raise FacetellError(f"{self.path} gives {found.size} values for one input; {FORM}")
        return float(second[0] - first if second else first)


def _input_shape(path: Path, model: Any, size: int, frames: int) -> Sequence[int]:
    """The first shape that fits the one input of a network."""
    from openvino import PartialShape

    if len(model.inputs) != 1:
        raise FacetellError(f"{path} has {len(model.inputs)} inputs; {FORM}")
    there, kind = model.input(0).get_partial_shape(), model.input(0).get_element_type()
    for shape in ([1, 3, size, size], [1, frames, 3, size, size], [1, 3, frames, size, size]):
        if kind.is_real() and there.compatible(PartialShape(shape)):
            return shape
    raise FacetellError(
        f"the input of {path} is {kind.get_type_name()} {there}, which does not fit --size {size} --frames {frames}; "
        f"{FORM}"
    )


def _before_squashing(output: Any) -> Any:
    """An output without its final softmax or sigmoid, after which only its shape may change."""
    node = output.get_node().input_value(0).get_node()
    while node.get_type_name() in ("Reshape", "Squeeze", "Unsqueeze"):
        node = node.input_value(0).get_node()
    return node.input_value(0) if node.get_type_name() in ("Softmax", "Sigmoid") else output
