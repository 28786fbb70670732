"""The registry of networks; ``tests/models/test_contract.py`` tests all of them alike."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast, get_args

import torch
from torch import Tensor
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
    dropout: float = 0.5  # default before the classifier


def _lite(number: int, width: float, depth: float, size: int, dropout: float, asset: str | None = None) -> Entry:
    return Entry(
        ModelConfig(f"lite{number}", size=size, mean=lite.MEAN, std=lite.STD),
        partial(lite.EfficientNetLite, width=width, depth=depth),
        f"EfficientNet-Lite{number}, motion at several depths",
        asset=asset,
        dropout=dropout,
    )


def _stm(depth: int) -> Entry:
    about = f"STM: ResNet-{depth}, motion in every block"
    return Entry(ModelConfig(f"stm_resnet{depth}"), partial(stm.ResNet, depth), about)


def _plain(depth: int) -> Entry:
    build = partial(stm.ResNet, depth, temporal="none")
    return Entry(ModelConfig(f"resnet{depth}"), build, f"ResNet-{depth}, frames averaged", motions=("none",))


MODELS: dict[str, Entry] = {
    entry.config.name: entry
    for entry in (
        _lite(0, 1.0, 1.0, 224, 0.2, "imagenet_lite0"),
        _lite(1, 1.0, 1.1, 240, 0.2),
        _lite(2, 1.1, 1.2, 260, 0.3),
        *(_stm(depth) for depth in stm.LAYERS),
        _plain(18),
        _plain(50),
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
HEAD = ("network", "motion", "clip", "parameters (M)", "multiply-adds (G)")
"""Columns of the table of all networks, see :func:`model_rows`."""


def create_model(
    name: str,
    motion: str | None = None,
    anomaly: str = "full",
    clip_frames: int = 8,
    size: int | None = None,
    num_classes: int = 1,
    pretrained: bool | str | Path = False,
    dropout: float | None = None,
    *,
    frame_rate: float | None = None,
    crop_scale: float | None = None,
    hidden: int = 0,
    **overrides: object,
) -> ClipNetwork:
    """Build a network.

    Args:
        name: a key of :data:`MODELS`.
        motion: "mcb", "cmm" or "none"; by default "mcb" where the network supports it.
        anomaly: "full", "no_cls2", "no_l1" or "none".
        clip_frames: T.
        size: side of the input in pixels; by default that of the entry.
        num_classes: 1 for forged or not; any number for other video tasks.
        pretrained: True or its name ("imagenet", "clip") for the pinned checkpoint, or the path of one.
        dropout: before the classifier; by default that of the entry.
        frame_rate, crop_scale: of the clips, see :class:`ModelConfig`; they do not change the network.
        hidden: units of the classifier's hidden layer; 0 for a linear one.
        overrides: further arguments of the backbone (``motion_blocks``, ``drop_path``, ``restore_gain``...).

    Raises:
        FacetellError: unknown name or kind, an argument out of range, or no checkpoint.
    """
    entry = _entry(name)
    motion = motion or entry.motions[0]
    _choose(f"motion for '{name}'", motion, entry.motions)
    if "temporal" in overrides:
        _choose("temporal", str(overrides["temporal"]), get_args(TemporalKind))
    _choose("anomaly", anomaly, get_args(AnomalyKind))
    config = replace(
        entry.config,
        clip_frames=clip_frames,
        frame_rate=frame_rate or entry.config.frame_rate,
        size=size or entry.config.size,
        crop_scale=crop_scale or entry.config.crop_scale,
    )
    dropout = entry.dropout if dropout is None else dropout
    sized = {"size": config.size} if entry.build is vit.VisionTransformer else {}
    try:
        backbone = entry.build(motion=motion, **sized, **overrides)
    except TypeError as error:
        raise FacetellError(f"'{name}' does not accept these arguments: {error}; remove that argument") from None
    if pretrained:
        load_pretrained(backbone, name, None if pretrained in (True, entry.pretrained_on) else str(pretrained))
    kind = cast(AnomalyKind, anomaly)
    model = ClipNetwork(config, backbone, num_classes=num_classes, anomaly=kind, dropout=dropout, hidden=hidden)
    model.architecture = {
        "name": name,
        "motion": motion,
        "clip_frames": clip_frames,
        "size": config.size,
        "num_classes": num_classes,
        **({"hidden": hidden} if hidden else {}),
        **overrides,
        **backbone.decided,
    }
    return model


def load_pretrained(backbone: Backbone, name: str, path: str | Path | None = None) -> tuple[str, ...]:
    """Load a published checkpoint into a backbone; only new modules may be absent from it.

    It is the file ``path`` (.pth, or .onnx as :func:`facetell.models.vit.read_quantised` reads it), by default the one
    that is pinned for the network ``name``. Returns the names of the arrays that it does not have.

    Raises:
        FacetellError: there is no checkpoint, or it is of another network.
    """
    entry = _entry(name)
    if path is None:
        if entry.asset is None:
            raise FacetellError(
                f"no pretrained checkpoint for '{name}' comes with facetell; give the path of one as pretrained=..."
            )
        path = locate(entry.asset)
    state = backbone.from_published(_read_checkpoint(Path(path), entry))
    own = backbone.state_dict()
    unfit = sorted(k for k, v in state.items() if k not in own or own[k].shape != v.shape)
    new = tuple(
        array
        for array in own
        if array not in state and not array.endswith("num_batches_tracked")  # old checkpoints do not have the counters
    )
    absent = sorted(array for array in new if not {"temporal", "motion"} & {*array.split(".")})
    if unfit or absent:
        example = (unfit + absent)[0]
        raise FacetellError(
            f"{path} is not a checkpoint of '{name}' ({len(unfit)} of its arrays do not fit, {len(absent)} are absent, "
            f"such as '{example}'); give one that is"
        )
    backbone.load_state_dict(state, strict=False)
    return new


def _read_checkpoint(path: Path, entry: Entry) -> dict[str, Tensor]:
    if path.suffix == ".onnx":
        return vit.read_quantised(path)
    try:
        state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except (EOFError, OSError, RuntimeError, pickle.UnpicklingError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        pinned = f", or '{entry.pretrained_on}'" if entry.asset else ""
        raise FacetellError(
            f"{path} cannot be read as a torch checkpoint ({reason}); give a .pth file{pinned}"
        ) from None
    return state


def _entry(name: str) -> Entry:
    _choose("model", name, tuple(MODELS))
    return MODELS[name]


def _choose(what: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise FacetellError(f"there is no {what} '{given}'; choose one of {', '.join(known)}")


def parameters(model: ClipNetwork) -> int:
    """Number of trainable values, including the anomaly block if there is one."""
    return sum(parameter.numel() for parameter in model.parameters())


def multiply_adds(model: ClipNetwork) -> int:
    """Multiply-adds of all convolutions and matrix products for one clip of the network's own length and size.

    On the "meta" device nothing is computed.
    """
    config = model.config
    clip = torch.zeros(1, config.clip_frames, 3, config.size, config.size, device=next(model.parameters()).device)
    training = model.training
    model.eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(clip)
    model.train(training)
    return int(counter.get_total_flops()) // 2


def model_rows() -> Iterator[tuple[str, ...]]:
    """A row for each network and each motion module that it supports, "none" first, with the columns :data:`HEAD`.

    The networks are as exported: one logit, no anomaly block.
    """
    for name, entry in MODELS.items():
        for motion in reversed(entry.motions):
            with torch.device("meta"):  # shapes only; counting inside the context takes twice the time
                model = create_model(name, motion, "none")
            clip = f"{model.config.clip_frames} x {model.config.size}²"
            yield name, motion, clip, f"{parameters(model) / 1e6:.2f}", f"{multiply_adds(model) / 1e9:.2f}"
