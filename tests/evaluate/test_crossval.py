"""Out-of-fold results by kind, against counts and an AUC that are worked out independently."""

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from facetell.datasets.manifest import Entry
from facetell.evaluate import crossval
from facetell.evaluate.crossval import by_kind, drift_of_reals, drift_table, kind_table, spread
from facetell.evaluate.formats import markdown_table
from facetell.metrics.intervals import wilson

# Of repositories with 7, 7, 6, 6 and 6 reals.
REALS = [Entry(f"r{n}.mp4", 0, "train", identity=f"p{n}", repository=f"owner/r{n % 5}") for n in range(32)]
SWAPS = [Entry(f"s{number}.mp4", 1, "train", identity=f"s{number}", kind="face-swap") for number in range(20)]
FEW = [Entry(f"e{number}.mp4", 1, "train", kind="face-edit") for number in range(4)]
ENTRIES = [*REALS, *SWAPS, *FEW]
SCORES = np.random.default_rng(3).normal(size=len(ENTRIES)) + np.array([2.0 * bool(entry.label) for entry in ENTRIES])


def test_each_kind_is_measured_against_all_reals():
    results = by_kind(ENTRIES, SCORES, threshold=1.5)
    assert list(results.kinds) == ["all", "face-swap"] and results.kinds["all"].fakes == 24
    swaps = results.kinds["face-swap"]
    assert swaps.auc.value == pytest.approx(roc_auc_score([0] * 32 + [1] * 20, SCORES[:52]))
    assert swaps.auc.low < swaps.auc.value < swaps.auc.high
    caught, wrong = int((SCORES[32:52] >= 1.5).sum()), int((SCORES[:32] >= 1.5).sum())
    assert swaps.tpr == wilson(caught, 20) and results.fpr == wilson(wrong, 32)
    assert (results.reals, results.identities) == (32, 32)


def test_clips_of_a_video_count_once_and_what_is_not_scored_does_not():
    clips = [Entry(f"c{n}.mp4", 0, "train", origin="v.mp4", track=n // 2, repository="r") for n in range(4)]
    entries = [*ENTRIES, *clips, Entry("gone.mp4", 0, "train")]
    results = by_kind(entries, [*SCORES, -9.0, -9.0, 1.0, 3.0, math.nan], threshold=1.99)
    # Its highest face has a mean of 2.
    assert results == by_kind([*ENTRIES, clips[0]], [*SCORES, 2.0], threshold=1.99) and results.reals == 33


def test_spread_over_folds_and_seeds():
    folds = np.arange(len(ENTRIES)) % 2
    scores = np.stack([SCORES, -SCORES, np.zeros(len(ENTRIES))])
    labels = np.array([entry.label for entry in ENTRIES])
    found = spread(ENTRIES, scores, np.stack([folds, folds, folds]))
    whole = roc_auc_score(labels, SCORES)
    of_seeds = [whole, 1 - whole, 0.5]
    of_folds = [roc_auc_score(labels[folds == fold], row[folds == fold]) for row in scores for fold in (0, 1)]
    assert found["all"].seeds == pytest.approx((np.mean(of_seeds), np.std(of_seeds, ddof=1)))
    assert found["all"].folds == pytest.approx((np.mean(of_folds), np.std(of_folds, ddof=1)))
    table = kind_table(by_kind(ENTRIES, SCORES), found)
    assert table.head[-2:] == ("AUC of folds", "AUC of seeds") and "50.0 ± " in table.rows[0][-1].text


def test_drift_of_the_reals_between_repositories():
    shifts = dict(zip(range(5), (0.3, -0.2, 0.1, 0.0, 0.2), strict=True))
    scores = [shifts[number % 5] for number in range(32)]
    entries = [*REALS, *(Entry(f"x{number}.mp4", 0, "train", repository="small") for number in range(4)), *SWAPS]
    drift = drift_of_reals(entries, [*scores, *[9.0] * 24])
    assert list(drift) == [f"owner/r{number}" for number in (1, 3, 2, 4, 0)]
    assert [count for _, count in drift.values()] == [7, 6, 6, 6, 7]
    assert [mean for mean, _ in drift.values()] == pytest.approx(sorted(shifts.values()))
    table = drift_table(drift)
    assert "range of the means 0.50" in table.caption
    assert "| owner/r1 | 7 | -0.20 |" in markdown_table(table)


def test_within_a_source_the_score_of_the_source_does_not_count():
    rows = [("a", 0, 1), ("a", 0, 3), ("a", 1, 2), ("b", 0, 51), ("b", 0, 52), ("b", 1, 53), ("b", 1, 54)]
    rows += [("only real", 0, 99), ("only forged", 1, -99)]
    entries = [Entry(f"{n}.mp4", label, "train", repository=name) for n, (name, label, _) in enumerate(rows)]
    found = crossval.within_sources(entries, [score for *_, score in rows])
    assert found == {"a": (0.5, 1), "b": (1.0, 2)}
    mean = crossval.mean_within(found)
    blind = crossval.mean_within(crossval.within_sources(entries, [ord(name[0]) for name, *_ in rows]))
    assert mean.value == pytest.approx((0.5 + 2 * 1.0) / 3) and (mean.low, mean.high) == (0.5, 1.0)
    assert (blind.value, blind.low, blind.high) == (0.5, 0.5, 0.5) and math.isnan(crossval.mean_within({}).value)
