"""The start of a run: its network with initial weights, and its devices."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import torch

from facetell.models.convert import network_of
from facetell.models.export import continue_from
from facetell.models.network import ClipNetwork
from facetell.models.zoo import MODELS
from facetell.train.config import MachineConfig, TrainConfig
from facetell.train.reading import plain
from facetell.types import FacetellError, needs_extra

PINNED = ("imagenet", "clip")


def build_network(config: TrainConfig, pretrained: bool) -> ClipNetwork:
    """The network of a run, channels-last; with the weights of ``config.pretrained`` if ``pretrained``.

    Raises:
        FacetellError: see :func:`facetell.models.zoo.create_model`; or the pinned weights are not of this network.
    """
    start: bool | str = False
    if pretrained and config.pretrained in PINNED:
        start = True
        own = MODELS[config.model].pretrained_on if config.model in MODELS else config.pretrained
        if config.pretrained != own:
            raise FacetellError(
                f"the weights of {config.model} are not pretrained on {config.pretrained}; set pretrained={own}"
            )
    elif pretrained and not is_trained(config):
        start = config.pretrained
    network = network_of(plain(config), start)
    if pretrained and is_trained(config):
        continue_from(network, config.pretrained)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def is_trained(config: TrainConfig) -> bool:
    """Whether the start is a trained model of the same network, with its motion modules."""
    return config.pretrained.endswith(".onnx")


def launch(config: MachineConfig) -> Any:
    """Lightning Fabric for the configured device and precision; with several devices, a process for each.

    Raises:
        FacetellError: there is no such device, or Lightning Fabric is missing.
    """
    try:
        from lightning_fabric import Fabric
    except ImportError:
        raise needs_extra("Training", "train") from None
    for name in ("lightning.fabric", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    kind = config.device if config.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    if kind == "cuda" and torch.cuda.device_count() < config.devices:
        raise FacetellError(
            f"there are {torch.cuda.device_count()} GPUs, not {config.devices}; set machine.devices or "
            "machine.device=cpu"
        )
    if config.threads:
        torch.set_num_threads(config.threads)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about other accelerators
        fabric = Fabric(
            accelerator=kind,
            devices=config.devices,
            strategy="ddp" if config.devices > 1 else "auto",
            precision="bf16-mixed" if config.precision == "bf16" else "32-true",
        )
        fabric.launch()
    return fabric
