from __future__ import annotations

import pytest

from evaluate.tables import table
from facetell.cli import main
from facetell.evaluate.compare import compare
from facetell.evaluate.scores import write_scores


@pytest.fixture
def files(tmp_path):
    """Score files of a good and a bad model."""
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
    assert "147 videos of the split test that both scored: 49 real, 98 forged, of 20 identities" in text
    assert "1 not scored by A, 2 not scored by B" in text and "only in" not in text
    words = " ".join(text.split())
    assert f"{found.value:.4f} {found.low:.4f} to {found.high:.4f}" in words and "DeLong" in text
    assert text.splitlines()[-1] == "A is better than B in AUC: p is below 0.05."
    assert main(["compare", bad, good, "--measure", "brier"]) == 0
    text = capsys.readouterr().out
    assert "B is better than A in Brier" in text


def test_names_no_model_without_a_significant_difference(files, tmp_path, capsys):
    _, (good, _) = files
    assert main(["compare", good, good]) == 0
    text = capsys.readouterr().out
    assert "No significant difference in AUC" in text
    for seed in (1, 2):
        write_scores(table(30, seed=seed, people=1), tmp_path / f"{seed}.parquet")
    assert main(["compare", *(str(tmp_path / f"{seed}.parquet") for seed in (1, 2))]) == 0
    assert "are all of one person" in capsys.readouterr().out
