"""Write and read checkpoints, and check that a run is resumed with the same configuration and data.

``checkpoint.pt`` holds what a run needs to resume, ``best.pt`` the averaged weights with the best validation score.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from facetell.train.config import TrainConfig
from facetell.train.reading import merge, plain
from facetell.types import FacetellError

CHECKPOINT, BEST = "checkpoint.pt", "best.pt"
FREE = ("steps", "machine", "data.folders", "data.cache", "data.cache_gb")
"""Settings that may differ when a run is resumed: its length, the hardware, and the location of the data.

With another number of ``steps`` the learning rate follows the schedule of the new number from there on.
"""


def save(state: Mapping[str, Any], path: Path) -> None:
    """Write a checkpoint atomically.

    Raises:
        FacetellError: it cannot be written; the old one is unchanged.
    """
    temporary = path.with_name(f".{path.name}.tmp")
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


def load(path: Path, device: str = "cpu") -> dict[str, Any]:
    """Read a checkpoint.

    Raises:
        FacetellError: it is missing or not a checkpoint.
    """
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise FacetellError(f"there is no checkpoint at {path}; name the folder of a training run") from None
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FacetellError(f"{path} is not a checkpoint ({reason}); remove it to start again") from None
    if not isinstance(state, dict) or "config" not in state:
        raise FacetellError(f"{path} is not a checkpoint of a training run; name one that is")
    return state


def check_config(old: Mapping[str, Any], new: TrainConfig, out: Path) -> None:
    """Refuse to resume a run with another configuration, except for :data:`FREE`.

    Args:
        old: the configuration of the checkpoint; settings that did not exist then have their defaults.
        new: the configuration of this run.
        out: folder of the run, for the message.

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


def check_data(old: Mapping[str, Any], new: Mapping[str, Any], out: Path) -> None:
    """Refuse to resume a run with other data, given as fingerprints (:func:`facetell.train.corpus.fingerprint`).

    Raises:
        FacetellError: the data differ; the message says whether in the manifests or in the clips.
    """
    if old == new:
        return
    if old["rows"] != new["rows"]:
        what = f"the rows of its manifests differ ({old['clips']} clips of train and val then, {new['clips']} now)"
    else:
        what = "its manifests are the same, but the contents of prepared clips differ"
    raise FacetellError(
        f"the run in {out} was started with other data: {what}; "
        "set data.folders to the folders as they were, or start another run with --out"
    )


def _flat(tree: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{above}{key}"
        flat |= _flat(value, f"{name}.") if isinstance(value, dict) and value else {name: value}
    return flat
