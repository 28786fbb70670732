"""The model card beside a model file, as blocks that a page can set: no more Markdown than our cards use."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_CODE = re.compile(r"`([^`]+)`")
_ESCAPED = re.compile(r"\\([\\|*_`<\[])")
AS_IT_IS = "as it is"
RECODED = re.compile(r"re-encoded, H\.264 crf (\d+)")
NARROWED = re.compile(r"faces (\d+) pixels wide")
"""How cards call videos left alone, and what was done to the same videos (:mod:`facetell.evaluate.limits`)."""


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a card.

    ``kind`` is "heading" (of ``level`` 1 and up), "text", "list" or "table"; ``lines`` holds the one text, the items
    of a list, or nothing; ``rows`` the cells of a table, its head first.
    """

    kind: str
    lines: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    level: int = 0


@dataclass(frozen=True, slots=True)
class Measured:
    """What was done to videos, in a number, and the AUC before and after, as a card writes them."""

    value: int
    auc: str
    before: str


@dataclass(frozen=True, slots=True)
class Card:
    """A model card; empty where a model has none."""

    blocks: tuple[Block, ...] = field(default=())

    @property
    def limits(self) -> tuple[str, ...]:
        """The items under "Limits"."""
        under = False
        for block in self.blocks:
            if block.kind == "heading":
                under = block.lines == ("Limits",)
            elif under and block.kind == "list":
                return block.lines
        return ()

    def measured(self, treatment: re.Pattern[str]) -> list[Measured]:
        """What the card's tables say of a treatment, :data:`RECODED` or :data:`NARROWED`, in their order."""
        found, before = [], ""
        for what, *cells in (row for block in self.blocks for row in block.rows):
            if cells and what == AS_IT_IS:
                before = cells[0]
            elif cells and before and (match := treatment.fullmatch(what)):
                found.append(Measured(int(match[1]), cells[0], before))
        return found


def read_card(model: Path) -> Card:
    """The card that lies beside a model file under the same name; an empty one where there is none."""
    try:
        text = model.with_suffix(".md").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return Card()
    return Card(tuple(_blocks(text)))


def _blocks(text: str) -> Iterator[Block]:
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        lines = paragraph.splitlines()
        while lines and lines[0].startswith("#"):
            marks, _, title = lines.pop(0).partition(" ")
            yield Block("heading", (_plain(title),), level=len(marks))
        if not lines:
            continue
        if all(line.startswith("|") for line in lines):
            yield Block("table", rows=tuple(_cells(line) for line in lines if not set(line) <= set("|-: ")))
        elif lines[0].startswith("- "):
            yield Block("list", tuple(_plain(item) for item in re.split(r"^- |\n- ", paragraph) if item))
        else:
            yield Block("text", (_plain(paragraph),))


def _cells(line: str) -> tuple[str, ...]:
    return tuple(_plain(cell) for cell in line.strip().strip("|").split("|"))


def _plain(text: str) -> str:
    """One line, without the marks of code, emphasis and escapes.

    >>> _plain("run `facetell`,\\n  **now**")
    'run facetell, now'
    >>> _plain("79.4 \\\\[75.9–82.8]")
    '79.4 [75.9–82.8]'
    """
    return " ".join(_ESCAPED.sub(r"\1", _CODE.sub(r"\1", text).replace("**", "")).split())
