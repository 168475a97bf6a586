"""Several methods over several cases: mean ranks, Friedman's test and its post-hoc tests.

Source of the procedure and its formulas: Demsar (2006), "Statistical comparisons of classifiers over multiple data
sets", Journal of Machine Learning Research 7.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from qoslab.core.errors import BadInput, Problem
from qoslab.core.metric import Direction
from qoslab.report.stats.compare import holm
from qoslab.report.stats.sample import FloatArray, check_fraction
from qoslab.report.stats.signed import average_ranks

__all__ = ["Ranking", "rank"]


@dataclass(frozen=True)
class Ranking:
    """Methods ranked over cases; rank 1 is best.

    Attributes:
        methods: Names, in the order given.
        mean_ranks: Mean rank by method; ties share the average of their ranks.
        wins: Cases in which the method alone is best, by method.
        shared_wins: Cases in which it is best together with others, by method.
        cases: Number of cases.
        chi_square: Friedman's statistic with correction for ties; 0 where every case is one tie.
        p_friedman: Its p-value from the chi-squared approximation (rough below some 10 cases).
        p_iman_davenport: P-value of Iman and Davenport's less conservative F statistic.
        critical_difference: Nemenyi's: mean ranks further apart differ at the level.
        level: The level of the critical difference.
    """

    methods: tuple[str, ...]
    mean_ranks: dict[str, float]
    wins: dict[str, int]
    shared_wins: dict[str, int]
    cases: int
    chi_square: float
    p_friedman: float
    p_iman_davenport: float
    critical_difference: float
    level: float

    @property
    def _error(self) -> float:
        k = len(self.methods)
        return float(np.sqrt(k * (k + 1) / (6 * self.cases)))

    def nemenyi(self) -> dict[tuple[str, str], float]:
        """P-value of each pair of methods by Nemenyi's (1963) test, all pairs being one family."""
        from scipy.stats import studentized_range

        k = len(self.methods)
        return {
            (a, b): float(
                studentized_range.sf(
                    np.sqrt(2) * abs(self.mean_ranks[a] - self.mean_ranks[b]) / self._error, k, np.inf
                )
            )
            for i, a in enumerate(self.methods)
            for b in self.methods[i + 1 :]
        }

    def against(self, baseline: str) -> dict[str, float]:
        """P-value of each other method against one baseline, after Holm's correction.

        Raises:
            BadInput: The baseline was not ranked.
        """
        from scipy.special import ndtr

        if baseline not in self.mean_ranks:
            message = f"there is no method {baseline!r}"
            raise BadInput(Problem(message=message, hint="known: " + ", ".join(self.methods)))
        others = [name for name in self.methods if name != baseline]
        gaps = [abs(self.mean_ranks[name] - self.mean_ranks[baseline]) for name in others]
        raw = [float(2 * ndtr(-gap / self._error)) for gap in gaps]
        return dict(zip(others, holm(raw), strict=True))


def _friedman(ranks: FloatArray) -> tuple[float, float, float]:
    """Friedman's statistic corrected for ties, its p-value, and Iman and Davenport's p-value."""
    from scipy.special import chdtrc, fdtrc

    cases, k = ranks.shape
    middle = (k + 1) / 2
    scatter = np.square(ranks - middle).sum()
    if scatter == 0:
        return 0.0, 1.0, 1.0
    between = cases * np.square(ranks.mean(axis=0) - middle).sum()
    chi_square = float(cases * (k - 1) * between / scatter)
    remainder = cases * (k - 1) - chi_square
    if cases == 1:
        return chi_square, float(chdtrc(k - 1, chi_square)), 1.0
    if remainder <= 1e-9 * chi_square:  # every case ranks alike
        return chi_square, float(chdtrc(k - 1, chi_square)), 0.0
    statistic = (cases - 1) * chi_square / remainder
    p_values = chdtrc(k - 1, chi_square), fdtrc(k - 1, (k - 1) * (cases - 1), statistic)
    return chi_square, float(p_values[0]), float(p_values[1])


def _table(values: Mapping[str, ArrayLike]) -> FloatArray:
    """Cases by methods, checked."""
    columns = {name: np.asarray(column, dtype=np.float64) for name, column in values.items()}
    problems = []
    if len(columns) < 2:
        problems.append(Problem(message="at least two methods are needed to rank"))
    if len({column.shape for column in columns.values()}) > 1 or any(c.ndim != 1 for c in columns.values()):
        problems.append(Problem(message="every method needs one value for each of the same cases"))
    for name, column in columns.items():
        if column.size == 0 or np.isnan(column).any():
            message = "a case without a value cannot be ranked"
            problems.append(Problem(message=message, field=name, hint="leave that case out for all methods"))
    if problems:
        raise BadInput(problems)
    return np.stack(list(columns.values()), axis=1)


def rank(
    values: Mapping[str, Sequence[float] | ArrayLike], *, direction: Direction = "lower", level: float = 0.95
) -> Ranking:
    """Rank methods over cases (scenarios, grid points, datasets), each with one value such as a mean over seeds.

    Args:
        values: By method, one value for each case, shape (cases,); infinite values rank last or first.
        direction: Which way is better.
        level: Confidence level of the critical difference.

    Returns:
        Mean ranks, wins and tests.

    Raises:
        BadInput: Fewer than two methods, unequal numbers of cases, a missing value, a metric without a
            direction, or a bad level.
    """
    from scipy.stats import studentized_range

    check_fraction(level, "level")
    if direction == "neither":
        raise BadInput(Problem(message="a metric of which neither way is better cannot be ranked"))
    table = _table(values)
    names = tuple(values)
    ranks = average_ranks(table if direction == "lower" else -table)
    best = table == (table.min(axis=1) if direction == "lower" else table.max(axis=1))[:, None]
    alone = best & (best.sum(axis=1) == 1)[:, None]
    cases, k = table.shape
    chi_square, p_friedman, p_iman_davenport = _friedman(ranks)
    critical = (
        float(studentized_range.ppf(level, k, np.inf)) / np.sqrt(2) * np.sqrt(k * (k + 1) / (6 * cases))
    )
    return Ranking(
        methods=names,
        mean_ranks=dict(zip(names, map(float, ranks.mean(axis=0)), strict=True)),
        wins=dict(zip(names, map(int, alone.sum(axis=0)), strict=True)),
        shared_wins=dict(zip(names, map(int, (best & ~alone).sum(axis=0)), strict=True)),
        cases=cases,
        chi_square=chi_square,
        p_friedman=p_friedman,
        p_iman_davenport=p_iman_davenport,
        critical_difference=float(critical),
        level=level,
    )
