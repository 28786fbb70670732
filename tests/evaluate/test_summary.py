from dataclasses import fields, replace

import numpy as np
import pytest
from scipy.special import expit
from sklearn import metrics

from evaluate.tables import table
from facetell.evaluate.scores import from_rows
from facetell.evaluate.summary import summarise
from facetell.metrics.calibration import ece
from facetell.metrics.intervals import Estimate, interval
from facetell.metrics.measures import MEASURES, identities_of, sample_of
from facetell.metrics.ranking import auc, eer, tpr_at_fpr

ABOUT = {"calibration": {"temperature": 1.4, "bias": -0.5, "threshold": 0.6}}


def test_figures_are_those_of_video_means_and_the_files_calibration():
    scores = table(90, about=ABOUT)
    found = summarise(scores.videos(), draws=200)
    logit = np.array([scores["logit"][scores["video"] == f"test/{i}.mp4"].mean() for i in range(90)])
    y, p = (np.arange(90) % 3 > 0).astype(int), expit(logit / 1.4 - 0.5)
    expected = {
        "auc": metrics.roc_auc_score(y, logit),
        "ap": metrics.average_precision_score(y, logit),
        "pauc": metrics.roc_auc_score(y, logit, max_fpr=0.1),
        "eer": eer(y, logit),
        "tpr_at_1": tpr_at_fpr(y, logit, max_fpr=0.01),
        "tpr_at_5": tpr_at_fpr(y, logit, max_fpr=0.05),
        "accuracy": metrics.accuracy_score(y, expit(logit) >= 0.5),
        "accuracy_calibrated": metrics.accuracy_score(y, p >= 0.6),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, p >= 0.6),
        "brier": metrics.brier_score_loss(y, p),
        "log_loss": metrics.log_loss(y, p),
        "ece": ece(y, p),
    }
    assert set(expected) == set(MEASURES)
    for name, value in expected.items():
        figure = getattr(found, name)
        assert figure.value == pytest.approx(value), name
        assert figure.low <= figure.high and np.isfinite([figure.low, figure.high]).all(), name
    assert found.threshold == 0.6 and found.people == 20
    people = [f"p{i // 3 % 20}" for i in range(90)]
    assert (found.auc.low, found.auc.high) == pytest.approx(
        (lambda e: (e.low, e.high))(interval(auc, y, logit, people, draws=200))
    )
    assert found == summarise(scores.videos(), draws=200)


def test_unscored_and_unlabelled_videos_are_counted_and_change_no_figure():
    whole = table(60)
    rows = [{"video": "none", "label": 0, "status": "no_face", "dataset": "FF++"}]
    rows += [
        {"video": "what", "label": -1, "track": 0, "clip": 0, "logit": 9.0},
        {"video": "nor", "status": "unreadable"},
    ]
    more = from_rows(rows, {})
    joined = replace(whole, columns={k: np.concatenate([whole[k], more[k]]) for k in whole.columns})
    a, b = summarise(whole.videos(), draws=50), summarise(joined.videos(), draws=50)
    assert (b.unscored_real, b.unscored_fake, b.unscored, b.unlabelled) == (1, 0, 1, 2)
    assert (b.real, b.fake) == (20, 40) == (a.real, a.fake)
    assert all(getattr(a, name) == getattr(b, name) for name in MEASURES)


@pytest.mark.parametrize("label", [0, 1])
def test_a_missing_class_gives_nan_where_the_measure_needs_both(label):
    found = summarise(table(30).select(label=label).videos(), draws=20)
    for name in ("auc", "ap", "eer", "pauc", "tpr_at_1", "tpr_at_5", "balanced_accuracy"):
        figure = getattr(found, name)
        assert np.isnan([figure.value, figure.low, figure.high]).all(), name
    assert np.isnan(found.eer_threshold) and np.isfinite(found.brier.value)


def test_nothing_scored_and_a_single_video_give_no_interval():
    nothing = summarise(from_rows([{"video": "a", "label": 0, "status": "no_face"}], {}).videos())
    assert (nothing.real, nothing.unscored_real) == (0, 1)
    single = summarise(table(1).videos(), draws=20)
    for summary in (nothing, single):
        estimates = [getattr(summary, f.name) for f in fields(summary)]
        estimates = [e for e in estimates if isinstance(e, Estimate)]
        assert len(estimates) == len(MEASURES) and all(np.isnan(e.low) for e in estimates)
    assert np.isnan(nothing.brier.value) and np.isfinite(single.brier.value)


def test_people_are_told_by_dataset_and_unknown_ones_by_video():
    rows = [
        {"video": "a", "identity": "1", "dataset": "X"},
        {"video": "b", "identity": "1", "dataset": "X"},
        {"video": "c", "identity": "1", "dataset": "Y"},
        {"video": "d", "dataset": "X"},
        {"video": "e", "dataset": "X"},
        {"video": "d", "dataset": "X", "distortion": "GB", "level": 1},
        {"video": "1", "dataset": "X"},
    ]
    scores = from_rows([{"label": 0, "logit": 0.0, "track": 0, **row} for row in rows], {})
    found = identities_of(scores.videos()).tolist()
    assert [found.index(number) for number in found] == [0, 0, 2, 3, 4, 3, 6]


def test_sample_is_what_was_scored_and_labelled():
    sample = sample_of(table(30, unscored=(0, 5)).videos())
    assert len(sample) == 28 and np.isfinite(sample.logits).all()
