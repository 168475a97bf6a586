"""Mean and variance of a segment in constant time (Clark, Operations Research 9, 1961)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

__all__ = ["halved", "minimum", "thinned"]

FloatArray = NDArray[np.float64]


def minimum(
    mean_x: FloatArray, variance_x: FloatArray, mean_y: FloatArray, variance_y: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Mean and variance of min(X, Y) for independent normal X and Y; elementwise.

    theta^2 = var X + var Y, a = (E Y - E X) / theta,
    E min = E X Phi(a) + E Y Phi(-a) - theta phi(a), and E min^2 likewise.
    """
    theta = np.sqrt(np.maximum(variance_x + variance_y, 1e-300))
    a = (mean_y - mean_x) / theta
    above, below = ndtr(a), ndtr(-a)
    density = np.exp(-0.5 * np.minimum(a * a, 1400.0)) / np.sqrt(2 * np.pi)
    mean = mean_x * above + mean_y * below - theta * density
    square = (
        (mean_x**2 + variance_x) * above
        + (mean_y**2 + variance_y) * below
        - (mean_x + mean_y) * theta * density
    )
    return np.maximum(mean, 0.0), np.maximum(square - mean**2, 0.0)


def thinned(mean: FloatArray, variance: FloatArray, q: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and variance after each item is kept with probability q."""
    return q * mean, q * q * variance + q * (1 - q) * mean


def halved(mean: FloatArray, variance: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and variance of floor(X / 2), odd and even X taken as equally likely."""
    return np.maximum((mean - 0.5) / 2, 0.0), variance / 4 + 1 / 16
