"""Read trained networks from checkpoints and model files, and compare engines with torch."""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError

from facetell.engine import ModelInfo, load_engine
from facetell.engine.info import invalid_field
from facetell.models.export import model_from_onnx
from facetell.models.network import ClipNetwork
from facetell.models.zoo import create_model
from facetell.types import FacetellError, FloatArray

ENGINES = ("openvino", "onnxruntime")  # compared with torch at a release


def network_of(config: Mapping[str, Any], pretrained: bool | str = False) -> ClipNetwork:
    """The network of a training configuration, as a checkpoint stores it.

    Raises:
        FacetellError: see :func:`facetell.models.zoo.create_model`.
    """
    return create_model(
        config["model"],
        motion=config["motion"] or None,
        anomaly=config["anomaly"],
        clip_frames=config["batch"]["clip_frames"],
        size=config["batch"]["size"],
        pretrained=pretrained,
        frame_rate=config["batch"].get("frame_rate"),  # checkpoints of early versions do not have it
        crop_scale=config["batch"].get("crop_scale"),
        **config.get("overrides", {}),
    )


def read_checkpoint(path: Path, device: str = "cpu") -> dict[str, Any]:
    """The content of a checkpoint of :mod:`facetell.train`.

    Raises:
        FacetellError: it is missing or not a checkpoint.
    """
    if not os.path.isfile(path):  # noqa: PTH113  # accepts names that are too long, which Path does not
        raise FacetellError(f"there is no checkpoint at {path}; give one of a training run, or a model file")
    state: Any = None
    if zipfile.is_zipfile(path):  # the format of torch.save
        with contextlib.suppress(Exception):  # unpickling a foreign archive may raise anything
            state = torch.load(path, map_location=device, weights_only=True)
    if not isinstance(state, dict) or "config" not in state:
        raise FacetellError(f"{path} is not a checkpoint of a training run; give one that is, or a model file (.onnx)")
    return state


def read_trained(path: Path) -> tuple[ClipNetwork, dict[str, str]]:
    """A trained network in evaluation mode and the metadata of its model file.

    Args:
        path: a checkpoint of :mod:`facetell.train` (its averaged weights are used), or a model file.

    Raises:
        FacetellError: the file is missing or neither of the two, or its network is not one that detection can use.
    """
    if path.suffix == ".onnx":
        metadata, model = model_from_onnx(path)
        return model, metadata
    state = read_checkpoint(path)
    try:
        model = network_of(state["config"])
        model.load_state_dict(state["average"])
    except (KeyError, TypeError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise FacetellError(f"{path} is not a checkpoint of a training run ({reason}); give one that is") from None
    config = model.config
    try:
        info = ModelInfo(
            name=path.stem if path.stem != "checkpoint" else path.resolve().parent.name,
            clip_frames=config.clip_frames,
            frame_rate=config.frame_rate,
            size=config.size,
            crop_scale=config.crop_scale,
            architecture=dict(model.architecture),
            training={"steps": state.get("step"), "config": state["config"]},
        )
    except ValidationError as error:
        raise FacetellError(f"{path} cannot become a model file: {invalid_field(error)}; train another") from None
    return model.eval(), info.to_metadata()


@torch.inference_mode()
def deviation(one: ClipNetwork, other: ClipNetwork, clips: FloatArray) -> float:
    """Largest absolute difference of the logits of two networks for clips (N, T, 3, S, S) in [0, 1]."""
    batch = torch.from_numpy(clips)
    return float((one(batch).logit - other(batch).logit).abs().max())


@dataclass(frozen=True, slots=True)
class Parity:
    """Largest absolute difference of an engine's logits from torch's; None with a ``note`` if the engine fails."""

    engine: str
    precision: str
    largest: float | None
    note: str = ""


def check_parity(model: ClipNetwork, path: Path, clips: FloatArray, engines: Sequence[str] = ENGINES) -> list[Parity]:
    """Score clips with the network and with its file in each engine, in OpenVINO also in bfloat16.

    Args:
        model: the network in evaluation mode; for a file in fewer bits, the network of the file.
        path: the file.
        clips: float32 (N, T, 3, S, S) in [0, 1].
        engines: names for :func:`facetell.engine.load_engine`.
    """
    with torch.inference_mode():
        want = model(torch.from_numpy(clips)).logit.numpy()
    found = []
    for engine in engines:
        for precision in ("f32", "bf16") if engine == "openvino" else ("f32",):
            try:
                got = load_engine(path, engine, precision=precision).run(clips)
            except FacetellError as error:
                found.append(Parity(engine, precision, None, str(error)))
            else:
                found.append(Parity(engine, precision, float(np.abs(got - want).max())))
    return found
