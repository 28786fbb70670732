"""The registry of networks; ``tests/models/test_contract.py`` tests all of them alike."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast, get_args

import torch
from torch.utils.flop_counter import FlopCounterMode

from facetell.assets import locate
from facetell.models import lite, stm, vit
from facetell.models.blocks import MotionKind, TemporalKind
from facetell.models.network import AnomalyKind, Backbone, ClipNetwork, ModelConfig
from facetell.types import FacetellError


@dataclass(frozen=True, slots=True)
class Entry:
    """One network."""

    config: ModelConfig  # its defaults
    build: Callable[..., Backbone]  # from `motion` and further overrides; a transformer's from `size` as well
    about: str  # one line for the table
    motions: tuple[MotionKind, ...] = ("mcb", "cmm", "none")  # supported motion modules, the default first
    pretrained_on: str = "imagenet"  # name of the pinned checkpoint in configurations
    asset: str | None = None  # the pinned checkpoint, if there is one
    dropout: float = 0.5  # before the classifier


MODELS: dict[str, Entry] = {
    entry.config.name: entry
    for entry in (
        Entry(
            ModelConfig("lite0", mean=lite.MEAN, std=lite.STD),
            lite.EfficientNetLite,
            "EfficientNet-Lite0, motion at several depths",
            asset="imagenet_lite0",
            dropout=0.2,
        ),
        Entry(
            ModelConfig("lite2", size=260, mean=lite.MEAN, std=lite.STD),
            partial(lite.EfficientNetLite, width=1.1, depth=1.2),
            "EfficientNet-Lite2, motion at several depths",
            dropout=0.3,
        ),
        Entry(ModelConfig("stm_resnet18"), partial(stm.ResNet, 18), "STM: ResNet-18, motion in every block"),
        Entry(ModelConfig("stm_resnet50"), partial(stm.ResNet, 50), "STM: ResNet-50, motion in every block"),
        Entry(
            ModelConfig("resnet50"),
            partial(stm.ResNet, 50, temporal="none"),
            "ResNet-50, frames averaged",
            motions=("none",),
        ),
        Entry(
            ModelConfig("clip_vit_b16", mean=vit.MEAN, std=vit.STD),
            vit.VisionTransformer,
            "CLIP's ViT-B/16 cut after block 9, motion between two blocks",
            pretrained_on="clip",
            asset="clip_vit",
        ),
    )
}
"""All networks by name."""
HEAD = ("network", "motion", "clip", "parameters (M)", "multiply-adds (G)")  # columns of model_rows


def create_model(
    name: str,
    motion: str | None = None,
    anomaly: str = "full",
    clip_frames: int = 8,
    size: int | None = None,
    num_classes: int = 1,
    pretrained: bool | str | Path = False,
    *,
    frame_rate: float | None = None,
    crop_scale: float | None = None,
    hidden: int = 0,
    local: int = 0,
    **overrides: object,
) -> ClipNetwork:
    """Build a network.

    Args:
        name: a key of :data:`MODELS`, which has the defaults of ``motion`` and ``size`` (pixels).
        motion: "mcb", "cmm" or "none".
        anomaly: "full", "no_cls2", "no_l1" or "none".
        clip_frames, num_classes: T; and 1 for forged or not, any number for other video tasks.
        pretrained: True or its name ("imagenet", "clip") for the pinned checkpoint, or the path of one.
        frame_rate, crop_scale: of the clips, see :class:`ModelConfig`; they do not change the network.
        hidden: units of the classifier's hidden layer; 0 for a linear one.
        local: units of the hidden layer of its part for patches, which needs ``hidden``; 0 for none.
        overrides: further arguments of the backbone (``motion_blocks``, ``drop_path``, ``restore_gain``...).

    FacetellError: unknown name or kind, an argument out of range, or no checkpoint.
    """
    _choose("model", name, tuple(MODELS))
    entry = MODELS[name]
    motion = motion or entry.motions[0]
    _choose(f"motion for '{name}'", motion, entry.motions)
    _choose("temporal", str(overrides.get("temporal", "none")), get_args(TemporalKind))
    _choose("anomaly", anomaly, get_args(AnomalyKind))
    config = replace(
        entry.config,
        clip_frames=clip_frames,
        frame_rate=frame_rate or entry.config.frame_rate,
        size=size or entry.config.size,
        crop_scale=crop_scale or entry.config.crop_scale,
    )
    sized = {"size": config.size} if entry.build is vit.VisionTransformer else {}
    try:
        backbone = entry.build(motion=motion, **sized, **overrides)
    except TypeError as error:
        raise FacetellError(f"'{name}' does not accept these arguments: {error}; remove that argument") from None
    if pretrained in (True, entry.pretrained_on):
        if entry.asset is None:
            raise FacetellError(f"no weights for '{name}' come with facetell; give the path of some as pretrained=...")
        load_pretrained(backbone, locate(entry.asset))
    elif pretrained:
        load_pretrained(backbone, Path(str(pretrained)))
    kind = cast(AnomalyKind, anomaly)
    units = {name: value for name, value in (("hidden", hidden), ("local", local)) if value}
    model = ClipNetwork(config, backbone, num_classes=num_classes, anomaly=kind, dropout=entry.dropout, **units)
    model.architecture = {
        "name": name,
        "motion": motion,
        "clip_frames": clip_frames,
        "size": config.size,
        "num_classes": num_classes,
        **units,
        **overrides,
        **backbone.decided,
    }
    return model


def load_pretrained(backbone: Backbone, path: Path) -> tuple[str, ...]:
    """Load a published checkpoint (.pth, or .onnx as :func:`facetell.models.vit.read_quantised` reads it).

    Returns the names of arrays that it lacks, of new modules. FacetellError: it is missing, or of another network.
    """
    if path.suffix == ".onnx":
        published = vit.read_quantised(path)
    else:
        try:
            published = torch.load(path, map_location="cpu", weights_only=True)
        except (EOFError, OSError, RuntimeError, pickle.UnpicklingError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise FacetellError(f"{path} cannot be read as a torch checkpoint ({reason}); give a .pth file") from None
    state, own = backbone.from_published(published), backbone.state_dict()
    unfit = sorted(name for name, v in state.items() if name not in own or own[name].shape != v.shape)
    # Old checkpoints do not have the counters of batch norms.
    new = tuple(name for name in own if name not in state and not name.endswith("num_batches_tracked"))
    absent = sorted(name for name in new if not {"temporal", "motion"} & {*name.split(".")})
    if unfit or absent:
        raise FacetellError(
            f"{path} is not a checkpoint of this network ({len(unfit)} of its arrays do not fit, {len(absent)} are "
            f"absent, such as '{(unfit + absent)[0]}'); give one that is"
        )
    backbone.load_state_dict(state, strict=False)
    return new


def _choose(what: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise FacetellError(f"there is no {what} '{given}'; choose one of {', '.join(known)}")


def parameters(model: ClipNetwork) -> int:
    """Number of trainable values, including the anomaly block if there is one."""
    return sum(parameter.numel() for parameter in model.parameters())


def multiply_adds(model: ClipNetwork) -> int:
    """Multiply-adds of all convolutions and matrix products for one clip; on the "meta" device nothing is computed."""
    config = model.config
    clip = torch.zeros(1, config.clip_frames, 3, config.size, config.size, device=next(model.parameters()).device)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(clip)
    return int(counter.get_total_flops()) // 2


def model_rows() -> Iterator[tuple[str, ...]]:
    """A row (:data:`HEAD`) for each network, as exported, and each motion module that it supports, "none" first."""
    for name, entry in MODELS.items():
        for motion in reversed(entry.motions):
            with torch.device("meta"):  # shapes only; counting inside the context takes twice the time
                model = create_model(name, motion, "none")
            clip = f"{model.config.clip_frames} x {model.config.size}²"
            yield name, motion, clip, f"{parameters(model) / 1e6:.2f}", f"{multiply_adds(model) / 1e9:.2f}"
