"""The model card: the figures and limits of a model, from the JSON file next to the model file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CLEAN = "as it is"
RECODED = re.compile(r"re-encoded, H\.264 crf (\d+)")
NARROWED = re.compile(r"faces (\d+) pixels wide")
"""Names of the clean videos and of their corrupted versions (:mod:`facetell.evaluate.corruptions`)."""
MANY_FALSE, LOW_AUC = 0.1, 0.7
"""Corruptions with a higher false positive rate, and with a lower AUC, are named among the limits."""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a card.

    ``kind`` is "heading" (of ``level`` 1 and up), "text", "list" or "table"; ``lines`` are the text or the items of a
    list; ``rows`` the cells of a table, its head first.
    """

    kind: str
    lines: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    level: int = 0


@dataclass(frozen=True, slots=True)
class Measured:
    """The parameter of a corruption, and the AUC with and without it."""

    value: int
    auc: str
    before: str


@dataclass(frozen=True, slots=True)
class Card:
    """A model card; empty where a model has none. ``corrupted`` are the AUCs of tables of corruptions, by name."""

    limits: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()
    corrupted: tuple[tuple[tuple[str, str], ...], ...] = ()

    def measured(self, corruption: re.Pattern[str]) -> list[Measured]:
        """The figures of a corruption, :data:`RECODED` or :data:`NARROWED`, in the order of the card."""
        return [
            Measured(int(match[1]), auc, before)
            for table in self.corrupted
            if (before := dict(table).get(CLEAN))
            for name, auc in table
            if (match := corruption.fullmatch(name))
        ]


def read_card(model: Path) -> Card:
    """The card next to a model file (``NAME.json``); an empty one where there is none."""
    try:
        content = json.loads(model.with_suffix(".json").read_text(encoding="utf-8"))
        tables = [_corruptions(content.get(name)) for name in ("shortcuts", "limits")]
        limits = tuple(content.get("limitations") or _limits(content))
        blocks = tuple(_blocks(content, limits))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Card()
    return Card(limits, blocks, tuple(tuple((row["about"], _two(row["auc"])) for row in rows) for rows in tables))


def _corruptions(found: Any) -> list[Row]:
    """A table of corruptions as rows of ``about``, ``auc`` and ``fpr``."""
    if isinstance(found, Mapping):
        return [{"about": name, **figures} for name, figures in found.items()]
    return [{"about": row["about"], "auc": row["auc"], "fpr": row["false_positive_rate"]} for row in found or ()]


def _limits(content: Row) -> Iterator[str]:
    """What the figures say about the limits of the model."""
    if overall := (content.get("kinds") or {}).get("all"):
        yield f"Out of fold, AUC {_span(overall['auc'])} over all forgeries: useful for sorting, not as evidence."
        genuine = content["verdicts"]["forged"]["genuine"]
        yield (
            f"At the threshold it misses {1 - overall['tpr']['value']:.0%} of the forgeries; {genuine:.0%} get the "
            'verdict "genuine", which means that nothing was found.'
        )
    elif content.get("generators"):
        yield f"AUC {_span(_estimate(content['generators'][0]))} over all forgeries of `val`, which chose the model."
    rows = _corruptions(content.get("limits"))
    false = [f"{row['about']} ({row['fpr']:.0%})" for row in rows if row["fpr"] > MANY_FALSE]
    blind = [f"{row['about']} ({_two(row['auc'])})" for row in rows if row["auc"] < LOW_AUC]
    yield from [f"The false positive rate is higher under: {', '.join(false)}."] if false else []
    yield from [f"Hardly any forgery is recognised under (AUC): {', '.join(blind)}."] if blind else []
    yield "Performance by age, sex or skin tone is not known: the data do not record them."
    yield (
        "Calibrated for equal odds of real and forged. Where forgeries are rare, the share of false alarms among "
        "alarms is larger than the probability suggests."
    )


def _blocks(content: Row, limits: Sequence[str]) -> Iterator[Block]:
    yield Block("heading", (f"Model card: {content['model']['name']}",), level=1)
    for name in ("data", "code"):
        about = content.get(name) or content.get("about", {}).get(name)
        yield from [Block("text", (f"{name}: {about}",))] if isinstance(about, str) else []
    yield Block("heading", ("Limits",), level=2)
    yield Block("list", tuple(limits))
    yield Block("heading", ("Measured",), level=2)
    yield from _table(
        "Out of fold, by kind of forgery",
        ("forgery", "videos", "AUC (95 % interval)", "true positive rate"),
        [
            (kind, str(found["fakes"]), _span(found["auc"]), _span(found["tpr"]))
            for kind, found in content.get("kinds", {}).items()
        ],
    )
    for name, title in (("generators", "Forgeries of val"), ("pseudo_fakes", "Forgeries generated from reals of val")):
        rows = [(row["name"], str(row["fakes"]), _span(_estimate(row))) for row in content.get(name, ())]
        yield from _table(title, ("forgeries", "videos", "AUC (95 % interval)"), rows)
    yield from _table(
        "A kind of forgery left out of training",
        ("forgery", "videos", "reals", "AUC"),
        [(kind, str(n), str(reals), _two(auc)) for kind, (auc, n, reals) in content.get("left_out", {}).items()],
    )
    for name, title in (("shortcuts", "Shortcuts"), ("limits", "Where it works")):
        rows = [(row["about"], _two(row["auc"]), f"{row['fpr']:.0%}") for row in _corruptions(content.get(name))]
        yield from _table(title, ("the same videos", "AUC", "false positive rate"), rows)


def _table(title: str, head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[Block]:
    if rows:
        yield Block("heading", (title,), level=3)
        yield Block("table", rows=(head, *rows))


def _estimate(row: Row) -> Row:
    return {"value": row["auc"], "low": row["auc_low"], "high": row["auc_high"]}


def _span(estimate: Row) -> str:
    between = "" if estimate["low"] is None else f" ({_two(estimate['low'])} to {_two(estimate['high'])})"
    return _two(estimate["value"]) + between


def _two(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.2f}"
