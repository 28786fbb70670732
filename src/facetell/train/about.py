"""What a model card has to tell of a run: its data, its device, its code."""

from __future__ import annotations

import platform
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch

from facetell import __version__
from facetell.train.corpus import Recording


def data_line(recordings: Sequence[Recording]) -> str:
    """Counts of what was trained on.

    >>> data_line([])
    '0 real clips of 0 people'
    """
    entries = [r.entry for r in recordings]
    reals = [e for e in entries if e.label == 0]
    people = {(e.dataset, e.identity or e.video) for e in reals}
    line = f"{len(reals)} real clips of {len(people)} people"
    methods = Counter(e.method or "unnamed" for e in entries if e.label == 1)
    if methods:
        line += f", {methods.total()} forged ({', '.join(f'{m} {n}' for m, n in sorted(methods.items()))})"
    names = sorted({e.dataset for e in entries} - {""})
    return f"{line}, from {', '.join(names)}" if names else line


def device_line(device: torch.device, world: int) -> str:
    """What it ran on."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.machine()} CPU"
    return f"{world} x {name}, torch {torch.__version__}"


def code_line() -> str:
    """Version of the package and, in a working copy, the revision."""
    here = Path(__file__).parent
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            cwd=here,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return f"facetell {__version__}"
    revision = found.stdout.strip() if found.returncode == 0 else ""
    return f"facetell {__version__}, revision {revision}" if revision else f"facetell {__version__}"


def time_line(seconds: float) -> str:
    """A duration for people.

    >>> time_line(4000)
    '1.1 hours'
    """
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.0f} minutes"
