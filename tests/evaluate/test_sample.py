from dataclasses import asdict

import numpy as np
import pytest
from scipy.special import expit
from sklearn import metrics

from evaluate.scored import table
from facetell.engine.info import Calibration
from facetell.evaluate.sample import calibrate, calibration_of, identities_of, sample_of, summarise
from facetell.evaluate.scores import from_rows
from facetell.metrics.measures import MEASURES, ece
from facetell.metrics.platt import fit_platt
from facetell.metrics.ranking import eer, tpr_at_fpr
from facetell.types import FacetellError

ABOUT = {"calibration": {"temperature": 1.4, "bias": -0.5, "threshold": 0.6}}


def test_measures_are_of_video_means_and_the_calibration_of_the_file():
    scores = table(90, about=ABOUT)
    found = summarise(scores.videos(), draws=200)
    logit = np.array([scores["logit"][scores["video"] == f"test/{i}.mp4"].mean() for i in range(90)])
    y, p = (np.arange(90) % 3 > 0).astype(int), expit(logit / 1.4 - 0.5)
    ranking = [metrics.roc_auc_score(y, logit), metrics.average_precision_score(y, logit), eer(y, logit)]
    ranking += [tpr_at_fpr(y, logit, max_fpr=most) for most in (0.01, 0.05)]
    accuracies = [metrics.accuracy_score(y, called) for called in (expit(logit) >= 0.5, p >= 0.6)]
    expected = [*ranking, *accuracies, metrics.brier_score_loss(y, p), ece(y, p)]
    assert [found[name].value for name in MEASURES] == pytest.approx(expected)
    assert all(found[name].low <= found[name].high for name in MEASURES) and found.counts.identities == 20


def test_identities_are_those_of_one_dataset_and_unknown_ones_their_video():
    known = [("a", "1", "X", ""), ("b", "1", "X", ""), ("c", "1", "Y", ""), ("d", "", "X", ""), ("e", "", "X", "")]
    names = ("video", "identity", "dataset", "distortion")
    rows = [dict(zip(names, row, strict=True)) for row in (*known, ("d", "", "X", "GB"), ("1", "", "X", ""))]
    found = identities_of(from_rows(rows, {}).videos()).tolist()
    assert [found.index(number) for number in found] == [0, 0, 2, 3, 4, 3, 6]


def test_the_calibration_of_a_score_file_is_read_and_checked():
    fields = {"temperature": 1.7, "bias": -0.4, "covariance": [0.1, 0, 0, 0.1], "clip_std": 0.3, "threshold": 0.6}
    assert calibration_of({"calibration": fields}) == Calibration(1.7, -0.4, (0.1, 0, 0, 0.1), 0.3, 0.6)
    assert calibration_of({}) == Calibration()
    for wrong in ({"heat": 1}, ["hot"], 3, {"temperature": "hot"}, {"temperature": 0.0}, {"bias": float("nan")}):
        with pytest.raises(FacetellError, match=r"the calibration in the score file is not valid: .*score again$"):
            calibration_of({"calibration": wrong})


def test_the_threshold_depends_on_the_number_of_faces():
    calibration = Calibration(threshold=0.55, false_positives=0.05, tail=1.0)
    rows = [{"video": v, "label": 1, "track": track, "logit": 1.0} for v, track in (("a", 0), ("b", 0), ("b", 1))]
    found = sample_of(from_rows(rows, {"calibration": asdict(calibration)}).videos()).thresholds
    assert found.tolist() == [calibration.threshold_of(1), calibration.threshold_of(2)] and found[1] > found[0]


def test_calibration_uses_video_means_and_the_spread_of_the_highest_track():
    scores = table(150, clips=4, noise=0.6, unscored=(3, 4))
    found, videos = calibrate(scores, draws=50), scores.videos().scored
    assert (1 / found.temperature, found.bias) == pytest.approx(fit_platt(videos["label"], videos["logit"]))
    assert found.clip_std == pytest.approx(0.6, abs=0.1)
    quiet = [{"video": "v", "label": 1, "track": 0, "clip": c, "t0": c, "logit": -5.0 + c % 2 * 9} for c in range(6)]
    loud = [{"video": "v", "label": 1, "track": 1, "clip": c, "t0": c, "logit": 3.0 + c % 2} for c in range(6)]
    real = [{"video": "w", "label": 0, "track": 0, "clip": 0, "t0": 0, "logit": -1.0}]
    assert calibrate(from_rows(quiet + loud + real, {}), draws=10).clip_std == pytest.approx(np.std([3, 4] * 3, ddof=1))
    with pytest.raises(FacetellError, match="both kinds"):
        calibrate(scores.select(label=1))
