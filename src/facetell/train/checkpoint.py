"""Checkpoints: written whole or not at all, found again, and cut into pieces that travel and join.

``checkpoint.pt`` is all that a run needs to go on, ``best.pt`` the averaged weights that ``val`` liked best.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import pickle
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from facetell.report.result import write_text
from facetell.types import FacetellError

CHECKPOINT, BEST, BUNDLE = "checkpoint.pt", "best.pt", "bundle"
CARRIED = (CHECKPOINT, BEST, "config.yaml", "log.jsonl")
PIECE = 15_000_000  # bytes
INDEX = "pieces.json"


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


def bundle(run: Path, piece: int = PIECE) -> list[Path]:
    """Cut what a run needs to go on into files of at most ``piece`` bytes under ``run/bundle``.

    Returns:
        The pieces and their index, which names their sha256.
    """
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for name in CARRIED:
            if (run / name).exists():
                archive.add(run / name, name)
    data = whole.getbuffer()
    folder = run / BUNDLE
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    paths, digests = [], {}
    for number, start in enumerate(range(0, len(data), piece)):
        path = folder / f"piece.{number:03d}"
        path.write_bytes(data[start : start + piece])
        digests[path.name] = hashlib.sha256(data[start : start + piece]).hexdigest()
        paths.append(path)
    write_text(folder / INDEX, json.dumps(digests, indent=1) + "\n")
    return [*paths, folder / INDEX]


def unbundle(run: Path) -> bool:
    """Join the pieces under ``run/bundle`` where the run has no checkpoint of its own; says whether it did.

    Raises:
        FacetellError: a piece is missing or not the one that was written.
    """
    index = run / BUNDLE / INDEX
    if (run / CHECKPOINT).exists() or not index.exists():
        return False
    parts = []
    for name, digest in json.loads(index.read_text(encoding="utf-8")).items():
        path = run / BUNDLE / name
        part = path.read_bytes() if path.exists() else b""
        if hashlib.sha256(part).hexdigest() != digest:
            raise FacetellError(f"{path} is missing or was changed on its way; fetch it again")
        parts.append(part)
    with tarfile.open(fileobj=io.BytesIO(b"".join(parts))) as archive:
        for name in reversed(CARRIED):  # the checkpoint last: where it stands, the rest is there
            if name in archive.getnames():
                archive.extract(name, run, filter="data")
    return True
