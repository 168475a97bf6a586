"""A method against its baseline on common seeds: by how much, how sure, and which is better."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from qoslab.core.errors import BadInput, Problem, did_you_mean
from qoslab.core.metric import Direction
from qoslab.report.stats.intervals import Interval, spread, student, wilson
from qoslab.report.stats.pairs import Pairs, pair
from qoslab.report.stats.ratio import ratio_of_means
from qoslab.report.stats.sample import check_fraction
from qoslab.report.stats.signed import paired_t, sign_flip, wilcoxon

__all__ = ["Comparison", "Values", "compare", "compare_all", "compare_pairs", "holm", "paired_p_value"]

Values = Mapping[Hashable, float] | ArrayLike


@dataclass(frozen=True)
class Comparison:
    """A method compared with its baseline, pair by pair.

    The decision rests on `p_adjusted`, from the paired t test, whose interval is `difference`; the other two
    tests ask less of the distribution and stand beside it.

    Attributes:
        difference: Mean of method minus baseline, with Student's interval over pairs.
        ratio: Mean of the method over mean of the baseline, with Fieller's interval.
        p_value: Paired t test.
        p_adjusted: The same after Holm's correction over the family it was compared in.
        p_wilcoxon: Wilcoxon's signed-rank test.
        p_sign_flip: Sign-flip permutation test; exact up to 20 pairs.
        effect_size: Mean over standard deviation of the differences (Cohen's d_z), above 0 where the method
            is better; infinite without spread, NaN with one pair.
        superiority: Chance that the method is better on a seed (ties count half), with Wilson's interval.
        wins: Pairs in which the method is better.
        ties: Pairs with equal values.
        losses: Pairs in which the baseline is better.
        n: Number of pairs.
        unpaired: Seeds that only one of the two has.
        failed: Common seeds where a value was NaN or infinite.
        direction: Which way is better.
        level: Confidence level of the intervals; 1 - level is the error of the decision.
    """

    difference: Interval
    ratio: Interval
    p_value: float
    p_adjusted: float
    p_wilcoxon: float
    p_sign_flip: float
    effect_size: float
    superiority: Interval
    wins: int
    ties: int
    losses: int
    n: int
    unpaired: int
    failed: int
    direction: Direction
    level: float

    @property
    def significant(self) -> bool:
        """Whether the difference is shown, after Holm's correction."""
        return self.p_adjusted <= 1 - self.level + 1e-12

    @property
    def better(self) -> Literal["method", "baseline"] | None:
        """Which is shown to be better; None where that is undecided or the metric is not judged."""
        if not self.significant or self.direction == "neither":
            return None
        return "method" if (self.difference.estimate < 0) == (self.direction == "lower") else "baseline"


def holm(p_values: ArrayLike) -> list[float]:
    """Holm's step-down adjustment of a family of p-values (Holm 1979, Scandinavian Journal of Statistics 6).

    Args:
        p_values: Shape (k,), each in [0, 1].

    Returns:
        Adjusted p-values in the same order; rejecting those <= alpha keeps the chance of any false rejection
        in the family at alpha, whatever the dependence.

    Raises:
        BadInput: A value outside [0, 1] or NaN.
    """
    raw = np.asarray(p_values, dtype=np.float64)
    if not np.all((raw >= 0) & (raw <= 1)):
        raise BadInput(Problem(message="p-values lie between 0 and 1", field="p_values"))
    order = np.argsort(raw, kind="stable")
    stepped = np.maximum.accumulate(raw[order] * (raw.size - np.arange(raw.size)))
    adjusted = np.empty_like(raw)
    adjusted[order] = np.minimum(stepped, 1.0)
    return [float(value) for value in adjusted]


def paired_p_value(pairs: Pairs) -> float:
    """Paired t test; two methods that are constant over seeds are taken as deterministic and simply compared."""
    if pairs.n > 1 and np.ptp(pairs.method) == 0 and np.ptp(pairs.baseline) == 0:
        return 0.0 if pairs.differences[0] != 0 else 1.0
    return paired_t(pairs.differences)


def _effect_size(pairs: Pairs, sign: int) -> float:
    if pairs.n < 2:
        return float("nan")
    mean, deviation = (float(value) for value in spread(pairs.differences))
    if deviation == 0:
        return float(sign * np.copysign(np.inf, mean)) if mean else 0.0
    return sign * mean / deviation


def compare_pairs(pairs: Pairs, *, direction: Direction = "lower", level: float = 0.95) -> Comparison:
    """Compare the two sides of ready pairs; see `compare`."""
    check_fraction(level, "level")
    sign = -1 if direction == "lower" else 1
    gains = sign * pairs.differences
    wins, losses = int(np.count_nonzero(gains > 0)), int(np.count_nonzero(gains < 0))
    ties = pairs.n - wins - losses
    p_value = paired_p_value(pairs)
    return Comparison(
        difference=student(pairs.differences, level),
        ratio=ratio_of_means(pairs.method, pairs.baseline, level),
        p_value=p_value,
        p_adjusted=p_value,
        p_wilcoxon=wilcoxon(pairs.differences),
        p_sign_flip=sign_flip(pairs.differences),
        effect_size=_effect_size(pairs, sign),
        superiority=wilson(wins + ties / 2, pairs.n, level),
        wins=wins,
        ties=ties,
        losses=losses,
        n=pairs.n,
        unpaired=pairs.unpaired,
        failed=pairs.failed,
        direction=direction,
        level=level,
    )


def compare(
    method: Values, baseline: Values, *, direction: Direction = "lower", level: float = 0.95
) -> Comparison:
    """Compare a method with a baseline over the seeds that both have.

    Args:
        method: Values by seed, or a sequence in the order of the seeds.
        baseline: The same for the baseline.
        direction: Which way is better; "neither" counts as "higher" for signs and never names a better one.
        level: Confidence level of the intervals.

    Returns:
        The comparison. With one pair its intervals are infinite and its p-values 1.

    Raises:
        BadInput: No common seed with finite values, unequal lengths, or a bad level.
    """
    return compare_pairs(pair(method, baseline), direction=direction, level=level)


def compare_all(
    values: Mapping[str, Values],
    baseline: str,
    *,
    direction: Direction = "lower",
    level: float = 0.95,
    methods: Sequence[str] | None = None,
) -> dict[str, Comparison]:
    """Compare every method with one baseline, with Holm's correction over them.

    Args:
        values: Values by method.
        baseline: Name of the baseline, a key of `values`.
        direction: Which way is better.
        level: Confidence level; the chance of any false difference among all is at most 1 - level.
        methods: The methods to compare; all but the baseline by default.

    Returns:
        Comparisons by method. Their intervals are each at `level` by itself, so one may exclude 0 where
        `significant`, which minds the family, is False.

    Raises:
        BadInput: An unknown name, or a method without a common seed.
    """
    names = [name for name in (values if methods is None else methods) if name != baseline]
    unknown = [name for name in [baseline, *names] if name not in values]
    if unknown:
        raise BadInput(
            Problem(message=f"there is no method {name!r}", hint=did_you_mean(name, values))
            for name in unknown
        )
    found = {
        name: compare(values[name], values[baseline], direction=direction, level=level) for name in names
    }
    adjusted = holm([comparison.p_value for comparison in found.values()])
    return {
        name: replace(comparison, p_adjusted=p_value)
        for (name, comparison), p_value in zip(found.items(), adjusted, strict=True)
    }
