"""Checks that a run is resumed with the configuration and the data that it was started with."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from facetell.datasets.manifest import row_text
from facetell.train.config import TrainConfig
from facetell.train.corpus import Recording
from facetell.train.reading import plain
from facetell.types import FacetellError

FREE = ("steps", "machine", "data.folders", "data.cache", "data.cache_gb", "val.patience")
"""Settings that may differ when a run is resumed: how long it trains, on what, and where its data are.

With another number of ``steps`` the learning rate follows the schedule of the new number from there on. The folders may
have moved: what they hold is checked by :func:`check_data`.
"""


def check_config(old: Mapping[str, Any], new: Mapping[str, Any], out: Path) -> None:
    """Refuse to resume a run with another configuration, except for :data:`FREE`.

    Args:
        old: as the checkpoint has it; settings that did not exist then have their defaults, and ``sync_norm: true`` of
            earlier versions is what is always done now.
        new: as it is given now.
        out: folder of the run, for the message.

    Raises:
        FacetellError: a setting differs; the message names it and both values.
    """
    now = _flat(new)
    before = {key: value for key, value in _flat(plain(TrainConfig())).items() if key in now} | _flat(old)
    if before.get("sync_norm") is True:
        del before["sync_norm"]
    for key in sorted(before.keys() | now.keys()):
        free = any(key == name or key.startswith(f"{name}.") for name in FREE)
        if not free and before.get(key) != now.get(key):
            raise FacetellError(
                f"the run in {out} was started with {key}={before.get(key)}, not {now.get(key)}; "
                "set it as it was, or start another run with --out"
            )


def fingerprint(recordings: Sequence[Recording]) -> dict[str, Any]:
    """Number of clips, sha256 of their manifest rows, and sha256 of their contents, in this order.

    The place of the folders and the times of the files do not matter: a copy has the same fingerprint.
    """
    rows, contents = hashlib.sha256(), hashlib.sha256()
    for recording in recordings:
        rows.update(row_text(recording.entry, groups=True))
        contents.update(recording.sha256.encode())
    return {"clips": len(recordings), "rows": rows.hexdigest(), "contents": contents.hexdigest()}


def check_data(old: Mapping[str, Any] | None, new: Mapping[str, Any], out: Path) -> None:
    """Refuse to resume a run with other data.

    Args:
        old: fingerprint in the checkpoint; None in those of earlier versions, whose data cannot be checked.
        new: fingerprint of the data that are given now.
        out: folder of the run, for the message.

    Raises:
        FacetellError: the data differ; the message says whether in the manifests or in the clips.
    """
    if old is None or old == new:
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
