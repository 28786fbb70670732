"""``facetell train configs/tiny.yaml``: trains, resumes, exports, scores, in seconds."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from facetell.cli import main
from facetell.detector import Detector
from facetell.engine import load_engine
from facetell.evaluate.scores import read_scores
from facetell.files import file_sha256
from facetell.models.zoo import create_model
from facetell.train import release
from model_files import arrays_file

sys.path.insert(0, str(Path(__file__).parents[1] / "train"))

from tiny_training import prepared  # noqa: F401

TINY = Path(__file__).parents[2] / "configs" / "tiny.yaml"


def test_from_a_configuration_to_a_model_file(prepared, woman, tmp_path, capsys):  # noqa: F811
    run = tmp_path / "run"
    command = ["train", str(TINY), f"data.folders=[{prepared}]", "--out", str(run)]
    assert main([*command, "--max-minutes", "0"]) == 2
    printed = capsys.readouterr().out
    assert "the time limit is reached at step 0 of 6; run the same command again to resume" in printed

    assert main([*command, "--note", "Of a test."]) == 0
    printed = capsys.readouterr().out
    assert "all: AUC" in printed and "pseudo-fakes: reenact: AUC" in printed
    model = run / "run.onnx"
    info = load_engine(model).info
    assert (info.clip_frames, info.size) == (4, 64) and info.training["steps"] in (3, 6)
    assert Detector(model)(woman).status == "scored"
    card = (run / "run.md").read_text()
    assert "Of a test." in card and "2 real clips of 2 identities, 1 forged (G 1)" in card and "seed 1" in card
    scores = read_scores(run / "run.val.parquet")
    assert len(scores.videos()) == 3 and scores.about["calibration"]["temperature"] == info.calibration.temperature
    shipped = {"name": "run", "sha256": file_sha256(model)}
    for about in (scores.about, read_scores(run / "run.pseudo.parquet").about):
        assert about["model"] == shipped and about["min_face_width"] == info.min_face_width

    before = (run / "checkpoint.pt").read_bytes()
    again = tmp_path / "again.onnx"
    told = ["train", str(run / "best.pt"), f"data.folders=[{prepared}]", "--to", str(again)]
    assert main(told) == 0
    assert load_engine(again).info.calibration == info.calibration
    assert (run / "checkpoint.pt").read_bytes() == before


def test_a_model_file_is_trained_on_and_a_bad_release_is_refused(prepared, tmp_path, monkeypatch, capsys):  # noqa: F811
    network = create_model("lite0", clip_frames=4, size=64, width=0.25, depth=0.5)
    torch.nn.init.normal_(network.classifier.weight, std=0.2)
    start, run = arrays_file(network, tmp_path / "start.onnx"), tmp_path / "run"
    command = ["train", str(TINY), f"data.folders=[{prepared}]", f"pretrained={start}", "steps=1"]
    assert main([*command, "--out", str(run)]) == 0
    card = (run / "run.md").read_text()
    assert "1 steps of 4 clips" in card and "EfficientNet-Lite0" in card
    assert "4 frames in a row at about 25 frames per second" in card
    assert main([*command, "motion=none", "--out", str(tmp_path / "other")]) == 2
    assert "holds another network" in capsys.readouterr().err
    monkeypatch.setattr(release, "ROUNDING", {"fp16": 1e-9})
    again = ["train", str(run / "best.pt"), f"data.folders=[{prepared}]", "--to", str(tmp_path / "again.onnx")]
    assert main(again) == 2
    assert "weights are stored in fewer bits; do not use it" in capsys.readouterr().err
    assert main([*command, "batch.frame_rate=0.1", "--out", str(tmp_path / "slow")]) == 2
    assert "no clip of val is long enough to be scored (4 frames at 0.1 frames per second)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["none.yaml"], "there is no configuration at none.yaml"),
        ([str(TINY), "optim.lrr=1"], "did you mean 'optim.lr'?"),
        ([str(TINY)], "there is nothing to train on; set data.folders"),
        (["none.pt", "steps=3"], "a checkpoint cannot be changed"),
    ],
)
def test_faults_are_told_in_one_sentence(words, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", *words]) == 2
    printed = capsys.readouterr().err
    assert sentence in printed and printed.count("\n") == 1
