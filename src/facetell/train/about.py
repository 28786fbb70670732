"""Lines of the model card on a run: its data, its device, its code, its duration."""

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
    """Counts of the clips that a run trains on.

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
    """Number and name of the devices, and the version of torch."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{platform.machine()} CPU"
    return f"{world} x {name}, torch {torch.__version__}"


def code_line(package: Path = Path(facetell.__file__).parent) -> str:
    """Version of the package and, if it is a checkout of its own repository, the revision.

    Args:
        package: folder of the package. A repository that only surrounds it, such as that of a project whose virtual
            environment it is installed in, says nothing of its code.
    """
    version = f"facetell {facetell.__version__}"
    root = package.resolve().parent.parent  # src layout
    if package.resolve().parent.name != "src" or not (root / ".git").exists() or _project_name(root) != "facetell":
        return version
    # Within a hook of git, these variables name another repository.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=10,
        )
    except (OSError, subprocess.TimeoutExpired):
        return version
    revision = found.stdout.strip() if found.returncode == 0 else ""
    return f"{version}, revision {revision}" if revision else version


def _project_name(root: Path) -> str:
    try:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    except (OSError, ValueError):
        return ""
    return str(project.get("name", ""))


def time_line(seconds: float) -> str:
    """A duration in hours or minutes.

    >>> time_line(4000)
    '1.1 hours'
    """
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds / 60:.0f} minutes"
