"""``facetell train configs/tiny.yaml`` trains, resumes, exports, scores, in seconds; ``facetell sweep`` a grid."""

import json

import numpy as np

from facetell.cli import main
from facetell.detector import Detector
from facetell.engine import load_engine
from facetell.evaluate.scores import read_scores
from facetell.files import file_sha256
from facetell.train import release
from facetell.train.run import BEST
from facetell.train.run import read_checkpoint as load
from fixtures import TINY


def test_from_a_configuration_to_a_model_file(prepared, woman, tmp_path, monkeypatch, capsys):
    run = tmp_path / "run"
    command = ["train", str(TINY), f"data.folders=[{prepared}]", "--out", str(run)]
    assert main([*command, "--max-minutes", "0"]) == 2
    printed = capsys.readouterr().out
    assert "the time limit is reached at step 0 of 6; run the same command again to resume" in printed
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "| forgery | videos | AUC |" in printed and "| reenact |" not in printed  # too few for a row
    model = run / "run.onnx"
    info = load_engine(model).info
    assert (info.clip_frames, info.size) == (4, 64) and info.training["steps"] in (3, 6)
    assert Detector(model)(woman).status == "scored"
    card = (run / "run.md").read_text()
    assert "6 clips of train and val" in card and "motion module: mcb" in card
    figures = json.loads((run / "run.json").read_text())
    shipped = {"name": "run", "sha256": file_sha256(model)}
    calibration = figures["calibration"]
    assert calibration["temperature"] == info.calibration.temperature and figures["results"]["val"]["reals"] == 2
    scores = read_scores(run / "run.val.parquet")
    assert scores.about == {"model": shipped, "calibration": calibration, "min_face_width": info.min_face_width}
    assert len(scores.videos()) == 3
    before = (run / "checkpoint.pt").read_bytes()
    again = tmp_path / "again.onnx"
    of_checkpoint = ["train", str(run / "best.pt"), f"data.folders=[{prepared}]", "--to", str(again)]
    assert main(of_checkpoint) == 0
    assert load_engine(again).info.calibration == info.calibration
    assert (run / "checkpoint.pt").read_bytes() == before
    monkeypatch.setattr(release, "TOLERANCE", -1)
    assert main(of_checkpoint) == 1
    assert "differ from those of the trained network" in capsys.readouterr().err
    assert main([*command[:3], "steps=1", "batch.frame_rate=0.1", "--out", str(tmp_path / "slow")]) == 1
    assert "no clip of val is long enough to be scored (4 frames at 0.1 frames per second)" in capsys.readouterr().err


def test_a_grid_is_trained_once_and_compared(prepared, tmp_path, capsys):
    grid = tmp_path / "grid.yaml"
    axes = "grid:\n  motion: [none, mcb]\n  seed: [1, 2]\n"
    grid.write_text(f"extends: {TINY}\nsteps: 2\ndata: {{folders: [{prepared}]}}\n{axes}")
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
