from __future__ import annotations

import numpy as np
import pytest

from evaluate.tables import table
from facetell.cli import main
from facetell.evaluate.compare import compare
from facetell.evaluate.scores import write_scores


@pytest.fixture
def files(tmp_path):
    """Score files of a good and a bad model."""
    paths = tmp_path / "good.parquet", tmp_path / "bad.parquet"
    write_scores(table(150, seed=1, noise=0.1, unscored=(3,)), paths[0])
    write_scores(table(150, seed=2, noise=5.0, unscored=(4, 5)), paths[1])
    return paths


def test_says_which_is_better_by_how_much_and_who_was_left_out(files, capsys):
    good, bad = map(str, files)
    assert main(["compare", good, bad]) == 0
    said = capsys.readouterr().out
    found = compare(
        table(150, seed=1, noise=0.1, unscored=(3,)), table(150, seed=2, noise=5.0, unscored=(4, 5))
    ).difference
    assert "147 videos of the split test that both scored: 49 real, 98 forged, of 20 identities" in said
    assert "1 not scored by A, 2 not scored by B" in said and "only in" not in said
    assert f"{found.low:+.4f} to {found.high:+.4f}" in said and "DeLong" in said
    assert said.splitlines()[-1].startswith(f"A is better than B: the difference in AUC (A − B) is {found.value:+.4f}")
    assert main(["compare", bad, good, "--measure", "brier"]) == 0
    said = capsys.readouterr().out
    assert "B is better than A: the difference in Brier (A − B) is +" in said and "DeLong" not in said


def test_does_not_call_a_winner_where_there_is_none(files, capsys):
    assert main(["compare", str(files[0]), str(files[0])]) == 0
    said = capsys.readouterr().out
    assert "No significant difference" in said and "p = 1.000" in said


def test_one_person_is_not_enough_for_a_p(tmp_path, capsys):
    paths = [tmp_path / f"{seed}.parquet" for seed in (1, 2)]
    for seed, path in enumerate(paths):
        write_scores(table(30, seed=seed, people=1), path)
    assert main(["compare", *map(str, paths)]) == 0
    assert "are all of one person" in capsys.readouterr().out


def test_refuses_in_one_sentence(files, tmp_path, capsys):
    good = str(files[0])
    turned = table(150)
    turned.columns["label"][:] = 1 - turned.columns["label"]
    write_scores(turned, tmp_path / "turned.parquet")
    write_scores(table(20, split="val"), tmp_path / "val.parquet")
    other = table(20)
    other.columns["video"][:] = np.array([f"else/{v}" for v in other["video"]], dtype=object)
    write_scores(other, tmp_path / "other.parquet")
    (tmp_path / "text.parquet").write_text("no table")
    for name, words in [
        ("turned", "disagree on the label of test/0.mp4"),
        ("val", "val.parquet has no video of the split test (it has val)"),
        ("other", "other.parquet have no video in common"),
        ("text", "text.parquet is not a score file"),
        ("missing", "there is no score file at"),
    ]:
        assert main(["compare", good, str(tmp_path / f"{name}.parquet")]) == 2
        out, err = capsys.readouterr()
        assert words in err and err.count("\n") == 1 and not out
