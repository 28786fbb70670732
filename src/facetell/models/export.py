"""Model files: a network as ONNX (``docs/models.md``), and back.

Every array keeps its name in the network's state dict and nothing is folded, so that the torch network can be built
again from the file alone; engines fold when they load it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from facetell.models.graph import SCALE, store_small, trace
from facetell.models.network import ClipNetwork
from facetell.models.zoo import create_model
from facetell.types import FacetellError

Precision = Literal["fp32", "fp16", "w8"]
ROUNDING: dict[Precision, float] = {"fp32": 1e-3, "fp16": 5e-2, "w8": 0.3}
"""Largest deviation of a logit by storage that is accepted."""


def export_onnx(
    model: ClipNetwork,
    path: Path | str,
    *,
    metadata: Mapping[str, str] | None = None,
    with_motion: bool = False,
    precision: Precision = "fp32",
) -> Path:
    """Write the network in evaluation mode, without its anomaly block.

    Args:
        model: not changed.
        path: file to write; input ``clip`` float32 (N, T, 3, H, W), output ``logit`` (N,), optionally ``motion``.
        metadata: one string a field; by default :func:`describe`.
        with_motion: add the output ``motion`` (N, T, h, w).
        precision: storage of the weights: "fp16" stores large arrays in half precision; "w8" also stores large matrices
            and 1 x 1 kernels in 8 bits. Computation is in float32. Weights that come from such a file, or from CLIP's,
            are stored without any change.

    Raises:
        FacetellError: ``with_motion`` for a network without motion blocks.
    """
    if with_motion and not carries_motion(model):
        raise FacetellError(f"'{model.config.name}' has no motion blocks; export it without motion output")
    names = ["logit", "motion"] if with_motion else ["logit"]
    return _write(model, path, names, precision, describe(model) if metadata is None else metadata)


def export_features(model: ClipNetwork, path: Path) -> Path:
    """Write the backbone alone, with weights stored in 8 bits as in a released file.

    Args:
        model: not changed.
        path: file to write; input ``clip`` float32 (N, T, 3, H, W), output ``features``, the inputs (N*T, F) of the
            classifier.
    """
    return _write(model, path, ["features"], "w8", {})


def _write(
    model: ClipNetwork, path: Path | str, names: list[str], precision: Precision, metadata: Mapping[str, str]
) -> Path:
    proto = trace(model, names)
    if precision != "fp32":
        store_small(proto, short=precision == "w8")
    write_metadata(proto, metadata)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(proto.SerializeToString(deterministic=True))
    return path


def write_metadata(proto: Any, metadata: Mapping[str, str]) -> None:
    """Replace the metadata of an ONNX model."""
    proto.ClearField("metadata_props")
    for key in sorted(metadata):
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, metadata[key]


def carries_motion(model: ClipNetwork) -> bool:
    """Whether a network has motion blocks, by its architecture."""
    return model.architecture.get("motion") != "none"


def describe(model: ClipNetwork) -> dict[str, str]:
    """The metadata that follow from the network itself, each value JSON."""
    config = model.config
    fields = {
        "name": config.name,
        "clip_frames": config.clip_frames,
        "frame_rate": config.frame_rate,
        "size": config.size,
        "crop_scale": config.crop_scale,
        "architecture": model.architecture,
    }
    return {key: json.dumps(value, sort_keys=True) for key, value in fields.items()}


def load_onnx_state(path: Path | str) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata of a model file, and its arrays as a float32 state dict.

    Raises:
        FacetellError: the file is missing or not ONNX.
    """
    import onnx

    path = Path(path)
    try:
        proto = onnx.load_model(path)
    except FileNotFoundError:
        raise FacetellError(f"there is no model file at {path}; give an .onnx file exported by facetell") from None
    except Exception as error:  # protobuf's own error types are not public
        raise FacetellError(f"{path} is not an ONNX file; give one exported by facetell") from error
    arrays = {array.name: np.array(onnx.numpy_helper.to_array(array)) for array in proto.graph.initializer}
    state = {}
    for name, values in arrays.items():
        scale = arrays.get(f"{name}{SCALE}")
        if values.dtype == np.int8 and scale is not None:
            values = values * scale.reshape(-1, *(1,) * (values.ndim - 1))
        if values.dtype in (np.float16, np.float32) and not name.endswith(SCALE):
            state[name] = torch.from_numpy(values.astype(np.float32))
    return {entry.key: entry.value for entry in proto.metadata_props}, state


