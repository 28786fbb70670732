from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from evaluate.tables import table
from facetell.engine import Calibration
from facetell.engine.info import sigmoid
from facetell.evaluate.scores import from_rows
from facetell.metrics.measures import Sample, sample_of
from facetell.metrics.platt import FALSE_POSITIVES, calibrate, called_unseen, fit_platt, tail_scale, threshold_logit
from facetell.types import FacetellError


@pytest.mark.parametrize("seed", range(5))
def test_fit_is_logistic_regression_with_both_classes_weighing_the_same(seed):
    rng = np.random.default_rng(seed)
    x = np.concatenate([rng.normal(2, 1.5, 60), rng.normal(-1, 1.5, 30)])
    y = np.repeat([1, 0], [60, 30])
    reference = LogisticRegression(C=1e9, class_weight="balanced", tol=1e-10).fit(x[:, None], y)
    assert fit_platt(y, x, pull=0) == pytest.approx(
        (reference.coef_[0, 0], reference.intercept_[0]), rel=1e-3, abs=1e-3
    )
    slope, bias = fit_platt(y, x)
    assert 1 < slope < reference.coef_[0, 0] and slope == pytest.approx(reference.coef_[0, 0], rel=0.1)
    assert bias == pytest.approx(reference.intercept_[0], abs=0.15)


def test_weights_are_repetitions():
    rng = np.random.default_rng(0)
    y, times = np.arange(40) % 2, rng.integers(1, 4, 40)
    x = rng.normal(y, 1)
    assert fit_platt(y, x, times) == pytest.approx(fit_platt(np.repeat(y, times), np.repeat(x, times)), rel=1e-3)


def test_slope_stays_finite_where_the_classes_part_and_positive_where_they_are_swapped():
    assert 1 < fit_platt([0, 0, 1, 1], [-2, -1, 1, 2])[0] < 20
    assert 0 < fit_platt([1, 1, 0, 0], [-2, -1, 1, 2])[0] < 0.2


@pytest.mark.parametrize(("y", "x"), [([1, 1], [1, 2]), ([0, 1], [1, np.nan]), ([], [])])
def test_fit_refuses_what_it_cannot_fit(y, x):
    with pytest.raises(ValueError, match="Platt scaling needs"):
        fit_platt(y, x)


def test_calibration_takes_video_means_and_the_spread_of_their_clips():
    scores = table(150, clips=4, noise=0.6, unscored=(3, 4))
    found = calibrate(scores, draws=100)
    videos = scores.videos().scored
    slope, bias = fit_platt(videos["label"], videos["logit"])
    assert (1 / found.temperature, found.bias) == pytest.approx((slope, bias))
    assert found.clip_std == pytest.approx(0.6, abs=0.1)
    a, b, c, d = found.covariance
    assert a > 0 and d > 0 and b == pytest.approx(c) and a * d > b * c
    assert found == calibrate(scores, draws=100)


def test_the_threshold_lets_through_the_share_of_further_reals_that_it_was_chosen_for():
    rng = np.random.default_rng(0)
    reals = rng.standard_t(3, size=(4000, 40))  # heavy tails: no distribution is assumed
    further = rng.standard_t(3, size=4000)
    reached = [x >= threshold_logit(row, 0.05) for row, x in zip(reals, further, strict=True)]
    assert np.mean(reached) == pytest.approx(0.05, abs=0.012)


@pytest.mark.parametrize("draw", ["normal", "logistic", "exponential", "gumbel"])
def test_the_false_positive_rate_holds_for_several_genuine_faces(draw):
    """Over 300 calibrations on 100 reals each. Without the correction eight faces have about 33 %."""
    rng = np.random.default_rng(0)
    rates = {faces: [] for faces in (1, 2, 4, 8, "uncorrected")}
    for _ in range(300):
        reals = getattr(rng, draw)(size=100)
        calibration = Calibration(
            threshold=sigmoid(threshold_logit(reals)), false_positives=FALSE_POSITIVES, tail=tail_scale(reals)
        )
        further = 1 / (1 + np.exp(-getattr(rng, draw)(size=(500, 8))))
        for faces in (1, 2, 4, 8):
            rates[faces].append((further[:, :faces].max(axis=1) >= calibration.threshold_of(faces)).mean())
        rates["uncorrected"].append((further.max(axis=1) >= calibration.threshold).mean())
    uncorrected = rates.pop("uncorrected")
    assert np.mean(uncorrected) > 0.3
    for found in rates.values():
        error = np.std(found) / np.sqrt(len(found))
        assert np.mean(found) <= FALSE_POSITIVES + 2 * error


