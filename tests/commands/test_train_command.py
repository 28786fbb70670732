"""``facetell train configs/tiny.yaml``: trains, resumes, exports, scores, in seconds."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from facetell.cli import main
from facetell.detector import Detector
from facetell.engine import load_engine
from facetell.evaluate.scores import read_scores

sys.path.insert(0, str(Path(__file__).parents[1] / "train"))

from tiny_training import prepared  # noqa: F401

TINY = Path(__file__).parents[2] / "configs" / "tiny.yaml"


def test_from_a_configuration_to_a_model_file(prepared, woman, tmp_path, capsys):  # noqa: F811
    run = tmp_path / "run"
    command = ["train", str(TINY), f"data.folders=[{prepared}]", "--out", str(run)]
    assert main([*command, "--max-minutes", "0", "--bundle"]) == 2
    printed = capsys.readouterr().out
    assert "the time is up at step 0 of 6; the same command goes on from there" in printed
    assert (run / "bundle" / "piece.000").exists()

    assert main([*command, "--note", "Of a test."]) == 0
    printed = capsys.readouterr().out
    assert "all: AUC" in printed and "made here: reenact: AUC" in printed
    model = run / "run.onnx"
    info = load_engine(model).info
    assert (info.clip_frames, info.size) == (4, 64) and info.training["steps"] in (3, 6)
    assert Detector(model)(woman).status == "scored"
    card = (run / "run.md").read_text()
    assert "Of a test." in card and "2 real clips of 2 people, 1 forged (G 1)" in card and "seed 1" in card
    scores = read_scores(run / "run.val.parquet")
    assert len(scores.videos()) == 3 and scores.about["calibration"]["temperature"] == info.calibration.temperature

    before = (run / "checkpoint.pt").read_bytes()
    again = tmp_path / "again.onnx"
    told = ["train", str(run / "best.pt"), f"data.folders=[{prepared}]", "--to", str(again)]
    assert main(told) == 0
    assert load_engine(again).info.calibration == info.calibration
    assert (run / "checkpoint.pt").read_bytes() == before


def test_a_run_of_no_steps_releases_its_start(prepared, tmp_path, capsys):  # noqa: F811
    run = tmp_path / "run"
    changes = [f"data.folders=[{prepared}]", "steps=0", "model=lite0_two_stream", "overrides.spatial_every=2"]
    assert main(["train", str(TINY), *changes, "--out", str(run)]) == 0
    assert "step 0 val: auc" in capsys.readouterr().err
    info = load_engine(run / "run.onnx").info
    assert info.training["steps"] == 0 and info.architecture["spatial_every"] == 2
    card = (run / "run.md").read_text()
    assert "no steps of its own" in card and "2 real clips of 2 people" in card and "one for pictures" in card


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["none.yaml"], "there is no configuration at none.yaml"),
        ([str(TINY), "optim.lrr=1"], "did you mean 'optim.lr'?"),
        ([str(TINY)], "there is nothing to train on; set data.folders"),
        (["none.pt", "steps=3"], "a checkpoint can no longer be changed"),
    ],
)
def test_faults_are_told_in_one_sentence(words, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *words]) == 2
    printed = capsys.readouterr().err
    assert sentence in printed and printed.count("\n") == 1
