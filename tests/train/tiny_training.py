"""Prepared clips of two real people and one forgery, as any other data are prepared."""

import csv
import shutil
from pathlib import Path

import pytest
import torch

from facetell.cli import main
from facetell.train.config import DataConfig, read_config
from facetell.train.corpus import decode_all

TINY = Path(__file__).parents[2] / "configs" / "tiny.yaml"


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """A folder of prepared clips; the forgery is the man played again, and said to be made from him."""
    from fixtures import sample_frames, write_frames

    data, out = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("prepared")
    rows = []
    for split in ("train", "val"):
        for name in ("woman", "man"):
            write_frames(data / f"{split}_{name}.mp4", sample_frames(f"sample_{name}", 72), fps=25)
            rows.append((f"{split}_{name}.mp4", "real", "", name, split, ""))
        shutil.copy(data / f"{split}_man.mp4", data / f"{split}_fake.mp4")
        rows.append((f"{split}_fake.mp4", "fake", "G", "man", split, f"{split}_man.mp4"))
    with (data / "manifest.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("path", "label", "method", "identity", "split", "source"), *rows])
    assert main(["prepare", str(data), "--out", str(out)]) == 0
    return out


@pytest.fixture(scope="session")
def data(prepared):
    config = DataConfig(folders=(str(prepared),))
    decode_all(config, 0)
    return config


@pytest.fixture
def tiny(data):
    return tiny_config(data)


def tiny_config(data, *words):
    torch.set_num_threads(1)
    return read_config(TINY, [f"data.folders=[{data.folders[0]}]", *words])
