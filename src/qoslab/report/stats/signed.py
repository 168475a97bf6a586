"""Tests of paired differences against zero: Student's t, Wilcoxon's signed ranks, sign flips.

Each takes differences of shape (n,) and returns a two-sided p-value; 1.0 where the data can show nothing.
"""

from __future__ import annotations

import numpy as np

from qoslab.report.stats.intervals import spread
from qoslab.report.stats.sample import FloatArray

__all__ = ["average_ranks", "paired_t", "paired_t_values", "sign_flip", "wilcoxon"]

_EXACT_FLIPS = 20  # 2^19 sums: 4 MB, some milliseconds
_RANDOM_FLIPS = 9999
_EXACT_RANKS = 100
_ROUNDING = 1e-9  # sums that differ by less than this share of the whole are ties


def paired_t_values(differences: FloatArray) -> FloatArray:
    """P-values of the paired t test of each row.

    Args:
        differences: Shape (..., n), n >= 2.

    Returns:
        Two-sided p-values, shape (...); 1 for a row of zeros, 0 for a row of one other value.
    """
    from scipy.special import stdtr

    n = differences.shape[-1]
    mean, deviation = spread(differences)
    flat = deviation == 0
    score = np.abs(mean) * np.sqrt(n) / np.where(flat, 1.0, deviation)
    p_values: FloatArray = np.where(flat, np.where(mean == 0, 1.0, 0.0), 2 * stdtr(n - 1, -score))
    return p_values


def paired_t(differences: FloatArray) -> float:
    """Student's t test of a mean of zero.

    Differences that are all the same leave the t test nothing to measure noise by; sign flips decide then.
    """
    if differences.size < 2:
        return 1.0
    if np.ptp(differences) == 0:
        return sign_flip(differences)
    return float(paired_t_values(differences))


def sign_flip(differences: FloatArray, *, seed: int = 0) -> float:
    """Permutation test of symmetry about zero on the mean (Fisher 1935): exact whatever the distribution.

    All sign patterns are counted up to 20 differences that are not 0, then 9999 random ones with the observed.
    With n differences the p-value cannot be below 2^(1-n).
    """
    moved = differences[differences != 0]
    if moved.size == 0:
        return 1.0
    scale = np.abs(moved).sum()
    observed = abs(moved.sum()) - _ROUNDING * scale
    if moved.size <= _EXACT_FLIPS:
        sums = moved[:1]  # the first sign may stay: flipping all of them changes no absolute sum
        for value in moved[1:]:
            sums = np.concatenate([sums + value, sums - value])
        return float(np.mean(np.abs(sums) >= observed))
    generator = np.random.default_rng(seed)
    extreme = 0
    block = max(1, 2_000_000 // moved.size)
    for start in range(0, _RANDOM_FLIPS, block):
        size = min(block, _RANDOM_FLIPS - start)
        signs = generator.integers(0, 2, (size, moved.size)) * 2 - 1
        extreme += int(np.count_nonzero(np.abs(signs @ moved) >= observed))
    return (extreme + 1) / (_RANDOM_FLIPS + 1)


def average_ranks(values: FloatArray) -> FloatArray:
    """Ranks 1..k along the last axis, tied values sharing the average of theirs.

    Args:
        values: Shape (..., k).

    Returns:
        Ranks of the same shape, the smallest value having the lowest.
    """
    ordered = np.sort(values, axis=-1)
    below = (ordered[..., None, :] < values[..., :, None]).sum(axis=-1)
    upto = (ordered[..., None, :] <= values[..., :, None]).sum(axis=-1)
    ranks: FloatArray = (below + upto + 1) / 2
    return ranks


def wilcoxon(differences: FloatArray) -> float:
    """Wilcoxon's signed-rank test of symmetry about zero (Wilcoxon 1945); zero differences are left out.

    Exact, ties included, up to 100 differences (the sums are counted over doubled ranks); then the normal
    approximation with correction for ties.
    """
    from scipy.special import ndtr

    moved = differences[differences != 0]
    n = moved.size
    if n == 0:
        return 1.0
    ranks = average_ranks(np.abs(moved)) if n <= _EXACT_RANKS else _ranks_of_many(np.abs(moved))
    positive = float(ranks[moved > 0].sum())
    if n > _EXACT_RANKS:
        variance = np.square(ranks).sum() / 4
        return float(min(1.0, 2 * ndtr(-abs(positive - ranks.sum() / 2) / np.sqrt(variance))))
    doubled = np.rint(2 * ranks).astype(np.int64)
    chances = np.zeros(doubled.sum() + 1)
    chances[0] = 1.0
    for rank in doubled:
        shifted = np.zeros_like(chances)
        shifted[rank:] = chances[: chances.size - rank]
        chances = (chances + shifted) / 2
    lower = round(2 * min(positive, float(ranks.sum()) - positive))
    return float(min(1.0, 2 * chances[: lower + 1].sum()))


def _ranks_of_many(values: FloatArray) -> FloatArray:
    """Average ranks of one long row without a square table."""
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: FloatArray = (last - (counts - 1) / 2)[group]
    return ranks
