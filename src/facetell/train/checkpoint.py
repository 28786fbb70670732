"""Write and read checkpoints.

``checkpoint.pt`` holds what a run needs to resume, ``best.pt`` the averaged weights with the best validation score.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from facetell.types import FacetellError

CHECKPOINT, BEST = "checkpoint.pt", "best.pt"


def save(state: Mapping[str, Any], path: Path) -> None:
    """Write a checkpoint; whatever happens meanwhile, ``path`` holds the old or the new one.

    Raises:
        FacetellError: it cannot be written (the old one is left as it was).
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
        raise FacetellError(f"cannot write {path} ({reason}); make room, then run the same command again") from None


def load(path: Path, device: str = "cpu") -> dict[str, Any]:
    """Read a checkpoint.

    Raises:
        FacetellError: it is missing or no checkpoint.
    """
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise FacetellError(f"there is no checkpoint at {path}; name the folder of a training run") from None
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FacetellError(f"{path} is not a checkpoint ({reason}); take it away to begin anew") from None
    if not isinstance(state, dict) or "config" not in state:
        raise FacetellError(f"{path} is not a checkpoint of a training run; name one that is")
    return state
