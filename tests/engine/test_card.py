"""The model card is read from the JSON file next to the model; a missing or foreign file is an empty card."""

import json

import pytest

from facetell.engine.card import NARROWED, RECODED, Card, Measured, read_card
from facetell.engine.released import released_models
from facetell.evaluate.corruptions import LIMITS, SHORTCUTS


@pytest.mark.parametrize("name", ["facetell", "facetell-fast"])
def test_released_models_state_their_limits_and_figures(name):
    card = read_card(released_models()[name])
    assert len(card.limits) >= 3 and "AUC" in card.limits[0]
    assert card.blocks[0].lines == (f"Model card: {name}",)
    tables = [block for block in card.blocks if block.kind == "table"]
    assert len(tables) >= 3 and all(len({len(row) for row in table.rows}) == 1 for table in tables)
    assert any(block.lines == card.limits for block in card.blocks)
    assert [line.value for line in card.measured(NARROWED)][-1] == 32


def test_figures_of_corruptions_are_read_from_both_forms(tmp_path):
    rows = [{"about": about, "auc": auc, "false_positive_rate": 0.05} for about, auc in (("as it is", 0.9), ("x", 0.8))]
    content = {
        "model": {"name": "m"},
        "shortcuts": [*rows, rows[0] | {"about": "re-encoded, H.264 crf 40", "auc": 0.6}],
        "limits": {
            "as it is": {"auc": 0.8, "fpr": 0.05},
            "faces 64 pixels wide": {"auc": 0.7, "fpr": 0.2},
            "noise": {"auc": 0.6, "fpr": 0},
        },
    }
    (tmp_path / "m.json").write_text(json.dumps(content))
    card = read_card(tmp_path / "m.onnx")
    assert card.measured(RECODED) == [Measured(40, "0.60", "0.90")]
    assert card.measured(NARROWED) == [Measured(64, "0.70", "0.80")]
    assert card.limits[0] == "The false positive rate is higher under: faces 64 pixels wide (20%)."
    assert card.limits[1] == "Hardly any forgery is recognised under (AUC): noise (0.60)."


def test_names_of_corruptions_are_those_that_are_searched():
    for corruptions, pattern in ((SHORTCUTS, RECODED), (LIMITS, NARROWED)):
        assert sum(bool(pattern.fullmatch(corruption.about)) for corruption in corruptions.values()) >= 3


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"model": 3}', "\xff"])
def test_a_missing_or_foreign_file_is_an_empty_card(tmp_path, text):
    if text is not None:
        (tmp_path / "m.json").write_text(text)
    assert read_card(tmp_path / "m.onnx") == Card()
