"""From a trained network to a model file that was proved: checkpoints in, parity of every engine out."""

from __future__ import annotations

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


def read_trained(path: Path) -> tuple[ClipNetwork, dict[str, str]]:
    """A trained network in evaluation mode and the metadata of its model file.

    Args:
        path: a checkpoint of :mod:`facetell.train` (the averaged weights are taken), or a model file.

    Raises:
        FacetellError: the file is missing or neither of the two, or its network is not one that detection can use.
    """
    if not os.path.isfile(path):  # noqa: PTH113  # takes names that are too long, which Path does not
        raise FacetellError(f"there is no checkpoint at {path}; give one of a training run, or a model file")
    if path.suffix == ".onnx":
        metadata, model = model_from_onnx(path)
        return model, metadata
    foreign = FacetellError(f"{path} is not a checkpoint of a training run; give one that is, or a model file (.onnx)")
    if not zipfile.is_zipfile(path):  # as torch writes them
        raise foreign
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # what it unpickles of a foreign archive fails in any way there is
        raise foreign from None
    try:
        model = _build(state["config"])
        model.load_state_dict(state["average"] if "average" in state else state["model"])
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
    """The largest |difference| between the logits that two networks give clips (N, T, 3, S, S) in [0, 1]."""
    seen = torch.from_numpy(clips)
    return float((one(seen).logit - other(seen).logit).abs().max())


@dataclass(frozen=True, slots=True)
class Parity:
    """How far one engine's logits lie from torch's: the largest |difference| over the clips; ``note`` if it cannot."""

    engine: str
    precision: str
    largest: float | None
    note: str = ""


def check_parity(model: ClipNetwork, path: Path, clips: FloatArray, engines: Sequence[str]) -> list[Parity]:
    """Score clips with the network and with the file in each of the engines, OpenVINO in both of its precisions.

    Args:
        model: the network, in evaluation mode; that of the file itself (:func:`facetell.models.export.model_from_onnx`)
            where it is stored in fewer bits, so that engines answer for themselves alone.
        path: the file.
        clips: float32 (N, T, 3, S, S) in [0, 1].
        engines: names for :func:`facetell.engine.load_engine`.
    """
    with torch.inference_mode():
        want = model(torch.from_numpy(clips)).logit.numpy()
    found = []
    runs = [(engine, precision) for engine in engines for precision in ("f32", "bf16")]
    for engine, precision in runs:
        if precision == "bf16" and engine != "openvino":
            continue
        try:
            got = load_engine(path, engine, precision=precision).run(clips)
        except FacetellError as error:
            found.append(Parity(engine, precision, None, str(error)))
        else:
            found.append(Parity(engine, precision, float(np.abs(got - want).max())))
    return found


def _build(config: Mapping[str, Any]) -> ClipNetwork:
    return create_model(
        config["model"],
        motion=config["motion"],
        anomaly=config["anomaly"],
        clip_frames=config["batch"]["clip_frames"],
        size=config["batch"]["size"],
        frame_rate=config["batch"].get("frame_rate"),  # older checkpoints lack it
        crop_scale=config["batch"].get("crop_scale"),
        **config.get("overrides", {}),
    )
