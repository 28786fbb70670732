"""``facetell evaluate`` as a user meets it: tables in the terminal, files beside, one message for each error."""

import csv

import pytest

from evaluate.scored import toy, write
from facetell.cli import main


@pytest.fixture
def scores(tmp_path):
    return write(tmp_path / "scores.parquet", toy())


def test_prints_the_tables_and_writes_five_files(capsys, scores, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    out = tmp_path / "tables"
    assert main(["evaluate", str(scores), "--protocol", "cross", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "87.5" in said and "FaceForensics++" in said and "scored; 1 not scored" in " ".join(said.split())
    assert "…" not in said and max(map(len, said.splitlines()[:-1])) <= 80
    assert said.index("AUC by benchmark") < said.index("Published: video AUC") and "not measured here" in " ".join(
        said.split()
    )
    assert sorted(path.name for path in out.iterdir()) == [
        f"cross.{end}" for end in ("csv", "html", "json", "md", "tex")
    ]
    with (out / "cross.csv").open() as file:
        assert {line["auc"] for line in csv.DictReader(file)} == {"0.875"}
    assert (out / "cross.html").read_text().startswith("<!doctype html>")


def test_the_same_files_come_out_twice(capsys, scores, tmp_path):
    for name in ("a", "b"):
        assert main(["evaluate", str(scores), "--protocol", "within", "--out", str(tmp_path / name)]) == 0
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_labels_name_rows_and_an_equals_sign_may_stand_in_a_path(capsys, scores, tmp_path):
    odd = write(tmp_path / "seed=3.parquet", toy(), model={"name": "other", "sha256": "cd" * 32})
    assert main(["evaluate", f"mine={scores}", str(odd), "--protocol", "level"]) == 0
    said = capsys.readouterr().out
    assert "mine" in said and "other" in said and "seed=3.parquet" in said


def test_ones_own_protocol_and_another_split(capsys, tmp_path):
    scores = write(tmp_path / "v.parquet", toy(split="val"))
    own = tmp_path / "mine.toml"
    own.write_text('title="Mine"\nsummary="Own."\n[[tables]]\ntitle="T"\nrows=["dataset"]\ncolumns="measure"\n')
    assert main(["evaluate", str(scores), "--protocol", str(own), "--split", "val", "--out", str(tmp_path)]) == 0
    assert "split val" in capsys.readouterr().out and (tmp_path / "mine.tex").is_file()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nowhere.parquet", "--protocol", "cross"], "there is no score file at nowhere.parquet"),
        (["SCORES", "--protocol", "crosss"], "there is no protocol 'crosss'"),
        (["SCORES", "--protocol", "cross", "--split", "val"], "has no video of the split val (it has test)"),
        (["SCORES", "--protocol", "distortion"], "facetell score MODEL MANIFEST --distort all"),
        (["SCORES", "--protocol", "leave_one_out"], "as in Deepfakes=scores.parquet"),
        (["SCORES", "--protocol", "cross", "--out", "SCORES"], "choose another place"),
    ],
)
def test_a_fault_is_one_sentence_and_exit_code_two(capsys, scores, words, sentence):
    assert main(["evaluate", *(word.replace("SCORES", str(scores)) for word in words)]) == 2
    out, err = capsys.readouterr()
    assert sentence in err and len(err.strip().splitlines()) == 1 and out == ""
