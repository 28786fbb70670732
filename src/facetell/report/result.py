"""The versioned JSON result. Its schema is ``result.schema.json`` beside this file.

Nothing in it depends on when or how fast it was made: the same file, model and settings on the same machine give the
same bytes.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from facetell.types import Box, FacetellError, VideoVerdict

SCHEMA_PATH = Path(__file__).with_name("result.schema.json")
SCHEMA_VERSION = "1.0"
TRANSIENT = {"seconds_spent"}


def to_result(verdicts: Sequence[VideoVerdict]) -> dict[str, Any]:
    """The result of a run as plain dicts, lists, strings and numbers, valid under the schema."""
    return {"schema": "facetell.result", "version": SCHEMA_VERSION, "videos": [_plain(v) for v in verdicts]}


def write_result(verdicts: Sequence[VideoVerdict], path: Path) -> None:
    """Write the result as JSON; the file appears whole or not at all.

    Raises:
        FacetellError: the file cannot be written.
    """
    write_text(path, json.dumps(to_result(verdicts), indent=2, ensure_ascii=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write a text file through a temporary neighbour, so that it is never seen half-written.

    Raises:
        FacetellError: the folder or file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise FacetellError(f"cannot write {path}: {error.strerror}; choose another place") from None


def check_writable(path: Path, keep: Iterable[Path] = ()) -> None:
    """Make sure, before hours of work, that ``path`` can be written; its folder is made where it is missing.

    Raises:
        FacetellError: it cannot, or is one of the files to ``keep``, such as a video that is to be scored.
    """
    # All of os.path, which unlike Path takes links that lead in a circle and folders that may not be looked into.
    if os.path.isdir(path):  # noqa: PTH112
        raise FacetellError(f"cannot write {path}: it is a folder; name a file in it")
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113
        raise FacetellError(f"cannot write {path}: it is a device or a pipe; name a file")
    if os.path.realpath(path) in {os.path.realpath(other) for other in keep}:
        raise FacetellError(f"cannot write {path}: it is named for something else as well; choose another file")
    probe = path.with_name(f".{path.name}.{os.getpid()}.probe")
    write_text(probe, "")
    probe.unlink()


def _plain(value: Any) -> Any:
    if isinstance(value, Box):
        return [round(side, 2) for side in value]
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value) if f.name not in TRANSIENT}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, str):
        # A file name that is not UTF-8 comes as lone surrogates, which JSON cannot carry.
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    return value
