"""Lines of the model card about a run: its data, device, code and duration."""

from __future__ import annotations

import os
import platform
import subprocess
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch

import facetell
from facetell.train.corpus import Recording


def data_line(recordings: Sequence[Recording]) -> str:
    """Counts of the clips that a run is trained on.

    >>> data_line([])
    '0 real clips of 0 identities'
    """
    entries = [r.entry for r in recordings]
    reals = [e for e in entries if e.label == 0]
    identities = {(e.dataset, e.identity or e.video) for e in reals}
    line = f"{len(reals)} real clips of {len(identities)} identities"
    methods = Counter(e.method or "unnamed" for e in entries if e.label == 1)
    if methods:
        line += f", {methods.total()} forged ({', '.join(f'{m} {n}' for m, n in sorted(methods.items()))})"
    names = sorted({e.dataset for e in entries} - {""})
    return f"{line}, from {', '.join(names)}" if names else line


def device_line(device: torch.device, world: int) -> str:
    """Number and name of the devices, and the version of torch."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.machine()} CPU"
    return f"{world} x {name}, torch {torch.__version__}"


def code_line(package: Path = Path(facetell.__file__).parent) -> str:
    """Version of the package, and the revision if ``package`` is a checkout of its own repository.

    The revision of another repository around it, such as that of a project with this package installed in its virtual
    environment, is not reported.
    """
    version = f"facetell {facetell.__version__}"
    root = package.resolve().parent.parent  # src layout
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
        own = package.resolve().parent.name == "src" and (root / ".git").exists() and project["name"] == "facetell"
        # In a git hook, variables of the environment name another repository.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
        words = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
        found = own and subprocess.run(words, cwd=root, env=environment, capture_output=True, text=True, timeout=10)
    except (OSError, ValueError, KeyError, subprocess.TimeoutExpired):
        return version
    return f"{version}, revision {found.stdout.strip()}" if found and found.returncode == 0 else version


def time_line(seconds: float) -> str:
    """A duration in hours or minutes.

    >>> time_line(4000)
    '1.1 hours'
    """
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.0f} minutes"
