"""The versioned JSON result (``result.schema.json``). It has no times: the same inputs give the same bytes."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

from facetell.files import write_text
from facetell.report.words import plain_text
from facetell.types import ClipScore, VideoVerdict

SCHEMA_PATH = Path(__file__).with_name("result.schema.json")
SCHEMA_VERSION = "1.5"
EXCLUDED, OPTIONAL = {"seconds_spent"}, {"regions"}


def to_result(verdicts: Sequence[VideoVerdict]) -> dict[str, Any]:
    """The result of a run as plain dicts, lists, strings and numbers, valid under the schema."""
    return {"schema": "facetell.result", "version": SCHEMA_VERSION, "videos": [_plain(v) for v in verdicts]}


def write_result(verdicts: Sequence[VideoVerdict], path: Path) -> None:
    """Write the result as JSON, atomically; FacetellError: the file cannot be written."""
    write_text(path, result_text(verdicts))


def result_text(verdicts: Sequence[VideoVerdict]) -> str:
    """The result of a run as JSON text."""
    return json.dumps(to_result(verdicts), indent=2, ensure_ascii=False) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, ClipScore):
        shown = {f.name: _plain(getattr(value, f.name)) for f in fields(value) if f.name != "crop"}
        square = [round(side, 2) for side in value.crop.square]
        return shown | {"square": square, "roll": round(math.degrees(value.crop.roll), 2)}
    if is_dataclass(value) and not isinstance(value, type):
        items = ((f.name, getattr(value, f.name)) for f in fields(value) if f.name not in EXCLUDED)
        return {name: _plain(item) for name, item in items if item or name not in OPTIONAL}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, str):
        return plain_text(value)  # JSON cannot encode lone surrogates
    return value
