"""The versioned JSON result. Its schema is ``result.schema.json`` beside this file.

Nothing in it depends on when or how fast it was made: the same file, model and settings on the same machine give the
same bytes.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from facetell.files import temporary_beside
from facetell.types import Box, ClipScore, FacetellError, VideoVerdict

SCHEMA_PATH = Path(__file__).with_name("result.schema.json")
SCHEMA_VERSION = "1.2"
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
    """Write a text file through a temporary neighbour, so that it is never seen half-written; a link stays a link.

    Raises:
        FacetellError: the folder or file cannot be written.
    """
    target = _target(path)
    temporary = temporary_beside(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(target)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise _fault(path, error) from None


def check_writable(path: Path, keep: Iterable[Path] = ()) -> None:
    """Make sure, before hours of work, that ``path`` can be written; its folder is made where it is missing.

    Raises:
        FacetellError: it cannot, or is one of the files to ``keep``, such as a video that is to be scored.
    """
    check_all_writable([path], keep)


def check_all_writable(paths: Iterable[Path], keep: Iterable[Path] = ()) -> None:
    """As :func:`check_writable`, of many files, of which no two may be the same.

    Raises:
        FacetellError: one cannot be written, is named twice, or is one to ``keep`` or in a folder to ``keep``.
    """
    taken = {os.path.realpath(other) for other in keep}
    probed: set[Path] = set()
    for path in paths:
        target = _target(path)
        if str(target) in taken:
            raise FacetellError(f"cannot write {path}: it is named for something else as well; choose another place")
        # A folder of pictures is a video, and is none with a file more.
        if str(target.parent) in taken and target.parent.is_dir():
            raise FacetellError(f"cannot write {path}: its folder is one of the videos; choose another place")
        taken.add(str(target))
        if target.parent not in probed:
            _probe(path, target)
            probed.add(target.parent)
        try:
            target.lstat()
        except FileNotFoundError:
            pass
        except OSError as error:  # such as a name that is too long
            raise _fault(path, error) from None


def _probe(path: Path, target: Path) -> None:
    probe = target.with_name(f".{os.getpid()}.probe")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise _fault(path, error) from None


def _target(path: Path) -> Path:
    """The file that is written for ``path``: where it is a link, what it leads to."""
    # All of os.path, which unlike Path takes links that lead in a circle and folders that may not be looked into.
    if os.path.isdir(path):  # noqa: PTH112
        raise FacetellError(f"cannot write {path}: it is a folder; name a file in it")
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113
        raise FacetellError(f"cannot write {path}: it is a device or a pipe; name a file")
    return Path(os.path.realpath(path))


def _fault(path: Path, error: OSError) -> FacetellError:
    # In the terms of making a folder, a file in its place "exists".
    reason = "its folder is a file" if isinstance(error, FileExistsError) else error.strerror
    return FacetellError(f"cannot write {path}: {reason}; choose another place")


def _plain(value: Any) -> Any:
    if isinstance(value, Box):
        return [round(side, 2) for side in value]
    if isinstance(value, ClipScore):
        shown = {f.name: _plain(getattr(value, f.name)) for f in fields(value) if f.name != "crop"}
        return shown | {"square": _plain(value.crop.square), "roll": round(math.degrees(value.crop.roll), 2)}
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
