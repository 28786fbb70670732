"""The metadata of a model file and its model card; the interval of correlated clips."""

import json
import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facetell.engine import Calibration, ModelInfo, load_engine, model_path
from facetell.engine.card import Card, read_card, to_markdown
from facetell.engine.engines import released_models
from facetell.engine.info import half_width, sigmoid
from facetell.types import FacetellError
from fixtures import FAST

INFO = ModelInfo("m", 8, 25.0, 160, 1.35, 64.0, Calibration(1.5, 0.2, (1.0, 0.0, 0.0, 2.0), 0.4), training={"steps": 3})

FINITE = st.floats(-1e9, 1e9)
NAN, INF = math.nan, math.inf
NO_NUMBER = [None, True, "1", [], NAN, INF]
NOT_POSITIVE = [0.0, -1.0, *NO_NUMBER]
NEGATIVE = [-1e-9, *NO_NUMBER]
BAD = {
    "name": [None, 1],
    "clip_frames": [1, 8.0, *NO_NUMBER],
    "frame_rate": NOT_POSITIVE,
    "size": [0, 160.5, *NO_NUMBER],
    "crop_scale": NOT_POSITIVE,
    "min_face_width": NOT_POSITIVE,
    "calibration": [None, 1, "a"],
    "max_clips": [-1, 16.0, *NO_NUMBER],
    "licence": [None, 1],
    "architecture": [None, 1, [1]],
    "training": [None, 1, [1]],
    "calibration.temperature": NOT_POSITIVE,
    "calibration.bias": NO_NUMBER,
    "calibration.covariance": [
        *(None, "1234", [1.0, 0.0, 1.0], [1.0, 0.0, 0.0, NAN], [1.0, 0.0, 0.0, "1"]),
        [1.0, 0.5, -0.5, 1.0],  # not symmetric
        *([1.0, 2.0, 2.0, 1.0], [-1.0, 0.0, 0.0, 1.0], [0.0, 1e-3, 1e-3, 1.0]),  # not positive semi-definite
    ],
    "calibration.clip_std": NEGATIVE,
    "calibration.threshold": [1.0, *NOT_POSITIVE],
    "calibration.false_positives": [1.0, *NEGATIVE],
    "calibration.tail": NEGATIVE,
}
assert list(BAD) == [f.name for f in fields(ModelInfo)] + [f"calibration.{f.name}" for f in fields(Calibration)]


def refusal(**changes):
    """The message for the metadata of INFO with fields changed, or left out where None."""
    metadata = {key: value for key, value in (INFO.to_metadata() | changes).items() if value is not None}
    with pytest.raises(FacetellError) as caught:
        ModelInfo.from_metadata(metadata, "here.onnx")
    message = str(caught.value)
    assert message.startswith("here.onnx is not a facetell model file: in its metadata, ")
    assert message.endswith("; use a file written by `facetell export`") and "\n" not in message
    assert len(message) < 400
    return message


def of_calibration(**changes):
    return json.dumps(json.loads(INFO.to_metadata()["calibration"]) | changes)


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
    first, _, inner = field.partition(".")
    message = refusal(**{first: of_calibration(**{inner: value}) if inner else json.dumps(value)})
    assert f"'{field}' is " in message or f"'{field}." in message


def test_invalid_missing_and_unknown_fields_are_named():
    for text in ("{", "[" * 100_000):
        assert f"'size' is not JSON: '{text[0]}" in refusal(size=text)
    needed = {name: INFO.to_metadata()[name] for name in ("name", "clip_frames", "frame_rate", "size", "crop_scale")}
    assert ModelInfo.from_metadata(needed, "here").calibration == Calibration()
    for name in needed:
        assert f"'{name}' is missing" in refusal(**{name: None})
    assert "there is no 'calibration.isotonic'" in refusal(calibration=of_calibration(isotonic=[1, 2]))


@pytest.mark.parametrize("n", [1, 3, 12, 60])
@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.6, 0.8, 0.9])
def test_the_interval_covers_the_mean_of_the_process(n, correlation):
    """Nominal 95 %. Values taken as independent cover 32 % at n = 60 and a correlation of 0.9."""
    apart = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    values = np.random.default_rng(n).normal(size=(3000, n)) @ np.linalg.cholesky(correlation**apart).T
    for step in (1, 4):  # every k-th value of such a process is such a process with the correlation r^k
        part = values[:, ::step]
        assert (np.abs(part.mean(axis=1)) <= half_width(part, 1.0)).mean() >= 0.93


def test_the_interval_of_a_track_includes_the_uncertainty_of_the_calibration():
    logits, calibration = [0.5, 1.5, -0.4], Calibration(2.0, -0.5, (0.04, 0, 0, 0.09), 0.8)
    mean = np.mean(logits)
    half = np.hypot(half_width(logits, 0.8) / 2, 1.96 * np.sqrt(0.04 * mean**2 + 0.09))
    expected = [sigmoid(mean / 2 - 0.5 + sign * half) for sign in (-1, 1)]
    assert calibration.interval(logits) == pytest.approx(expected, rel=1e-4)
    assert Calibration().interval([0.3]) == pytest.approx([sigmoid(0.3)] * 2)


SECTIONS = [
    {"title": "Model card: m", "level": 1, "blocks": ["Run `facetell` now.", [["a", "b"], ["1_x", "2 [1–3]"]]]},
    {"title": "Limits", "blocks": [["one", "two"]]},
]


def test_a_card_is_read_and_rendered(tmp_path):
    limits = {"as it is": {"auc": 0.9}, "faces 64 pixels wide": {"auc": 0.8}}
    (tmp_path / "m.json").write_text(json.dumps({"card": SECTIONS, "limits": limits}))
    card = read_card(tmp_path / "m.onnx")
    assert card.by_width == [(64, 0.8)] and card.unchanged == 0.9
    assert card.limits == ("one", "two")
    assert [section.title for section in card.sections] == ["Model card: m", "Limits"]
    assert to_markdown(card.sections) == (
        "# Model card: m\n\nRun `facetell` now.\n\n| a | b |\n| --- | --- |\n| 1\\_x | 2 \\[1–3] |\n\n"
        "## Limits\n\n- one\n- two\n"
    )


@pytest.mark.parametrize("text", [None, "", "[]", '{"card": 3}', '{"card": [{"title": 1}]}', '{"limits": [{}]}'])
def test_what_is_no_card_is_an_empty_card(text, tmp_path):
    if text is not None:
        (tmp_path / "m.json").write_text(text)
    assert read_card(tmp_path / "m.onnx") == Card()


@pytest.mark.parametrize("name", released_models())
def test_a_released_model_is_small_and_described_and_the_markdown_of_its_card_is_up_to_date(name):
    path, info = model_path(name), load_engine(name).info
    assert path.stem == info.name == name and path.stat().st_size < (20_000_000 if name == FAST else 70_000_000)
    assert info.licence == "Apache-2.0" and info.clip_frames >= 4
    assert info.calibration.temperature > 0 and 0 < info.calibration.threshold < 1
    card = read_card(path)
    assert len(card.limits) >= 3 and card.by_width and card.unchanged > 0.5
    threshold, forged, genuine = card.rates
    assert threshold == info.calibration.threshold and 0 < genuine < forged < 1
    assert path.with_suffix(".md").read_text(encoding="utf-8") == to_markdown(card.sections)
