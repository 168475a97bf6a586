"""Who is best on each case of a study, and how sure that is.

The best of M methods is named from data only when it beats every other one. Let B be a truly best method of a case.
A wrong name needs one of the tests "A against B" to reject in the wrong direction, whichever A happens to lead;
there are M such A at most (with ties). Multiplying the largest two-sided p-value of the leader by M - 1 therefore
gives a valid p-value of "the leader is best here", however the leader was picked: Bonferroni on Hsu's multiple
comparisons with the best (1984). Holm (1979) over the cases pays for looking at all of them: given which leaders are
wrong, their p-values are at least uniform (a wrong direction makes a small p-value rarer, not more frequent), and
cases have seeds of their own. So a wrong best is named anywhere in the study with probability at most alpha.

In a case that is not decided, the leader and the methods it could not beat contain the best with the same confidence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from qoslab.report.contrast import Contrast, contrast, estimate
from qoslab.report.evidence import Evidence
from qoslab.report.stats import Interval, holm, seeds_to_decide

__all__ = ["Rival", "Standing", "Standings", "stand"]

_SLACK = 1e-12


@dataclass(frozen=True)
class Rival:
    """A method compared with the leader of its case.

    Attributes:
        method: Index of the method.
        contrast: Leader minus this method; None where they share no seed.
        p: p-value, corrected for the rivals of its case and for the cases of the study.
        beaten: Whether the leader is better beyond doubt, at the study's level.
        needed: Seeds that would decide it if the difference is as large as seen; None if that cannot be said.
    """

    method: int
    contrast: Contrast | None
    p: float
    beaten: bool
    needed: int | None


@dataclass(frozen=True)
class Standing:
    """One case.

    Attributes:
        case: Index of the case.
        estimates: Per method its mean and interval, None where it has no value.
        order: Methods that can be used in practice and have values, best first; all methods with values where
            every method is an oracle.
        rivals: The others of `order` against the leader, best first.
        oracle: The best method that sees the true state against the leader; None where there is none.
        comparisons: What the p-values of its rivals are multiplied by, where it is not decided.
    """

    case: int
    estimates: tuple[Interval | None, ...]
    order: tuple[int, ...]
    rivals: tuple[Rival, ...]
    oracle: Rival | None
    comparisons: int

    @property
    def leader(self) -> int | None:
        """The method that leads, decided or not."""
        return self.order[0] if self.order else None

    @property
    def contested(self) -> bool:
        """Whether there is anything to decide."""
        return bool(self.rivals)

    @property
    def best(self) -> int | None:
        """The method that is best beyond doubt."""
        decided = self.contested and all(rival.beaten for rival in self.rivals)
        return self.leader if decided else None

    @property
    def open(self) -> tuple[Rival, ...]:
        """The rivals that cannot be told apart from the leader."""
        return tuple(rival for rival in self.rivals if not rival.beaten)


@dataclass(frozen=True)
class Standings:
    """All cases of a study.

    Attributes:
        cases: One standing per case, in the order of the evidence.
        comparisons: All comparisons of leaders with their rivals.
    """

    cases: tuple[Standing, ...]
    comparisons: int


def stand(evidence: Evidence) -> Standings:
    """Rank the methods of every case and test each leader against all others.

    A metric without a better direction is ranked from high to low, and none of its methods is best.

    Args:
        evidence: The metric's values.
    """
    orders = [_order(evidence, case) for case in range(len(evidence.cases))]
    found = [
        [contrast(*evidence.pair(case, order[0], other), evidence.level) for other in order[1:]]
        for case, order in enumerate(orders)
    ]
    tests = [[_p_value(evidence, one) for one in contrasts] for contrasts in found]
    factors = _factors(tests, 1 - evidence.level)
    standings = []
    for case, order in enumerate(orders):
        estimates = tuple(
            estimate(evidence.own(case, m), evidence.level) for m in range(len(evidence.methods))
        )
        rivals = tuple(
            _rival(evidence, other, one, p, factors[case])
            for other, one, p in zip(order[1:], found[case], tests[case], strict=True)
        )
        oracle = _oracle(evidence, case, order)
        standings.append(Standing(case, estimates, order, rivals, oracle, max(1, round(factors[case]))))
    return Standings(tuple(standings), max(1, sum(len(contrasts) for contrasts in found)))


def _factors(tests: list[list[float]], alpha: float) -> list[float]:
    """What to multiply the p-values of each case by: its rivals, times Holm's step for the case."""
    contested = [case for case, p_values in enumerate(tests) if p_values]
    worst = {case: min(1.0, max(tests[case]) * len(tests[case])) for case in contested}
    adjusted = dict(zip(contested, holm(list(worst.values())), strict=True)) if contested else {}
    left = sum(p > alpha + _SLACK for p in adjusted.values())
    factors = [1.0] * len(tests)
    for case in contested:
        decided = adjusted[case] <= alpha + _SLACK
        step = adjusted[case] / worst[case] if decided and worst[case] > 0 else 1.0 if decided else left
        factors[case] = len(tests[case]) * step
    return factors


