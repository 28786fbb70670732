from dataclasses import replace

import numpy as np
import pytest

from evaluate.scored import table
from facetell.evaluate.compare import compare
from facetell.evaluate.sample import summarise
from facetell.metrics.measures import MEASURES
from facetell.types import FacetellError


def test_difference_is_that_of_the_videos_that_both_scored():
    a = table(120, seed=1, noise=0.2, unscored=(3, 4))
    b = table(110, seed=2, noise=4, unscored=(4, 5, 6))
    found = compare(a, b, draws=300)
    common = [i for i in range(110) if i not in (3, 4, 5, 6)]
    names = [f"test/{i}.mp4" for i in common]
    va, vb = a.select(video=names).videos(), b.select(video=names).videos()
    assert list(found.left_out.values()) == [2, 3, 0, 10, 0]
    assert found.real + found.fake == len(common) == len(va)
    difference = found.difference
    assert difference.value == found.a.value - found.b.value and found.identities == 20
    # Independent draws would give an interval as wide as those of both figures together.
    assert difference.high - difference.low < (found.a.high - found.a.low) + (found.b.high - found.b.low)
    assert found.better == "a"
    assert found.a == summarise(va, draws=300)["auc"] and found.b == summarise(vb, draws=300)["auc"]
    assert compare(a, b, measure="brier", draws=300).better == "a" and compare(b, a, draws=300).better == "b"


def test_a_model_is_not_better_than_itself():
    a = table(60)
    for measure in MEASURES:
        found = compare(a, a, measure=measure, draws=50)
        assert (found.difference.value, found.difference.p, found.better) == (0, 1, "")


def test_only_the_split_and_clean_videos_count():
    a, b = table(60, seed=1), table(60, seed=2)
    before = compare(a, b, split="test", draws=50)
    others = [table(60, seed=9, split="val"), table(60, seed=8)]
    others[1].columns["distortion"][:] = "GB"
    for other in others:
        joined = replace(a, columns={k: np.concatenate([a[k], other[k]]) for k in a.columns})
        assert compare(joined, b, split="test", draws=50) == before


def test_files_that_cannot_be_compared_are_refused():
    a = table(30)
    with pytest.raises(FacetellError, match=r"no video of the split val \(it has test\)"):
        compare(a, a, split="val")
    moved = replace(a, columns={**a.columns, "video": np.array([f"x/{v}" for v in a["video"]], dtype=object)})
    with pytest.raises(FacetellError, match="A and B have no video in common"):
        compare(a, moved)
    turned = replace(a, columns={**a.columns, "label": np.where(a["video"] == "test/4.mp4", 0, a["label"])})
    with pytest.raises(FacetellError, match=r"disagree on the labels of 1 videos, such as test/4\.mp4"):
        compare(a, turned)
    with pytest.raises(FacetellError, match="both scored 0 real and 20 forged videos, too few for AUC"):
        compare(a.select(label=1), a)
    assert np.isfinite(compare(a.select(label=1), a, measure="brier", draws=20).difference.p)


def test_videos_are_matched_by_dataset_and_path():
    one, other = table(30), table(30, seed=2, dataset="celebdf2")
    both = replace(one, columns={name: np.concatenate([one[name], other[name]]) for name in one.columns})
    found = compare(both, both, draws=20)
    assert (found.real, found.fake, found.identities) == (20, 40, 20)
    with pytest.raises(FacetellError, match=r"no video in common \(by dataset and path\)"):
        compare(one, other)
