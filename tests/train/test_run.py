"""Checkpoints are written atomically; a run is resumed only with its own configuration and data."""

import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from facetell.train.config import TrainConfig, build, override
from facetell.train.corpus import decode_all, fingerprint, load_recordings
from facetell.train.loop import CONFIG, Trainer
from facetell.train.run import CHECKPOINT, Stop, check_config, read_checkpoint, save
from facetell.types import FacetellError


@pytest.fixture
def begun(tiny, tmp_path):
    with Stop(0) as stop:
        assert not Trainer(tiny(), tmp_path / "run").run(stop)
    return tmp_path / "run"


@pytest.fixture
def copy(data, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(data.folders[0], folder, ignore=shutil.ignore_patterns(".decoded"))
    return replace(data, folders=(str(folder),))


def of(data):
    decode_all(data, 0)
    return fingerprint([clip for split in ("train", "val") for clip in load_recordings(data, split, 1)])


def test_another_configuration_or_other_data_are_refused_and_change_nothing(begun, tiny, copy):
    before, tiny = {path.name: path.read_bytes() for path in begun.iterdir() if path.is_file()}, tiny()
    with pytest.raises(FacetellError, match=r"was started with optim\.lr=0\.0004, not 0\.1; set it as it was"):
        Trainer(replace(tiny, optim=replace(tiny.optim, lr=0.1)), begun)
    manifest = Path(copy.folders[0], "manifest.csv")
    manifest.write_text(manifest.read_text().replace(",woman,", ",a woman,"))
    with pytest.raises(FacetellError, match=r"was started with other data \(6 clips then, 6 now\)"):
        Trainer(replace(tiny, data=copy), begun)
    assert {path.name: path.read_bytes() for path in begun.iterdir() if path.is_file()} == before
    Trainer(replace(tiny, steps=9, machine=replace(tiny.machine, checkpoint_every=3)), begun)
    assert '"steps": 9' in (begun / CONFIG).read_text()


FREE = ("steps=9", "machine.workers=3", "data.folders=[elsewhere]", "data.cache=elsewhere", "data.cache_gb=1")
COMPARED = ("model=lite2", "seed=7", "data.without=[G]", "batch.recipe.swap=0.1", "overrides.width=0.5")


@pytest.mark.parametrize("word", FREE + COMPARED)
def test_every_setting_is_compared_except_those_that_change_no_batch(word, tiny, tmp_path):
    stored = asdict(tiny())
    other = build(TrainConfig, override(stored, [word]), "tiny")
    if word in FREE:
        check_config(stored, other, tmp_path)
    else:
        with pytest.raises(FacetellError, match=rf"was started with {word.partition('=')[0]}=.*, not "):
            check_config(stored, other, tmp_path)


def test_a_copy_is_the_same_data_and_a_changed_clip_or_row_is_not(data, copy):
    first = of(data)
    assert first["clips"] == 6 and of(copy) == first
    folder = Path(copy.folders[0])
    points = next(folder.rglob("*.npz"))
    with np.load(points) as arrays:
        np.savez(points, **{**arrays, "landmarks": arrays["landmarks"] + np.float32(1e-3)})
    points.with_suffix(".mp4").touch()
    changed = of(copy)
    assert changed["rows"] == first["rows"] and changed["contents"] != first["contents"]
    rows = (folder / "manifest.csv").read_text().splitlines(keepends=True)
    (folder / "manifest.csv").write_text("".join(rows[:-1]))
    assert of(copy)["clips"] == 5


def test_a_checkpoint_is_the_old_one_or_the_new_one(tmp_path, monkeypatch):
    path = tmp_path / CHECKPOINT
    save({"config": {}, "step": 1}, path)

    def full(state, stream):
        stream.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(FacetellError, match="No space left"):
        save({"config": {}, "step": 2}, path)
    assert read_checkpoint(path)["step"] == 1
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
