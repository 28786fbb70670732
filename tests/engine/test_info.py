import json
import math
from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facetell.engine import Calibration, ModelInfo
from facetell.engine.info import sigmoid
from facetell.types import FacetellError

INFO = ModelInfo("m", 8, 25.0, 160, 1.35, 64.0, Calibration(1.5, 0.2, (1.0, 0.0, 0.0, 2.0), 0.4), training={"steps": 3})

steady = settings(deadline=None, max_examples=30)
FINITE = st.floats(-1e9, 1e9)
NOT_FINITE = st.sampled_from([math.nan, math.inf, -math.inf])
NO_NUMBER = st.sampled_from([None, True, "1", "", [], {}, [1.0]]) | NOT_FINITE
NOT_POSITIVE = st.floats(-1e9, 0) | NO_NUMBER
NEGATIVE = st.floats(-1e9, -1e-9) | NO_NUMBER
NO_TEXT = st.sampled_from([None, 1, 1.5, True, [], {}])
NO_TABLE = st.sampled_from([None, 1, "a", True, [1]])

BAD = {
    "name": NO_TEXT,
    "clip_frames": st.integers(max_value=1) | st.floats(0, 100) | NO_NUMBER,
    "frame_rate": NOT_POSITIVE,
    "size": st.integers(max_value=0) | st.floats(0, 100) | NO_NUMBER,
    "crop_scale": NOT_POSITIVE,
    "min_face_width": NOT_POSITIVE,
    "calibration": NO_TABLE,
    "max_clips": st.integers(max_value=-1) | st.floats(0, 100) | NO_NUMBER,
    "licence": NO_TEXT,
    "architecture": NO_TABLE,
    "training": NO_TABLE,
}
BAD_COVARIANCES = [
    [1.0, 0.5, -0.5, 1.0],  # not symmetric
    [1.0, 2.0, 2.0, 1.0],  # determinant below 0
    [-1.0, 0.0, 0.0, 1.0],
    [0.0, 1e-3, 1e-3, 1.0],
    [1.0, 0.0, 0.0, math.nan],
    [1.0, 0.0, 0.0, "1"],
    [1.0, 0.0, 1.0],
]
BAD_CALIBRATION = {
    "temperature": NOT_POSITIVE,
    "bias": NO_NUMBER,
    "covariance": st.sampled_from([None, 1.0, "1234", *BAD_COVARIANCES]),
    "clip_std": NEGATIVE,
    "threshold": NOT_POSITIVE | st.floats(1, 1e9),
    "false_positives": NEGATIVE | st.floats(1, 1e9),
    "tail": NEGATIVE,
}
assert list(BAD) == [field.name for field in fields(ModelInfo)]
assert list(BAD_CALIBRATION) == [field.name for field in fields(Calibration)]


def refusal(**changes: str | None) -> str:
    """The message for the metadata of INFO with fields changed, or left out where None."""
    metadata = {key: value for key, value in (INFO.to_metadata() | changes).items() if value is not None}
    with pytest.raises(FacetellError) as caught:
        ModelInfo.from_metadata(metadata, "here.onnx")
    message = str(caught.value)
    assert message.startswith("here.onnx is not a facetell model file: in its metadata, '")
    assert message.endswith("; use a file written by `facetell export`") and "\n" not in message
    assert len(message) < 400
    return message


@steady
@given(
    covariance=st.tuples(FINITE, FINITE, FINITE).map(lambda v: (v[0] ** 2, v[0] * v[1], v[0] * v[1], v[1] ** 2)),
    temperature=st.floats(1e-3, 1e3),
    threshold=st.floats(1e-6, 1 - 1e-6),
    size=st.integers(1, 4096),
    rate=st.floats(1e-3, 1e3),
)
def test_values_in_range_are_read_to_the_last_bit(covariance, temperature, threshold, size, rate):
    # Covariances of rank one: their determinant is 0 but for rounding.
    calibration = Calibration(temperature, -1.0, covariance, 0.0, threshold, 0.05)
    info = replace(INFO, size=size, frame_rate=rate, calibration=calibration)
    assert ModelInfo.from_metadata(info.to_metadata() | {"onnx.quant": "of another program"}, "here") == info


@pytest.mark.parametrize("field", [*BAD, *(f"calibration.{field}" for field in BAD_CALIBRATION)])
@steady
@given(data=st.data())
def test_a_wrong_field_is_refused_by_name_and_value(field, data):
    name, _, part = field.partition(".")
    value = data.draw(BAD_CALIBRATION[part] if part else BAD[name])
    if part:
        value = json.loads(INFO.to_metadata()[name]) | {part: value}
    message = refusal(**{name: json.dumps(value)})
    assert f"'{field}' is " in message or f"'{field}." in message


def test_invalid_missing_and_unknown_fields_are_named():
    for field in BAD:
        for text in ("{", "[" * 100_000):
            assert f"'{field}' is not JSON: '{text[0]}" in refusal(**{field: text})
    needed = {name: INFO.to_metadata()[name] for name in ("name", "clip_frames", "frame_rate", "size", "crop_scale")}
    assert ModelInfo.from_metadata(needed, "here").calibration == Calibration()
    for name in needed:
        assert f"'{name}' is missing" in refusal(**{name: None})
    calibration = json.loads(INFO.to_metadata()["calibration"]) | {"isotonic": [1, 2]}
    message = refusal(calibration=json.dumps(calibration))
    assert "'calibration.isotonic' is [1, 2]: unexpected keyword argument" in message


def test_sigmoid_is_safe_and_symmetric():
    assert sigmoid(1e4) == 1.0 and sigmoid(-1e4) == 0.0
    assert sigmoid(0) == 0.5 and sigmoid(2) + sigmoid(-2) == pytest.approx(1)
    assert 0.5 < Calibration(4.0).probability(2.0) < Calibration(1.0).probability(2.0)
