"""``facetell evaluate`` and ``compare``: tables in the terminal, and files."""

import csv

import pytest

from evaluate.scored import table, toy, write
from facetell.cli import main
from facetell.evaluate.compare import compare
from facetell.evaluate.scores import write_scores


@pytest.fixture
def scores(tmp_path):
    return write(tmp_path / "scores.parquet", toy())


def test_prints_the_tables_and_writes_three_files(capsys, scores, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("a", "b"):
        assert main(["evaluate", str(scores), "--protocol", "cross", "--out", str(tmp_path / name)]) == 0
    out, text = tmp_path / "a", capsys.readouterr().out.partition("written to ")[0]
    words = " ".join(text.split())
    assert "87.5" in text and "FaceForensics++" in text and "scored; 1 not scored" in words
    assert "…" not in text
    assert sorted(path.name for path in out.iterdir()) == [f"cross.{end}" for end in ("csv", "html", "md")]
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


@pytest.fixture
def files(tmp_path):
    tables = table(150, seed=1, noise=0.1, unscored=(3,)), table(150, seed=2, noise=5.0, unscored=(4, 5))
    paths = tmp_path / "good.parquet", tmp_path / "bad.parquet"
    for scores, path in zip(tables, paths, strict=True):
        write_scores(scores, path)
    return tables, [str(path) for path in paths]


def test_prints_the_better_model_the_difference_and_what_was_left_out(files, capsys):
    tables, (good, bad) = files
    assert main(["compare", good, bad]) == 0
    text = capsys.readouterr().out
    found = compare(*tables).difference
    assert "147 videos of all splits that both scored: 49 real, 98 forged, of 20 identities" in text
    assert "1 not scored by A, 2 not scored by B" in text and "only in" not in text
    assert f"{found.value:.4f} {found.low:.4f} to {found.high:.4f}" in " ".join(text.split())
    assert text.splitlines()[-1] == "A is better than B in AUC: p is below 0.05."
    assert main(["compare", bad, good, "--measure", "brier", "--split", "test"]) == 0
    text = capsys.readouterr().out
    assert "B is better than A in Brier" in text and "147 videos of the split test that both" in text


def test_names_no_model_without_a_significant_difference(files, tmp_path, capsys):
    _, (good, _) = files
    assert main(["compare", good, good]) == 0
    assert "No significant difference in AUC" in capsys.readouterr().out
    for seed in (1, 2):
        write_scores(table(30, seed=seed, people=1), tmp_path / f"{seed}.parquet")
    assert main(["compare", *(str(tmp_path / f"{seed}.parquet") for seed in (1, 2))]) == 0
    assert "are all of one person" in capsys.readouterr().out
