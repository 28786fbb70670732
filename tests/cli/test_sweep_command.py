"""``facetell sweep``: a grid of two variants and two seeds, stopped in between and taken up again."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np

from facetell.cli import main
from facetell.train.run import BEST, CHECKPOINT, Stop
from facetell.train.run import read_checkpoint as load
from facetell.train.sweep import read_grid, run_grid

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

    assert (out / "table.md").read_text() in first
    for motion in ("none", "mcb"):
        aucs = [load(out / f"motion-{motion}_seed-{seed}" / BEST)["val"]["auc"] for seed in (1, 2)]
        assert f"| {motion} | 2 | {np.mean(aucs):.3f} ({min(aucs):.3f} to {max(aucs):.3f}) |" in first


def test_a_run_of_a_grid_goes_on_where_it_shall_be_longer(prepared, tmp_path):  # noqa: F811
    grid, out = tmp_path / "grid.yaml", tmp_path / "runs"
    grid.write_text(f"extends: {TINY}\nsteps: 1\ndata: {{folders: [{prepared}]}}\ngrid:\n  seed: [1]\n")
    for steps, minutes in ((1, math.inf), (2, 0), (2, math.inf)):  # the second attempt is stopped before its first step
        with Stop(minutes) as stop:
            assert run_grid(read_grid(grid, [f"steps={steps}"]), out, stop) == bool(minutes)
    assert load(out / "seed-1" / CHECKPOINT)["step"] == 2
