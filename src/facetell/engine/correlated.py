"""Uncertainty of the mean of a few serially correlated values, such as the clip logits of one face."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

CORRELATIONS = np.linspace(0.0, 0.99, 50)
"""Correlations of neighbouring values, equally likely in the prior."""
PRIOR_VALUES = 4
"""Weight of the typical spread in the estimate of the variance, in values."""


def half_width(values: ArrayLike, spread: float) -> NDArray[np.float64]:
    """Half the width of the 95 % interval of the mean of a stationary process.

    The process is autoregressive of first order: values k steps apart have the correlation r^k. The mean of n values is
    then as uncertain as the mean of ``n / (1 + 2 sum_k (1 - k / n) r^k)`` independent ones (the effective sample size).
    Few values do not determine their correlation, so r has a uniform prior over :data:`CORRELATIONS`; the variance has
    a scaled inverse chi-squared prior worth :data:`PRIOR_VALUES` values of the standard deviation ``spread`` (>= 0).
    The variance of the mean is averaged over the posterior of r; the quantile is that of Student's t.

    ``values`` has shape (..., n), n >= 1, in order of time; the result has shape (...).

    Example:
        >>> [round(float(half_width([0.0, 1.0] * n, 0.5)), 2) for n in (1, 2, 10, 100)]
        [1.36, 1.0, 0.26, 0.07]
    """
    x = np.asarray(values, dtype=np.float64)[..., None, :]  # (..., 1, n)
    n, r = x.shape[-1], CORRELATIONS
    freedom = PRIOR_VALUES + n - 1
    # Row sums of the inverse correlation matrix; those of the first and last row are larger by r / (1 + r).
    inner = (1 - r) / (1 + r)
    total = 1 + (n - 1) * inner
    mean = (inner * x.sum(axis=-1) + r / (1 + r) * (x[..., 0] + x[..., -1])) / total  # generalised least squares
    c = x - mean[..., None]  # (..., R, n)
    steps = c[..., 1:] - r[:, None] * c[..., :-1]
    squares = PRIOR_VALUES * spread**2 + c[..., 0] ** 2 + (steps**2).sum(axis=-1) / (1 - r**2)  # (..., R)
    fit = -0.5 * ((n - 1) * np.log1p(-(r**2)) + np.log(total) + freedom * np.log(np.maximum(squares, 1e-300)))
    posterior = np.exp(fit - fit.max(axis=-1, keepdims=True))
    inverse_size = (1 + r) / (1 - r) / n - 2 * r * (1 - r**n) / (n * (1 - r)) ** 2  # 1 / effective sample size
    variance = (posterior * squares * inverse_size).sum(axis=-1) / posterior.sum(axis=-1) / freedom
    return np.asarray(student_t95(freedom) * np.sqrt(variance))


def student_t95(freedom: float) -> float:
    """The two-sided 95 % quantile of Student's t, by the Cornish-Fisher expansion; for 4 degrees of freedom or more.

    >>> round(student_t95(4), 2), round(student_t95(30), 3)
    (2.77, 2.042)
    """
    z, f = 1.959964, freedom
    return z + (
        (z**3 + z) / (4 * f)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * f**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * f**3)
    )
