import json
import math
from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facetell.engine import Calibration, ModelInfo
from facetell.types import FacetellError

INFO = ModelInfo("m", 8, 25.0, 160, 1.35, 64.0, Calibration(1.5, 0.2, (1.0, 0.0, 0.0, 2.0), 0.4), training={"steps": 3})

FINITE = st.floats(-1e9, 1e9)
NAN, INF = math.nan, math.inf
NO_NUMBER = [None, True, "1", [], {}, NAN, INF]
NOT_POSITIVE = [0.0, -1.0, *NO_NUMBER]
NEGATIVE = [-1e-9, *NO_NUMBER]
BAD = {
    "name": [None, 1, {}],
    "clip_frames": [1, 8.0, *NO_NUMBER],
    "frame_rate": NOT_POSITIVE,
    "size": [0, 160.5, *NO_NUMBER],
    "crop_scale": NOT_POSITIVE,
    "min_face_width": NOT_POSITIVE,
    "calibration": [None, 1, "a", [1]],
    "max_clips": [-1, 16.0, *NO_NUMBER],
    "licence": [None, 1, []],
    "architecture": [None, 1, "a", [1]],
    "training": [None, 1, "a", [1]],
}
BAD_CALIBRATION = {
    "temperature": NOT_POSITIVE,
    "bias": NO_NUMBER,
    "covariance": [
        *(None, 1.0, "1234", [1.0, 0.0, 1.0], [1.0, 0.0, 0.0, NAN], [1.0, 0.0, 0.0, "1"]),
        [1.0, 0.5, -0.5, 1.0],  # not symmetric
        *([1.0, 2.0, 2.0, 1.0], [-1.0, 0.0, 0.0, 1.0], [0.0, 1e-3, 1e-3, 1.0]),  # not positive semi-definite
    ],
    "clip_std": NEGATIVE,
    "threshold": [1.0, *NOT_POSITIVE],
    "false_positives": [1.0, *NEGATIVE],
    "tail": NEGATIVE,
}
assert list(BAD) == [field.name for field in fields(ModelInfo)]
assert list(BAD_CALIBRATION) == [field.name for field in fields(Calibration)]


def refusal(**changes):
    """The message for the metadata of INFO with fields changed, or left out where None."""
    metadata = {key: value for key, value in (INFO.to_metadata() | changes).items() if value is not None}
    with pytest.raises(FacetellError) as caught:
        ModelInfo.from_metadata(metadata, "here.onnx")
    message = str(caught.value)
    assert message.startswith("here.onnx is not a facetell model file: in its metadata, '")
    assert message.endswith("; use a file written by `facetell export`") and "\n" not in message
    assert len(message) < 400
    return message


@settings(deadline=None, max_examples=30)
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


@pytest.mark.parametrize(("field", "value"), [(field, value) for field in BAD for value in BAD[field]])
def test_a_wrong_field_is_refused_by_name(field, value):
    message = refusal(**{field: json.dumps(value)})
    assert f"'{field}' is " in message or f"'{field}." in message


@pytest.mark.parametrize(("field", "value"), [(f, value) for f in BAD_CALIBRATION for value in BAD_CALIBRATION[f]])
def test_a_wrong_field_of_the_calibration_is_refused_by_name(field, value):
    message = refusal(calibration=json.dumps(json.loads(INFO.to_metadata()["calibration"]) | {field: value}))
    assert f"'calibration.{field}" in message


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
