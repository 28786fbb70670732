"""The model card is read from JSON and rendered as Markdown."""

import json

import pytest

from facetell.engine import load_engine
from facetell.engine.card import Card, read_card, to_markdown
from facetell.engine.engines import released_models

SECTIONS = [
    {"title": "Model card: m", "level": 1, "blocks": ["Run `facetell` now.", [["a", "b"], ["1_x", "2 [1–3]"]]]},
    {"title": "Limits", "blocks": [["one", "two"]]},
]


def write(folder, **release):
    (folder / "m.json").write_text(json.dumps(release))
    return folder / "m.onnx"


def test_a_card_is_read_and_rendered(tmp_path):
    card = read_card(write(tmp_path, card=SECTIONS))
    assert card.limits == ("one", "two")
    assert [section.title for section in card.sections] == ["Model card: m", "Limits"]
    assert to_markdown(card.sections) == (
        "# Model card: m\n\nRun `facetell` now.\n\n| a | b |\n| --- | --- |\n| 1\\_x | 2 \\[1–3] |\n\n"
        "## Limits\n\n- one\n- two\n"
    )


def test_measured_conditions_are_those_of_the_figures(tmp_path):
    limits = {"as it is": {"auc": 0.9}, "faces 64 pixels wide": {"auc": 0.8}}
    card = read_card(write(tmp_path, limits=limits))
    assert card.by_width == [(64, 0.8)] and card.unchanged == 0.9


@pytest.mark.parametrize("text", [None, "", "[]", '{"card": 3}', '{"card": [{"title": 1}]}', '{"limits": [{}]}'])
def test_what_is_no_card_is_an_empty_card(text, tmp_path):
    if text is not None:
        (tmp_path / "m.json").write_text(text)
    assert read_card(tmp_path / "m.onnx") == Card()


@pytest.mark.parametrize("model", released_models().values(), ids=released_models().keys())
def test_a_released_model_has_a_card_whose_markdown_is_up_to_date(model):
    card = read_card(model)
    assert len(card.limits) >= 3 and card.by_width and card.unchanged > 0.5
    threshold, forged, genuine = card.rates
    assert threshold == load_engine(model).info.calibration.threshold and 0 < genuine < forged < 1
    assert model.with_suffix(".md").read_text(encoding="utf-8") == to_markdown(card.sections)
