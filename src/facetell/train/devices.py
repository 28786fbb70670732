"""Device, precision and processes, through Lightning Fabric (its own launcher, or torchrun)."""

from __future__ import annotations

import logging
import warnings
from contextlib import AbstractContextManager
from typing import Any

import torch
import torch.distributed
from torch import nn

from facetell.train.config import MachineConfig
from facetell.types import FacetellError, needs_extra


class Devices:
    """What one process knows of all of them.

    With several devices the same command is started once more for each, unless torchrun has done so.

    Raises:
        FacetellError: there is no such device, or Lightning Fabric is missing.
    """

    def __init__(self, config: MachineConfig) -> None:
        try:
            from lightning_fabric import Fabric
        except ImportError:
            raise needs_extra("Training", "train") from None
        logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
        kind = config.device if config.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
        if kind == "cuda" and torch.cuda.device_count() < config.devices:
            raise FacetellError(
                f"there are {torch.cuda.device_count()} GPUs here, not {config.devices}; set machine.devices or "
                "machine.device=cpu"
            )
        if config.threads:
            torch.set_num_threads(config.threads)
        several = config.devices * config.nodes > 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what it would do on other machines
            self._fabric: Any = Fabric(
                accelerator=kind,
                devices=config.devices,
                num_nodes=config.nodes,
                strategy="ddp" if several else "auto",
                precision="bf16-mixed" if config.precision == "bf16" else "32-true",
            )
            self._fabric.launch()
        self.rank: int = self._fabric.global_rank
        self.world: int = self._fabric.world_size
        self.device: torch.device = self._fabric.device
        self.bf16 = config.precision == "bf16"
        self.first = self.rank == 0

    def set_up(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> tuple[nn.Module, Any]:
        """Model and optimiser on the device, wrapped for precision and processes."""
        model, optimizer = self._fabric.setup(model, optimizer)
        return model, optimizer

    def backward(self, loss: torch.Tensor) -> None:
        """Gradients of the loss."""
        self._fabric.backward(loss)

    def no_sync(self, model: nn.Module, enabled: bool) -> AbstractContextManager[None]:
        """Within it, gradients stay on their device: of all parts of a batch but the last."""
        context: AbstractContextManager[None] = self._fabric.no_backward_sync(model, enabled=enabled)
        return context

    def wait(self) -> None:
        """Until all processes are here."""
        self._fabric.barrier()

    def close(self) -> None:
        """Part from the other processes."""
        if self.world > 1:
            torch.distributed.destroy_process_group()

    def any(self, flag: bool) -> bool:
        """Whether the flag is true in any process."""
        if self.world == 1:
            return flag
        flags = torch.tensor([float(flag)], device=self.device)
        torch.distributed.all_reduce(flags, op=torch.distributed.ReduceOp.MAX)
        return bool(flags.item())

    def gather(self, items: list[Any]) -> list[Any]:
        """The items of all processes, in the order of their ranks."""
        if self.world == 1:
            return items
        found: list[list[Any]] = [[] for _ in range(self.world)]
        torch.distributed.all_gather_object(found, items)
        return [item for part in found for item in part]