def model_from_onnx(path: Path | str) -> tuple[dict[str, str], ClipNetwork]:
    """Metadata of a model file, and its network built in torch (evaluation mode, without anomaly block).

    Raises:
        FacetellError: the metadata do not define the network, or arrays are missing.
    """
    metadata, state = load_onnx_state(path)
    return metadata, built_network(metadata, state, path)


def built_network(metadata: Mapping[str, str], state: Mapping[str, Tensor], path: Path | str) -> ClipNetwork:
    """The network of :func:`load_onnx_state`'s result (evaluation mode, without anomaly block).

    Raises:
        FacetellError: the metadata do not define the network, or arrays are missing; the message names ``path``.
    """
    model = _built(metadata, path)
    wanted = {name for name in model.state_dict() if not name.endswith("num_batches_tracked")}
    missing = wanted - state.keys()
    if missing:
        raise FacetellError(
            f"{path} lacks {len(missing)} arrays of its network, such as '{min(missing)}'; export it again"
        )
    model.load_state_dict({name: state[name] for name in wanted}, strict=False)
    return model.eval()


def read_motion_network(path: Path | str) -> ClipNetwork:
    """The network of a model file; of the released ``facetell-fast``, the first of its two motion networks.

    That file holds three networks side by side ("streams"), which this version runs but does not build.

    Raises:
        FacetellError: as for :func:`model_from_onnx`.
    """
    metadata, state = load_onnx_state(path)
    architecture = json.loads(metadata.get("architecture", "{}"))
    if not isinstance(architecture, dict) or "streams" not in architecture:
        return built_network(metadata, state, path)
    number, stream = next((n, s) for n, s in enumerate(architecture.pop("streams")) if s["kind"] == "temporal")
    architecture["name"] = architecture["name"].removesuffix("_multi_stream")
    architecture["size"] = stream["size"] or architecture["size"]
    architecture["clip_frames"] = -(-architecture["clip_frames"] // stream["every"])
    metadata["architecture"] = json.dumps(architecture)
    metadata["frame_rate"] = json.dumps(json.loads(metadata["frame_rate"]) / stream["every"])
    model, prefix = _built(metadata, path), f"backbone.streams.{number}."
    own = {f"backbone.{name.removeprefix(prefix)}": v for name, v in state.items() if name.startswith(prefix)}
    return built_network(metadata, model.state_dict() | own, path)


def _built(metadata: Mapping[str, str], path: Path | str) -> ClipNetwork:
    """The network that a model file describes, with initial weights."""
    try:
        architecture: dict[str, Any] = json.loads(metadata["architecture"])
        if "streams" in architecture:
            raise FacetellError(f"{path} cannot be built in torch by this version; use another engine")
        for key in ("frame_rate", "crop_scale"):
            if key in metadata:
                architecture[key] = float(json.loads(metadata[key]))
        return create_model(**{**architecture, "anomaly": "none"})
    except (KeyError, TypeError, ValueError) as error:
        raise FacetellError(
            f"the metadata of {path} do not define its network ({error}); export it with `facetell export`"
        ) from error


def continue_from(model: ClipNetwork, path: Path | str) -> None:
    """Load the weights of a model file into a network, to continue training; the anomaly block is left as it is.

    Raises:
        FacetellError: the file is missing, not ONNX, or holds another network.
    """
    metadata, other = model_from_onnx(path)
    if repr(model.backbone) != repr(other.backbone) or model.backbone.decided != other.backbone.decided:
        raise FacetellError(
            f"{path} holds another network; set model, motion and overrides as in that file: {metadata['architecture']}"
        )
    model.load_state_dict(other.state_dict(), strict=False)