def test_the_threshold_rises_with_the_number_of_faces_where_the_tail_is_known():
    calibration = Calibration(threshold=0.8, false_positives=0.05, tail=1.2)
    thresholds = [calibration.threshold_of(faces) for faces in range(1, 40)]
    assert thresholds[0] == 0.8 and sorted(set(thresholds)) == thresholds and thresholds[-1] < 1
    for unknown in (replace(calibration, tail=0.0), replace(calibration, false_positives=0.0)):
        assert unknown.threshold_of(8) == 0.8


def test_tail_scale_is_that_of_an_exponential_distribution():
    x = np.random.default_rng(0).exponential(2.0, 100_000) - 5
    assert tail_scale(x) == pytest.approx(2 * (1 + 1 / np.sqrt(25_000)), rel=0.02)
    assert tail_scale([1.0, 1.0]) == 0


def test_videos_are_called_at_the_threshold_for_their_number_of_faces():
    about = {"calibration": {"threshold": 0.8, "false_positives": 0.05, "tail": 1.0}}
    rows = [{"video": "one", "label": 0, "track": 0, "logit": 1.6}]
    rows += [{"video": "two", "label": 0, "track": track, "logit": logit} for track, logit in ((0, 1.6), (1, 0.0))]
    sample = sample_of(from_rows(rows, about).videos())
    assert sample.thresholds == pytest.approx([0.8, 0.888], abs=0.001)
    assert (sample.probabilities >= sample.thresholds).tolist() == [True, False]


def test_calibration_chooses_the_threshold_on_reals_but_not_below_even_odds():
    scores = table(150, clips=4, noise=0.6)
    found = calibrate(scores, draws=10)
    sample = sample_of(scores.videos())
    logit = threshold_logit(sample.logits[sample.labels == 0])
    assert found.threshold == pytest.approx(max(0.5, found.probability(logit)), abs=0.001)
    assert found.probability(logit) <= found.threshold and found.false_positives == 0.05
    assert found.tail == pytest.approx(tail_scale(sample.logits[sample.labels == 0]) / found.temperature)
    apart = scores["label"] * 20 + scores["logit"]
    parted = calibrate(replace(scores, columns={**scores.columns, "logit": apart}), draws=10)
    assert parted.threshold == 0.5


def test_a_video_is_called_by_a_threshold_that_its_own_people_did_not_choose():
    labels = np.array([0.0] * 40 + [1.0])
    logits = np.append(np.arange(40.0), 39.5)
    people = np.arange(41)
    sample = Sample(labels, logits, logits, people, np.full(41, 0.5))
    called = called_unseen(sample, Calibration())
    assert called.nonzero()[0].tolist() == [38, 39, 40]  # 38 lies above what the 39 others choose, 37.0
    several = Calibration(temperature=2.0, false_positives=0.05, tail=0.5)
    thresholds = np.where(logits > 38, several.threshold_of(4), 0.5)  # raised by 1.4 raw logits
    called = called_unseen(replace(sample, thresholds=thresholds), several)
    assert called.nonzero()[0].tolist() == [38, 39, 40]
    thresholds = np.where(logits > 38, several.threshold_of(40), 0.5)  # by 3.7
    assert called_unseen(replace(sample, thresholds=thresholds), several).nonzero()[0].tolist() == [38]
    people[:40] = 0
    assert not called_unseen(sample, Calibration())[:40].any()  # nobody else is there to choose


def test_spread_is_that_of_the_most_suspect_track():
    quiet = [{"video": "v", "label": 1, "track": 0, "clip": c, "t0": c, "logit": -5.0 + c % 2 * 9} for c in range(6)]
    loud = [{"video": "v", "label": 1, "track": 1, "clip": c, "t0": c, "logit": 3.0 + c % 2} for c in range(6)]
    real = [{"video": "w", "label": 0, "track": 0, "clip": 0, "t0": 0, "logit": -1.0}]
    found = calibrate(from_rows(quiet + loud + real, {}), draws=10)
    assert found.clip_std == pytest.approx(np.std([3, 4] * 3, ddof=1))


def test_calibration_without_both_kinds_is_refused_with_a_sentence():
    scores = table(30)
    with pytest.raises(FacetellError, match="both kinds"):
        calibrate(scores.select(label=1))
    with pytest.raises(FacetellError, match="both kinds"):
        calibrate(replace(scores, columns={**scores.columns, "logit": np.full(len(scores), np.nan)}))
