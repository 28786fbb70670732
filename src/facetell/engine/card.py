"""The model card: sections and figures in ``NAME.json``, of which ``NAME.md`` and the HTML of reports are made."""

from __future__ import annotations

import json
import math
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from facetell.files import write_text

NARROWED = re.compile(r"faces (\d+) pixels wide")
"""Names of the conditions under which the figures of a release were measured."""

# A paragraph, the items of a list, or the rows of a table, the header first.
Block = str | tuple[str, ...] | tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Section:
    """A section of a card; ``level`` is that of its heading, from 1."""

    title: str
    level: int = 2
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True)
class Card:
    """A model card; empty where a model has none."""

    sections: tuple[Section, ...] = ()
    aucs: tuple[tuple[str, float], ...] = ()  # on the test videos, by condition
    # The threshold, and the shares of the forged and of the genuine videos of unseen generators that reach it.
    rates: tuple[float, float, float] | None = None

    @property
    def limits(self) -> tuple[str, ...]:
        """The items of the section "Limits", without the marks of code."""
        blocks = (block for section in self.sections if section.title == "Limits" for block in section.blocks)
        items = (item for block in blocks if not isinstance(block, str) for item in block if isinstance(item, str))
        return tuple(item.replace("`", "") for item in items)

    @property
    def by_width(self) -> list[tuple[int, float]]:
        """Width in pixels and AUC of the test videos with smaller faces."""
        found = ((NARROWED.fullmatch(name), auc) for name, auc in self.aucs)
        return [(int(match[1]), auc) for match, auc in found if match]

    @property
    def unchanged(self) -> float:
        """AUC on the unchanged test videos; NaN where it was not measured."""
        return dict(self.aucs).get("as it is", math.nan)


def read_card(model: Path) -> Card:
    """The card of a model file; an empty one where there is none, or none that can be read."""
    try:
        release = json.loads(model.with_suffix(".json").read_text(encoding="utf-8"))
        sections = TypeAdapter(tuple[Section, ...]).validate_python(release.get("card", ()))
        aucs = ((name, float(row["auc"])) for name, row in release.get("limits", {}).items())
        rates = None
        if "kinds" in release:
            forged, genuine = release["kinds"]["all"]["tpr"]["value"], release["false_positive_rate"]["value"]
            rates = float(release["calibration"]["threshold"]), float(forged), float(genuine)
        return Card(sections, tuple(aucs), rates)
    except (OSError, ValueError, ValidationError, AttributeError, KeyError, TypeError):
        return Card()


def write_release(model: Path, sections: Sequence[Section], figures: Mapping[str, Any]) -> None:
    """Write ``NAME.json``, the card and all figures of a release, and ``NAME.md``, the card as Markdown."""
    release = {"card": [asdict(section) for section in sections], **figures}
    write_text(model.with_suffix(".json"), json.dumps(release, indent=1, default=float) + "\n")
    write_text(model.with_suffix(".md"), to_markdown(sections))


def to_markdown(sections: Sequence[Section]) -> str:
    """The Markdown of a card."""
    parts = []
    for section in sections:
        parts.append(f"{'#' * section.level} {section.title}")
        for block in section.blocks:
            if isinstance(block, str):
                parts.append(textwrap.fill(block, 120, break_long_words=False, break_on_hyphens=False))
            elif isinstance(block[0], str):
                parts.append("\n".join(f"- {item}" for item in block))
            else:
                head, *rows = (" | ".join(re.sub(r"([\\|*_<\[])", r"\\\1", cell) for cell in row) for row in block)
                parts.append("\n".join(f"| {line} |" for line in (head, " | ".join("---" for _ in block[0]), *rows)))
    return "\n\n".join(parts) + "\n"
