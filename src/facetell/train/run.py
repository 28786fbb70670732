"""What training runs share: when to stop, the device, checkpoints, the log, and a record of data and code.

``checkpoint.pt`` holds what a run needs to resume, ``best.pt`` the averaged weights with the best validation score.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import torch

import facetell
from facetell.files import temporary_beside
from facetell.models.export import info_of, model_from_onnx
from facetell.models.network import ClipNetwork
from facetell.models.zoo import create_model
from facetell.runtime import on_stop
from facetell.train.config import MachineConfig, TrainConfig, build
from facetell.types import FacetellError

CHECKPOINT, BEST, LOG = "checkpoint.pt", "best.pt", "log.jsonl"
FREE = ("steps", "machine", "data.folders", "data.cache", "data.cache_gb")
"""Settings that may differ when a run is resumed: its length, the hardware, and the location of the data."""
SHOWN = {"loss", "cls1", "cls2", "l1", "clips_per_second", "waiting", "auc", "auc_low", "auc_high"}


class Stop(ExitStack):
    """Within ``with``, the first SIGINT, SIGTERM or SIGHUP, or the end of ``minutes``, requests a stop."""

    def __init__(self, minutes: float = math.inf) -> None:
        super().__init__()
        self._until = time.monotonic() + 60 * minutes
        self.reason = ""

    def __enter__(self) -> Self:
        self.enter_context(on_stop(self._note))
        return self

    def asked(self, ahead: float = 0.0) -> bool:
        """Whether to stop now; ``ahead`` is the expected duration of the next step in seconds."""
        if not self.reason and time.monotonic() + ahead >= self._until:
            self.reason = "the time limit is reached"
        return bool(self.reason)

    def _note(self, name: str) -> None:
        self.reason = "it was asked to stop"


def device_of(config: MachineConfig) -> torch.device:
    """The configured device; also sets the number of CPU threads. FacetellError: there is no GPU."""
    kind = config.device if config.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    if kind == "cuda" and not torch.cuda.is_available():
        raise FacetellError("there is no GPU; set machine.device=cpu")
    if config.threads:
        torch.set_num_threads(config.threads)
    return torch.device(kind)


def save(state: Mapping[str, Any], path: Path) -> None:
    """Write a checkpoint atomically. FacetellError: it cannot be written; the old one is unchanged."""
    temporary = temporary_beside(path)
    try:
        with temporary.open("wb") as stream:
            torch.save(dict(state), stream)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    except (OSError, RuntimeError) as error:  # torch wraps a full disk into a RuntimeError
        temporary.unlink(missing_ok=True)
        reason = str(error).splitlines()[0]
        raise FacetellError(f"cannot write {path} ({reason}); free some space and run the same command again") from None


def read_checkpoint(path: Path, device: str = "cpu") -> dict[str, Any]:
    """The content of a checkpoint. FacetellError: it is missing or not a checkpoint."""
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise FacetellError(f"there is no checkpoint at {path}; give one of a training run, or a model file") from None
    except Exception:  # unpickling a foreign file may raise anything
        state = None
    if not isinstance(state, dict) or "config" not in state:
        raise FacetellError(f"{path} is not a checkpoint of a training run; give one that is, or a model file (.onnx)")
    return state


def network_of(config: TrainConfig, pretrained: str = "") -> ClipNetwork:
    """The network of a configuration, with random or ``pretrained`` weights. FacetellError: it cannot be built."""
    return create_model(
        config.model,
        motion=config.motion or None,
        anomaly=config.anomaly,
        clip_frames=config.batch.clip_frames,
        size=config.batch.size,
        pretrained=pretrained,
        frame_rate=config.batch.frame_rate,
        crop_scale=config.batch.crop_scale,
        **config.overrides,
    )


def read_trained(path: Path) -> tuple[ClipNetwork, dict[str, str]]:
    """Network, to evaluate, and metadata of a checkpoint's average or a model file. FacetellError: it is neither."""
    if path.suffix == ".onnx":
        metadata, model = model_from_onnx(path)
        return model, metadata
    state = read_checkpoint(path)
    try:
        model = network_of(build(TrainConfig, state["config"], str(path)))
        model.load_state_dict(state["average"])
    except (KeyError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise FacetellError(f"{path} is not a checkpoint of a training run ({reason}); give one that is") from None
    name = path.stem if path.stem != "checkpoint" else path.resolve().parent.name
    info = info_of(model, name, training={"steps": state.get("step"), "config": state["config"]})
    return model.eval(), info.to_metadata()


def check_config(old: Mapping[str, Any], new: TrainConfig, out: Path) -> None:
    """FacetellError: the run in ``out`` has another configuration than ``new``, except for :data:`FREE`."""
    before, now = _flat(old), _flat(asdict(new))
    for key in sorted(before.keys() | now.keys()):
        if before.get(key) != now.get(key) and not any(f"{key}.".startswith(f"{name}.") for name in FREE):
            raise FacetellError(
                f"the run in {out} was started with {key}={before.get(key)}, not {now.get(key)}; "
                "set it as it was, or start another run with --out"
            )


def _flat(tree: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{above}{key}.") if isinstance(value, dict) else {f"{above}{key}": value}
    return flat


def trim_log(out: Path, step: int) -> None:
    """Remove the lines of an earlier attempt about steps after ``step`` from the log of a run."""
    path = out / LOG
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
        path.write_text("".join(kept), encoding="utf-8")


def log(out: Path, step: int, what: str, values: Mapping[str, float], shown: bool = True) -> None:
    """Add a line to the log of a run, and print its main figures if ``shown``; ``what`` is "train" or "val"."""
    cells = {name: round(value, 5) if math.isfinite(value) else None for name, value in values.items()}
    with (out / LOG).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"step": step, "what": what} | cells) + "\n")
    if shown:
        figures = "  ".join(f"{name} {value:.4g}" for name, value in values.items() if name in SHOWN)
        print(f"step {step} {what}: {figures}", file=sys.stderr, flush=True)


def code_line() -> str:
    """Version of the package, and its revision if it is in a git checkout (``src`` layout)."""
    version, root = f"facetell {facetell.__version__}", Path(facetell.__file__).resolve().parents[2]
    # Named, as variables of the environment name another repository in a git hook.
    where = [f"--git-dir={root / '.git'}", f"--work-tree={root}"]
    words = ["git", *where, "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        found = subprocess.run(words, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return version
    return f"{version}, revision {found.stdout.strip()}"
