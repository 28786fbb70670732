"""A corpus of two real people and one forgery, prepared as any other is."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest

from facetell.assets import locate
from facetell.train.corpus import prepare


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    """A manifest in the layout of the training data; the "generator" clip is the man played again."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "clips").mkdir()
    rows = []
    people = (
        ("real", "", "woman", "sample_woman"),
        ("real", "", "man", "sample_man"),
        ("fake", "G", "x", "sample_man"),
    )
    for split in ("train", "val"):
        for label, generator, identity, sample in people:
            name = f"clips/{split}_{label}_{identity}.mp4"
            shutil.copy(locate(sample), folder / name)
            rows.append((name, label, generator, identity, split))
    with (folder / "manifest.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("file", "label", "generator", "identity", "split"), *rows])
    return folder


@pytest.fixture(scope="session")
def corpus(data, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    faults = [fault for _, fault in prepare(data, folder, rate=25.0) if fault]
    assert faults == []
    return folder
