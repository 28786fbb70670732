"""``facetell sweep``: a grid of two variants and two seeds, stopped in between and taken up again."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from facetell.cli import main
from facetell.train.run import BEST
from facetell.train.run import read_checkpoint as load

sys.path.insert(0, str(Path(__file__).parents[1] / "train"))

from tiny_training import prepared  # noqa: F401

TINY = Path(__file__).parents[2] / "configs" / "tiny.yaml"


def test_a_grid_is_trained_once_and_compared(prepared, tmp_path, capsys):  # noqa: F811
    grid = tmp_path / "grid.yaml"
    grid.write_text(
        f"extends: {TINY}\nsteps: 2\ndata: {{folders: [{prepared}]}}\ngrid:\n  motion: [none, mcb]\n  seed: [1, 2]\n"
    )
    out = tmp_path / "runs"
    assert main(["sweep", str(grid), "--out", str(out), "--max-minutes", "0"]) == 2
    assert "run the same command again to resume" in capsys.readouterr().out
    assert main(["sweep", str(grid), "--out", str(out)]) == 0
    first = capsys.readouterr().out
    assert first.count("run ") == 4 and "| mcb |" in first
    made = {path: path.stat().st_mtime_ns for path in out.rglob("*.pt")}
    assert main(["sweep", str(grid), "--out", str(out)]) == 0
    assert "run 1 of 4" not in capsys.readouterr().out
    assert made == {path: path.stat().st_mtime_ns for path in out.rglob("*.pt")}

    assert main(["sweep", str(grid), "optim.lr=5", "--out", str(out)]) == 1
    assert "was started with optim.lr=0.0004, not 5.0" in capsys.readouterr().err, "those runs are others"

    table = json.loads((out / "table.json").read_text())
    assert [(row["motion"], row["seeds"]) for row in table] == [("none", 2), ("mcb", 2)]
    for row in table:
        runs = [load(out / f"motion-{row['motion']}_seed-{seed}" / BEST)["val"] for seed in (1, 2)]
        assert row["auc"] == [run["auc"] for run in runs]
        assert f"| {row['motion']} | 2 | {np.mean(row['auc']):.3f} ({min(row['auc']):.3f} to " in first
