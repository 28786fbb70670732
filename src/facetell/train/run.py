"""What training runs share: when to stop, the device, checkpoints, the log, and a record of data and code.

``checkpoint.pt`` holds what a run needs to resume, ``best.pt`` the averaged weights with the best validation score.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import subprocess
import sys
import time
import zipfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import torch
from pydantic import ValidationError

import facetell
from facetell.datasets.manifest import Entry
from facetell.engine.info import invalid_field
from facetell.files import temporary_beside
from facetell.models.export import info_of, model_from_onnx
from facetell.models.network import ClipNetwork
from facetell.models.zoo import create_model
from facetell.runtime import on_stop
from facetell.train.config import MachineConfig, TrainConfig, merge, plain
from facetell.types import FacetellError

CHECKPOINT, BEST, LOG = "checkpoint.pt", "best.pt", "log.jsonl"
FREE = ("steps", "machine", "data.folders", "data.cache", "data.cache_gb")
"""Settings that may differ when a run is resumed: its length, the hardware, and the location of the data.

With another number of ``steps`` the learning rate follows the schedule of the new number from there on.
"""
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
    """The configured device; also sets the number of CPU threads.

    Raises:
        FacetellError: there is no GPU.
    """
    kind = config.device if config.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    if kind == "cuda" and not torch.cuda.is_available():
        raise FacetellError("there is no GPU; set machine.device=cpu")
    if config.threads:
        torch.set_num_threads(config.threads)
    return torch.device(kind)


def save(state: Mapping[str, Any], path: Path) -> None:
    """Write a checkpoint atomically.

    Raises:
        FacetellError: it cannot be written; the old one is unchanged.
    """
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
    """The content of a checkpoint.

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


def network_of(config: Mapping[str, Any], pretrained: str | bool = False) -> ClipNetwork:
    """The network of a training configuration, as a checkpoint stores it.

    Raises:
        FacetellError: see :func:`facetell.models.zoo.create_model`.
    """
    batch = config["batch"]
    return create_model(
        config["model"],
        motion=config["motion"] or None,
        anomaly=config["anomaly"],
        clip_frames=batch["clip_frames"],
        size=batch["size"],
        pretrained=pretrained,
        frame_rate=batch.get("frame_rate"),  # checkpoints of early versions do not have it
        crop_scale=batch.get("crop_scale"),
        **config.get("overrides", {}),
    )


def read_trained(path: Path) -> tuple[ClipNetwork, dict[str, str]]:
    """The network of a checkpoint (its averaged weights) or of a model file, and the metadata of its model file.

    The network is in evaluation mode.

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
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise FacetellError(f"{path} is not a checkpoint of a training run ({reason}); give one that is") from None
    try:
        name = path.stem if path.stem != "checkpoint" else path.resolve().parent.name
        info = info_of(model, name, training={"steps": state.get("step"), "config": state["config"]})
    except ValidationError as error:
        raise FacetellError(f"{path} cannot become a model file: {invalid_field(error)}; train another") from None
    return model.eval(), info.to_metadata()


def check_config(old: Mapping[str, Any], new: TrainConfig, out: Path) -> None:
    """Refuse to resume the run in ``out`` with another configuration than its ``old`` one, except for :data:`FREE`.

    Settings that did not exist then have their defaults.

    Raises:
        FacetellError: a setting differs; the message names it and both values.
    """
    now, before = _flat(plain(new)), _flat(merge(plain(TrainConfig()), old))
    for key in sorted({*now, *(key for key in before if key.startswith("overrides"))}):
        free = any(key == name or key.startswith(f"{name}.") for name in FREE)
        if not free and before.get(key) != now.get(key):
            raise FacetellError(
                f"the run in {out} was started with {key}={before.get(key)}, not {now.get(key)}; "
                "set it as it was, or start another run with --out"
            )


def _flat(tree: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{above}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, dict) and value else {name: value}
    return flat


def check_data(old: Mapping[str, Any], new: Mapping[str, Any], out: Path) -> None:
    """Refuse to resume a run with other data, given as fingerprints (:func:`facetell.train.corpus.fingerprint`).

    Raises:
        FacetellError: the data differ; the message says whether in the manifests or in the clips.
    """
    if old == new:
        return
    what = "its manifests are the same, but the contents of prepared clips differ"
    if old["rows"] != new["rows"]:
        what = f"the rows of its manifests differ ({old['clips']} clips of train and val then, {new['clips']} now)"
    raise FacetellError(
        f"the run in {out} was started with other data: {what}; "
        "set data.folders to the folders as they were, or start another run with --out"
    )


def trim_log(out: Path, step: int) -> None:
    """Remove the lines of an earlier attempt about steps after ``step`` from the log of a run."""
    path = out / LOG
    if path.exists():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
        path.write_text("".join(kept), encoding="utf-8")


def log(out: Path, step: int, what: str, values: Mapping[str, float]) -> None:
    """Add a line to the log of a run, and print its main figures; ``what`` is "train" or "val"."""
    cells = {name: round(value, 5) if math.isfinite(value) else None for name, value in values.items()}
    with (out / LOG).open("a", encoding="utf-8") as stream:
        stream.write(json.dumps({"step": step, "what": what} | cells) + "\n")
    shown = "  ".join(f"{name} {value:.4g}" for name, value in values.items() if name in SHOWN)
    print(f"step {step} {what}: {shown}", file=sys.stderr, flush=True)


def means(values: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean of each value over the steps that have it.

    >>> means([{"loss": 1.0}, {"loss": 2.0, "hit/sbv": 1.0}])
    {'hit/sbv': 1.0, 'loss': 1.5}
    """
    found: dict[str, list[float]] = defaultdict(list)
    for one in values:
        for key, value in one.items():
            found[key].append(value)
    return {key: sum(group) / len(group) for key, group in sorted(found.items())}


def data_line(entries: Sequence[Entry]) -> str:
    """Counts of the clips that a run is trained on, for the card.

    >>> data_line([Entry("a.mp4", 0, "train"), Entry("b.mp4", 1, "train", method="G")])
    '1 real clips of 1 identities, 1 forged (G 1)'
    """
    reals = [entry for entry in entries if entry.label == 0]
    methods = Counter(entry.method or "unnamed" for entry in entries if entry.label == 1)
    forged = f", {methods.total()} forged ({', '.join(f'{m} {n}' for m, n in sorted(methods.items()))})"
    identities = {(entry.dataset, entry.identity or entry.video) for entry in reals}
    return f"{len(reals)} real clips of {len(identities)} identities{forged if methods else ''}"


def code_line(package: Path = Path(facetell.__file__).parent) -> str:
    """Version of the package, and its revision if ``package`` is in a git checkout (``src`` layout)."""
    version, root = f"facetell {facetell.__version__}", package.resolve().parent.parent
    if not (root / ".git").exists():
        return version
    # In a git hook, variables of the environment name another repository.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    words = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        found = subprocess.run(words, cwd=root, env=environment, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return version
    return f"{version}, revision {found.stdout.strip()}"
