"""``facetell models``, and the document that repeats its table."""

from pathlib import Path

from facetell.cli import main

DOCUMENT = Path(__file__).parents[2] / "docs" / "models.md"


def test_the_document_repeats_the_table(capsys):
    assert main(["models", "--markdown"]) == 0
    text = DOCUMENT.read_text(encoding="utf-8")
    table = text.split("<!-- facetell models --markdown -->\n")[1].split("<!-- end -->")[0]
    assert table == capsys.readouterr().out, "put what `facetell models --markdown` prints into docs/models.md"
