"""``facetell models``, and the document that repeats its table."""

from __future__ import annotations

from pathlib import Path

import pytest

from facetell.cli import main
from facetell.models.table import Row, model_rows
from facetell.models.zoo import MODELS

DOCUMENT = Path(__file__).parents[2] / "docs" / "models.md"


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return model_rows()


@pytest.fixture(autouse=True)
def _counted_once(rows: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facetell.models.table.model_rows", lambda: rows)


def test_the_document_repeats_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--markdown"]) == 0
    text = DOCUMENT.read_text(encoding="utf-8")
    table = text.split("<!-- facetell models --markdown -->\n")[1].split("<!-- end -->")[0]
    assert table == capsys.readouterr().out, "put what `facetell models --markdown` prints into docs/models.md"


def test_the_verb_prints_every_network(
    rows: list[Row], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    assert main(["models"]) == 0
    printed = capsys.readouterr().out
    assert len(printed.splitlines()) == 1 + len(rows)
    assert all(f"\n{name} " in printed and entry.about in printed for name, entry in MODELS.items())
