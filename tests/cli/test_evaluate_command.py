"""``facetell evaluate``: tables in the terminal, files, one message for each error."""

import csv

import pytest

from evaluate.scored import toy, write
from facetell.cli import main


@pytest.fixture
def scores(tmp_path):
    return write(tmp_path / "scores.parquet", toy())


def test_prints_the_tables_and_writes_four_files(capsys, scores, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("a", "b"):
        assert main(["evaluate", str(scores), "--protocol", "cross", "--out", str(tmp_path / name)]) == 0
    out, text = tmp_path / "a", capsys.readouterr().out.partition("written to ")[0]
    words = " ".join(text.split())
    assert "87.5" in text and "FaceForensics++" in text and "scored; 1 not scored" in words
    assert "…" not in text
    assert text.index("AUC by benchmark") < text.index("Published: video AUC") and "not measured here" in words
    assert sorted(path.name for path in out.iterdir()) == [f"cross.{end}" for end in ("csv", "html", "json", "md")]
    assert all(path.read_bytes() == (tmp_path / "b" / path.name).read_bytes() for path in out.iterdir())
    with (out / "cross.csv").open() as file:
        assert {line["auc"] for line in csv.DictReader(file)} == {"0.875"}


def test_labels_name_rows_and_a_path_may_have_an_equals_sign(capsys, scores, tmp_path):
    odd = write(tmp_path / "seed=3.parquet", toy(), model={"name": "other", "sha256": "cd" * 32})
    assert main(["evaluate", f"mine={scores}", str(odd), "--protocol", "level"]) == 0
    text = "".join(capsys.readouterr().out.split())
    assert "mine" in text and "other" in text and "seed=3.parquet" in text


def test_a_protocol_file_and_another_split(capsys, tmp_path):
    scores = write(tmp_path / "v.parquet", toy(split="val"))
    own = tmp_path / "mine.toml"
    own.write_text('title="Mine"\nsummary="Own."\n[[tables]]\ntitle="T"\nrows=["dataset"]\ncolumns="measure"\n')
    assert main(["evaluate", str(scores), "--protocol", str(own), "--split", "val", "--out", str(tmp_path)]) == 0
    assert "split val" in " ".join(capsys.readouterr().out.split()) and (tmp_path / "mine.md").is_file()
