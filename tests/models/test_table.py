"""``facetell models``, and the document that repeats its table."""

from __future__ import annotations

from pathlib import Path

import pytest

from facetell.cli import main
from facetell.models.table import markdown, model_rows
from facetell.models.zoo import list_models

DOCUMENT = Path(__file__).parents[2] / "docs" / "models.md"


def test_the_document_repeats_the_table() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    table = text.split("<!-- facetell models --markdown -->\n")[1].split("\n<!-- end -->")[0]
    assert table == markdown(model_rows()), "run `facetell models --markdown` and put its output into docs/models.md"


def test_the_verb_prints_every_network(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--markdown"]) == 0
    printed = capsys.readouterr().out
    assert all(f"| {name} |" in printed for name in list_models())
