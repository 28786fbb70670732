"""The closed forms against dense linear algebra, and the coverage of the interval by simulation."""

import numpy as np
import pytest

from facetell.engine import Calibration
from facetell.engine.info import CORRELATIONS, PRIOR_VALUES, half_width, sigmoid, student_t95


def serial(rng, draws, n, correlation):
    """(draws, n) values of mean 0 and standard deviation 1; those k steps apart have ``correlation ** k``."""
    apart = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    return rng.normal(size=(draws, n)) @ np.linalg.cholesky(correlation**apart).T


@pytest.mark.parametrize("n", [1, 3, 12, 60])
@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.6, 0.8, 0.9])
def test_the_interval_covers_the_mean_of_the_process(n, correlation):
    """Nominal 95 %. Values taken as independent cover 32 % at n = 60 and a correlation of 0.9."""
    values = serial(np.random.default_rng(n), 3000, n, correlation)
    for step in (1, 4):  # every k-th value of such a process is such a process with the correlation r^k
        part = values[:, ::step]
        assert (np.abs(part.mean(axis=1)) <= half_width(part, 1.0)).mean() >= 0.93


@pytest.mark.parametrize("n", [1, 2, 7])
def test_closed_forms_equal_those_of_the_matrices(n):
    values, spread = np.random.default_rng(n).normal(1, 2, n), 0.7
    freedom, ones, found = PRIOR_VALUES + n - 1, np.ones(n), []
    for r in CORRELATIONS.ravel():
        matrix = r ** np.abs(np.subtract.outer(np.arange(n), np.arange(n))).astype(float)
        inverse = np.linalg.inv(matrix)
        c = values - (ones @ inverse @ values) / (ones @ inverse @ ones)
        squares = PRIOR_VALUES * spread**2 + c @ inverse @ c
        likelihood = np.linalg.det(matrix) ** -0.5 * (ones @ inverse @ ones) ** -0.5 * squares ** (-freedom / 2)
        found.append((likelihood, squares / freedom * matrix.mean()))
    weight, variance = np.array(found).T
    expected = student_t95(freedom) * np.sqrt(weight @ variance / weight.sum())
    assert float(half_width(values, spread)) == pytest.approx(expected, rel=1e-6)


def test_the_interval_of_a_track_includes_the_uncertainty_of_the_calibration():
    logits, calibration = [0.5, 1.5, -0.4], Calibration(2.0, -0.5, (0.04, 0, 0, 0.09), 0.8)
    mean = np.mean(logits)
    half = np.hypot(half_width(logits, 0.8) / 2, 1.96 * np.sqrt(0.04 * mean**2 + 0.09))
    expected = [sigmoid(mean / 2 - 0.5 + sign * half) for sign in (-1, 1)]
    assert calibration.interval(logits) == pytest.approx(expected, rel=1e-4)
    assert Calibration().interval([0.3]) == pytest.approx([sigmoid(0.3)] * 2)
