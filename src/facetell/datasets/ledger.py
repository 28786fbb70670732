"""The ledger of a long job: one line of JSON for each thing done, appended as it is done, read back after any end."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from facetell.files import write_text
from facetell.types import FacetellError


def open_ledger(path: Path) -> list[dict[str, Any]]:
    """The lines of a ledger that is to be gone on with; a last line that was cut short is taken out of the file.

    Raises:
        FacetellError: another line is damaged, or the file cannot be rewritten.
    """
    if not path.exists():
        return []
    whole, _, cut_short = path.read_bytes().rpartition(b"\n")
    lines = []
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            lines.append(json.loads(line))
        except ValueError:
            raise FacetellError(f"{path}, line {number}, is damaged; delete that line to have it done again") from None
    if cut_short:
        write_ledger(path, lines)
    return lines


def append_line(path: Path, content: Mapping[str, Any]) -> None:
    """Append one line; it is on disk when this returns."""
    with path.open("ab") as stream:
        stream.write((json.dumps(content) + "\n").encode())
        stream.flush()
        os.fsync(stream.fileno())


def write_ledger(path: Path, lines: list[dict[str, Any]]) -> None:
    """The whole ledger at once, in place of what was there."""
    write_text(path, "".join(json.dumps(line) + "\n" for line in lines))
