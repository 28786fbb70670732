import pytest

from facetell.engine import Calibration, ModelInfo
from facetell.engine.info import sigmoid
from facetell.types import FacetellError

INFO = ModelInfo("m", 8, 25.0, 160, 1.35, 64.0, Calibration(1.5, 0.2, (1.0, 0.0, 0.0, 2.0), 0.4), training={"steps": 3})


def test_metadata_survive_the_round_trip():
    assert ModelInfo.from_metadata(INFO.to_metadata(), "here") == INFO


def test_missing_or_garbled_metadata_name_the_file():
    for metadata in ({}, INFO.to_metadata() | {"calibration": "{"}, INFO.to_metadata() | {"calibration": '{"a": 1}'}):
        with pytest.raises(FacetellError, match="here is not a facetell model file"):
            ModelInfo.from_metadata(metadata, "here")


def test_sigmoid_is_safe_and_symmetric():
    assert sigmoid(1e4) == 1.0 and sigmoid(-1e4) == 0.0
    assert sigmoid(0) == 0.5 and sigmoid(2) + sigmoid(-2) == pytest.approx(1)


def test_a_higher_temperature_makes_more_modest_probabilities():
    assert 0.5 < Calibration(4.0).probability(2.0) < Calibration(1.0).probability(2.0)
