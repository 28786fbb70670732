"""The card of the released model says what anyone gets by the documented commands (docs/evaluation.md)."""

import csv
import math
from pathlib import Path

import pytest

from evaluate.tables import table
from facetell.cli import main
from facetell.evaluate.scores import write_scores

NAMES = ("auc", "auc_low", "auc_high")


def by_generator(scores, folder):
    """What `facetell evaluate` writes of val: figures by generator."""
    words = ["evaluate", str(scores), "--protocol", "generators", "--split", "val", "--out", str(folder)]
    assert main(words) == 0
    with (folder / "generators.csv").open(newline="", encoding="utf-8") as stream:
        rows = {row["method"]: row for row in csv.DictReader(stream)}
    return {
        method: [int(row["fake"]), int(row["real"]), *(float(row[name] or "nan") for name in NAMES)]
        for method, row in rows.items()
    }


def on_card(figures):
    """The same, as a card has it: to four digits."""
    told = {
        row["name"]: [row["fakes"], row["reals"], *(math.nan if row[name] is None else row[name] for name in NAMES)]
        for row in figures
    }
    return {name: pytest.approx(values, abs=1e-4, nan_ok=True) for name, values in told.items()}


def test_a_release_and_the_protocol_count_alike(tmp_path):
    release = pytest.importorskip("facetell.train.release")
    scores = table(60, split="val", unscored=(4, 9), about={"model": {"name": "m", "sha256": "ab" * 32}})
    for row, (video, label) in enumerate(zip(scores["video"], scores["label"], strict=True)):
        scores["method"][row] = ("one", "two")[int(Path(video).stem) % 2] if label else ""
    write_scores(scores, tmp_path / "val.parquet")
    assert by_generator(tmp_path / "val.parquet", tmp_path) == on_card(release.figures(scores))