def _p_value(evidence: Evidence, found: Contrast | None) -> float:
    """Two-sided p-value of the leader against a rival; 1 where the rival is ahead on common seeds, or unjudged."""
    return found.p if found is not None and _ahead(evidence, found) else 1.0


def _ahead(evidence: Evidence, found: Contrast) -> bool:
    return evidence.metric.direction != "neither" and _sign(evidence) * found.difference.estimate < 0


def _sign(evidence: Evidence) -> float:
    return 1.0 if evidence.metric.direction == "lower" else -1.0


def _order(evidence: Evidence, case: int) -> tuple[int, ...]:
    """Methods from best to worst by pairs won on common seeds, then by mean.

    With every trial done this is the order of means. Where trials failed, means stand on different seeds, and
    a method must not lead because its hard seeds are missing.
    """
    present = [m for m in range(len(evidence.methods)) if len(evidence.own(case, m))]
    usable = [m for m in present if not evidence.methods[m].oracle]
    pool = usable if usable or not all(method.oracle for method in evidence.methods) else present
    sign = _sign(evidence)
    block = evidence.values[case, pool]
    if pool and np.isfinite(block).all():
        return tuple(pool[i] for i in np.argsort(sign * block.mean(axis=1), kind="stable"))

    def losses(method: int) -> int:
        pairs = (evidence.pair(case, method, other) for other in pool if other != method)
        return sum(1 for x, y in pairs if len(x) and sign * float((x - y).mean()) > 0)

    return tuple(sorted(pool, key=lambda m: (losses(m), sign * float(evidence.own(case, m).mean()))))


def _rival(evidence: Evidence, other: int, found: Contrast | None, p: float, factor: float) -> Rival:
    if found is None:
        return Rival(other, None, 1.0, beaten=False, needed=None)
    corrected = min(1.0, p * factor)
    beaten = corrected <= 1 - evidence.level + _SLACK
    ahead = _ahead(evidence, found)
    needed = _needed(found, evidence.level, max(1, round(factor))) if ahead and not beaten else None
    return Rival(other, found, corrected, beaten, needed)


def _needed(found: Contrast, level: float, comparisons: int) -> int | None:
    if found.pairs < 2:
        return None
    if float(np.ptp(found.differences)) == 0:
        return math.ceil(1 - math.log2((1 - level) / comparisons))
    return seeds_to_decide(found.differences, level=level, tests=comparisons)


def _oracle(evidence: Evidence, case: int, order: tuple[int, ...]) -> Rival | None:
    oracles = [
        m
        for m, method in enumerate(evidence.methods)
        if method.oracle and m not in order and len(evidence.own(case, m))
    ]
    if not oracles or not order:
        return None
    sign = _sign(evidence)
    best = min(oracles, key=lambda m: sign * float(evidence.own(case, m).mean()))
    found = contrast(*evidence.pair(case, order[0], best), evidence.level)
    return _rival(evidence, best, found, 1.0, 1.0)
