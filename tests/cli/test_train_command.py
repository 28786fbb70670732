"""``facetell train configs/tiny.yaml``: trains, resumes, exports, scores, in seconds."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
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
    assert "the time is up at step 0 of 6; the same command goes on from there" in printed

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
    shipped = {"name": "run", "sha256": file_sha256(model)}
    for about in (scores.about, read_scores(run / "run.pseudo.parquet").about):
        assert about["model"] == shipped and about["min_face_width"] == info.min_face_width

    before = (run / "checkpoint.pt").read_bytes()
    again = tmp_path / "again.onnx"
    told = ["train", str(run / "best.pt"), f"data.folders=[{prepared}]", "--to", str(again)]
    assert main(told) == 0
    assert load_engine(again).info.calibration == info.calibration
    assert (run / "checkpoint.pt").read_bytes() == before


def test_networks_are_fused_and_released_as_they_are(prepared, tmp_path, monkeypatch, capsys):  # noqa: F811
    files = []
    for name, motion in (("spatial", "none"), ("temporal", "mcb")):
        network = create_model("lite0", motion, clip_frames=4, size=64, width=0.25, depth=0.5)
        torch.nn.init.normal_(network.classifier.weight, std=0.2)
        files.append(str(arrays_file(network, tmp_path / f"{name}.onnx")))
    config, start, run = tmp_path / "two.yaml", tmp_path / "start.onnx", tmp_path / "run"
    config.write_text(
        f"extends: {TINY}\nmodel: lite0_multi_stream\nsteps: 0\npretrained: {start}\nbatch: {{frame_rate: 12.5}}\n"
        "overrides: {streams: [{kind: spatial, every: 2}, {kind: temporal, size: 48}]}\n"
    )
    assert main(["fuse", str(config), *files, "--to", str(start)]) == 0
    command = ["train", str(config), f"data.folders=[{prepared}]"]
    other = "overrides.streams=[{kind: spatial, every: 2}, {kind: temporal}]"
    assert main([*command, other, "--out", str(tmp_path / "other")]) == 2
    assert (
        "was built with streams=[{'every': 2, 'kind': 'spatial', 'size': None, 'witness': 0}, "
        in capsys.readouterr().err
    )
    assert main([*command, "--out", str(run)]) == 0
    assert "step 0 val: auc" in capsys.readouterr().err
    clips = np.random.default_rng(0).integers(0, 256, (3, 4, 64, 64, 3), dtype=np.uint8)
    before, after = (load_engine(path, precision="f32") for path in (start, run / "run.onnx"))
    np.testing.assert_allclose(after.score(clips), before.score(clips), atol=2e-3)  # stored in half precision
    assert after.info.training["steps"] == 0 and after.info.architecture["streams"][1]["size"] == 48
    assert (after.info.frame_rate, after.info.clip_frames) == (12.5, 4)
    card = (run / "run.md").read_text()
    assert "no training steps" in card and "2 real clips of 2 people" in card
    assert "Several EfficientNet-Lite0, for pictures and for motion" in card
    assert "4 frames in a row at about 12.5 frames per second" in card
    monkeypatch.setattr(release, "ROUNDING", {"fp16": 1e-9})
    assert (
        main(["train", str(run / "best.pt"), f"data.folders=[{prepared}]", "--to", str(tmp_path / "again.onnx")]) == 2
    )
    assert "storing its weights in fewer bits cost too much" in capsys.readouterr().err
    assert main([*command, "batch.frame_rate=0.1", "--out", str(tmp_path / "slow")]) == 2
    assert "no clip of val is long enough to measure on (4 frames at 0.1 a second)" in capsys.readouterr().err


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
