"""Write checkpoints, and check that a run is resumed with the same configuration and data.

``checkpoint.pt`` holds what a run needs to resume, ``best.pt`` the averaged weights with the best validation score.
"""

from __future__ import annotations

import os
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
