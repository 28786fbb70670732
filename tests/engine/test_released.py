"""Names of the released models."""

import shutil
from pathlib import Path

import pytest

from facetell.detector import Detector
from facetell.engine import DEFAULT_MODEL, FAST_MODEL, load_engine, model_path
from facetell.engine.released import model_word, released_models
from facetell.types import FacetellError
from fixtures import FAST_FILE


def test_every_name_is_that_of_its_file_and_its_model():
    assert {DEFAULT_MODEL, FAST_MODEL} <= set(released_models())
    for name, path in released_models().items():
        assert model_path(name) == path and path.stem == name == model_word(path)
        assert path.with_suffix(".md").is_file() and path.with_suffix(".json").is_file()
    assert load_engine(FAST_MODEL).info.name == FAST_MODEL
    assert model_path() == released_models()[DEFAULT_MODEL]


def test_a_file_with_the_name_of_a_released_model_is_named_by_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(FAST_FILE, FAST_MODEL)
    assert model_path(FAST_MODEL) == FAST_FILE
    assert model_path(f"./{FAST_MODEL}") == Path(FAST_MODEL)
    assert model_word(tmp_path / "own.onnx") == "own.onnx"


@pytest.mark.parametrize("model", ["facetel", "no/where.onnx", "x" * 5000])
def test_what_is_neither_a_name_nor_a_file_is_one_message_with_the_names(model):
    with pytest.raises(FacetellError, match=f"no model file at {model}; .* released model: .*{FAST_MODEL}"):
        Detector(model)
