from dataclasses import replace
from inspect import signature

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluate.tables import steady, table
from facetell.evaluate.scores import from_rows
from facetell.evaluate.select import select
from facetell.types import FacetellError


def joined(*tables):
    first = tables[0]
    return replace(first, columns={k: np.concatenate([t[k] for t in tables]) for k in first.columns})


def candidates():
    """Two models; the one that is better on val is hopeless on test and on another dataset's val."""
    good, bad = {"noise": 0.1, "seed": 1}, {"noise": 5.0, "seed": 2}
    return {
        name: joined(
            table(60, split="val", **on_val),
            table(60, split="test", **on_test),
            table(60, split="val", dataset="Celeb-DF", **on_test),
        )
        for name, on_val, on_test in (("tests well", bad, good), ("validates well", good, bad))
    }


def test_the_best_on_val_of_the_training_set_is_chosen():
    found = select(candidates(), "FF++", draws=100)
    assert found.chosen == "validates well" and found.videos == 60
    best, other = found.figures["validates well"], found.figures["tests well"]
    assert other.value < best.value and best.low < best.value < best.high
    assert select(candidates(), "FF++", measure="brier", draws=20).chosen == "validates well"
    assert select(candidates(), "Celeb-DF", draws=20).chosen == "tests well"


@given(st.data())
@steady
def test_nothing_in_the_test_rows_can_change_the_choice(data):
    before = select(candidates(), "FF++", draws=20)
    changed = {}
    for name, scores in candidates().items():
        tests = scores["split"] != "val"
        count = int(tests.sum())
        rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
        how = data.draw(st.sampled_from(["permute", "replace", "relabel", "remove", "perfect", "same video"]))
        columns = {key: column.copy() for key, column in scores.columns.items()}
        if how == "permute":
            columns["logit"][tests] = rng.permutation(columns["logit"][tests])
        elif how == "replace":
            columns["logit"][tests] = rng.choice([-1e9, 0, 1e9, np.nan, np.inf], count)
        elif how == "relabel":
            columns["label"][tests] = rng.integers(-1, 2, count)
            columns["dataset"][tests] = "FF++"
        elif how == "perfect":
            columns["logit"][tests] = columns["label"][tests] * 100.0
        elif how == "same video":  # the very videos of val, turned round, as rows of test
            videos = scores["split"] == "val"
            columns["video"][tests] = rng.choice(columns["video"][videos], count)
            columns["identity"][tests] = "p0"
            columns["label"][tests] = 1 - columns["label"][tests]
        changed[name] = replace(scores, columns=columns)
        if how == "remove":
            changed[name] = changed[name].where(~tests | (rng.random(len(scores)) < 0.3))
    assert select(changed, "FF++", draws=20) == before


def test_there_is_no_way_to_ask_for_another_split():
    assert not any("split" in name for name in signature(select).parameters)
    rows = [
        {"video": str(i), "label": i % 2, "logit": 0.0, "track": 0, "split": s}
        for i in range(4)
        for s in ("test", "train")
    ]
    with pytest.raises(FacetellError, match="m has no undistorted video of the split val of FF"):
        select({"m": from_rows([{**r, "dataset": "FF++"} for r in rows], {})}, "FF++")


def test_a_candidate_gains_nothing_by_abstaining():
    whole = table(60, split="val", seed=1, noise=1)
    videos = whole.videos()
    wrong = videos["video"][(videos["logit"] > 0.5) != (videos["label"] == 1)]
    hidden = np.where(np.isin(whole["video"], wrong), np.nan, whole["logit"])
    picky = replace(whole, columns={**whole.columns, "logit": hidden})
    found = select({"whole": whole, "picky": picky}, "FF++", draws=20)
    assert found.videos == 60 - len(wrong) and found.unscored == {"whole": 0, "picky": len(wrong)}
    assert found.figures["picky"] == found.figures["whole"] and found.figures["whole"].value == 1


def test_of_equal_candidates_the_first_is_chosen():
    scores = table(30, split="val")
    assert select({"b": scores, "a": scores}, "FF++", draws=5).chosen == "b"


def test_what_cannot_be_chosen_from_is_refused():
    scores = table(30, split="val")
    with pytest.raises(FacetellError, match="no candidate"):
        select({}, "FF++")
    with pytest.raises(FacetellError, match="b has no undistorted video of the split val"):
        select({"a": scores, "b": table(30)}, "FF++")
    with pytest.raises(FacetellError, match="not scored on the same videos"):
        select({"a": scores, "b": table(27, split="val")}, "FF++")
    with pytest.raises(FacetellError, match="scored 0 real and 20 forged videos, too few for AUC"):
        select({"a": scores.select(label=1)}, "FF++")
    with pytest.raises(FacetellError, match="scored 0 real and 0 forged"):
        select({"a": scores, "b": table(30, split="val", unscored=tuple(range(30)))}, "FF++")
