import numpy as np
import pytest
from scipy.special import expit
from sklearn import metrics

from evaluate.tables import table
from facetell.engine.info import Calibration
from facetell.evaluate.sample import calibrate, calibration_of, identities_of, summarise
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
    expected = {
        "auc": metrics.roc_auc_score(y, logit),
        "ap": metrics.average_precision_score(y, logit),
        "eer": eer(y, logit),
        "tpr_at_1": tpr_at_fpr(y, logit, max_fpr=0.01),
        "tpr_at_5": tpr_at_fpr(y, logit, max_fpr=0.05),
        "accuracy": metrics.accuracy_score(y, expit(logit) >= 0.5),
        "accuracy_calibrated": metrics.accuracy_score(y, p >= 0.6),
        "brier": metrics.brier_score_loss(y, p),
        "ece": ece(y, p),
    }
    assert {name: found[name].value for name in MEASURES} == pytest.approx(expected)
    assert all(found[name].low <= found[name].high for name in MEASURES) and found.counts.identities == 20


def test_identities_are_those_of_one_dataset_and_unknown_ones_their_video():
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


def test_the_calibration_of_a_score_file_is_read_and_checked():
    fields = {"temperature": 1.7, "bias": -0.4, "covariance": [0.1, 0, 0, 0.1], "clip_std": 0.3, "threshold": 0.6}
    assert calibration_of({"calibration": fields}) == Calibration(1.7, -0.4, (0.1, 0, 0, 0.1), 0.3, 0.6)
    assert calibration_of({}) == Calibration()
    for wrong in ({"heat": 1}, ["hot"], 3, {"temperature": "hot"}, {"temperature": 0.0}, {"bias": float("nan")}):
        with pytest.raises(FacetellError, match=r"the calibration in the score file is not valid: .*score again$"):
            calibration_of({"calibration": wrong})


def test_calibration_uses_video_means_and_the_spread_of_the_highest_track():
    scores = table(150, clips=4, noise=0.6, unscored=(3, 4))
    found, videos = calibrate(scores, draws=50), scores.videos().scored
    assert (1 / found.temperature, found.bias) == pytest.approx(fit_platt(videos["label"], videos["logit"]))
    assert found.clip_std == pytest.approx(0.6, abs=0.1)
    quiet = [{"video": "v", "label": 1, "track": 0, "clip": c, "t0": c, "logit": -5.0 + c % 2 * 9} for c in range(6)]
    loud = [{"video": "v", "label": 1, "track": 1, "clip": c, "t0": c, "logit": 3.0 + c % 2} for c in range(6)]
    real = [{"video": "w", "label": 0, "track": 0, "clip": 0, "t0": 0, "logit": -1.0}]
    found = calibrate(from_rows(quiet + loud + real, {}), draws=10)
    assert found.clip_std == pytest.approx(np.std([3, 4] * 3, ddof=1))
    with pytest.raises(FacetellError, match="both kinds"):
        calibrate(scores.select(label=1))
