"""The registry: every network by name, held to one contract (``tests/models/test_contract.py``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from facetell.assets import locate
from facetell.models import lite
from facetell.models.blocks import MotionKind
from facetell.models.network import AnomalyKind, Backbone, ClipNetwork, ModelConfig
from facetell.types import FacetellError


@dataclass(frozen=True, slots=True)
class Entry:
    """One network of the zoo.

    Attributes:
        config: its defaults.
        build: backbone from ``motion`` and further overrides.
        rename: ImageNet state dict in published names to the backbone's.
        asset: name of the pinned ImageNet checkpoint, if there is one.
        dropout: default before the classifier.
        about: one line for the table.
    """

    config: ModelConfig
    build: Callable[..., Backbone]
    rename: Callable[[dict[str, Tensor]], dict[str, Tensor]]
    asset: str | None
    dropout: float
    about: str


def _lite(name: str, width: float, depth: float, size: int, dropout: float, asset: str | None = None) -> Entry:
    def build(**overrides: object) -> Backbone:
        return lite.EfficientNetLite(**{"width": width, "depth": depth, **overrides})  # type: ignore[arg-type]

    config = ModelConfig(name, size=size, mean=lite.MEAN, std=lite.STD)
    about = f"EfficientNet-Lite{name[-1]} with CSTM and motion blocks at one depth a stage"
    return Entry(config, build, lite.from_reference_names, asset, dropout, about)


_ENTRIES: dict[str, Entry] = {
    entry.config.name: entry
    for entry in (
        _lite("lite0", 1.0, 1.0, 224, 0.2, "imagenet_lite0"),
        _lite("lite1", 1.0, 1.1, 240, 0.2),
        _lite("lite2", 1.1, 1.2, 260, 0.3),
    )
}


def list_models() -> list[str]:
    """Names for :func:`create_model`."""
    return list(_ENTRIES)


def create_model(
    name: str,
    motion: MotionKind = "mcb",
    anomaly: AnomalyKind = "full",
    clip_frames: int = 8,
    size: int | None = None,
    num_classes: int = 1,
    pretrained: bool | str | Path = False,
    dropout: float | None = None,
    **overrides: object,
) -> ClipNetwork:
    """Build a network.

    Args:
        name: one of :func:`list_models`.
        motion: "mcb", "cmm" or "none".
        anomaly: "full", "no_cls2", "no_l1" or "none".
        clip_frames: T.
        size: side of the input in pixels; the network's own by default.
        num_classes: 1 for forged or not; any number for other video tasks.
        pretrained: True for the pinned ImageNet checkpoint, or the path of one.
        dropout: before the classifier; the network's own by default.
        overrides: further arguments of the backbone (``motion_blocks``, ``drop_path``, ``restore_gain``...).

    Raises:
        FacetellError: unknown name or kind, or no ImageNet checkpoint at hand.
    """
    entry = _entry(name)
    _choose("motion", motion, ("mcb", "cmm", "none"))
    _choose("anomaly", anomaly, ("full", "no_cls2", "no_l1", "none"))
    config = replace(entry.config, clip_frames=clip_frames, size=size or entry.config.size)
    dropout = entry.dropout if dropout is None else dropout
    backbone = entry.build(motion=motion, **overrides)
    if pretrained:
        load_imagenet(backbone, entry, None if pretrained is True else Path(pretrained))
    model = ClipNetwork(config, backbone, num_classes=num_classes, anomaly=anomaly, dropout=dropout)
    model.architecture = {
        "name": name,
        "motion": motion,
        "clip_frames": clip_frames,
        "size": config.size,
        "num_classes": num_classes,
        **overrides,
    }
    return model


def load_imagenet(backbone: Backbone, entry: Entry, path: Path | None) -> list[str]:
    """Load an ImageNet checkpoint in published names; returns the names of the parameters it does not have.

    Raises:
        FacetellError: no checkpoint is at hand, or it is of another network.
    """
    if path is None:
        if entry.asset is None:
            raise FacetellError(
                f"no ImageNet checkpoint for '{entry.config.name}' comes with facetell; "
                "give the path of one as pretrained=..."
            )
        path = locate(entry.asset)
    state = entry.rename(torch.load(path, map_location="cpu", weights_only=True))
    own = backbone.state_dict()
    unfit = [k for k, v in state.items() if k not in own or own[k].shape != v.shape]
    if unfit:
        raise FacetellError(
            f"{path} is not a checkpoint of '{entry.config.name}' ({len(unfit)} of its arrays do not fit, such as "
            f"'{unfit[0]}'); give one that is"
        )
    missing, _ = backbone.load_state_dict(state, strict=False)
    return list(missing)


def _entry(name: str) -> Entry:
    _choose("model", name, tuple(_ENTRIES))
    return _ENTRIES[name]


def _choose(what: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise FacetellError(f"there is no {what} '{given}'; choose one of {', '.join(known)}")
