"""Who is best on each case of a study, and how sure that is.

The best of M methods is named from data only when it beats every other one. Let B be a truly best method. A
wrong name needs one of the tests "A against B" to reject in the wrong direction, whichever A happens to lead;
there are M such A at most (with ties). Comparing each two-sided p-value of the leader with alpha / K, where K
counts M - 1 comparisons for each case, therefore names a wrong best anywhere in the study with probability at
most alpha, however the leader was picked: Bonferroni on Hsu's multiple comparisons with the best (1984). The
leader and the methods it could not beat contain the truly best one with the same confidence.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from qoslab.report.contrast import Contrast, contrast, estimate
from qoslab.report.evidence import Evidence
from qoslab.report.stats import Interval, seeds_to_decide

__all__ = ["Rival", "Standing", "Standings", "stand"]


@dataclass(frozen=True)
class Rival:
    """A method compared with the leader of its case.

    Attributes:
        method: Index of the method.
        contrast: Leader minus this method; None where they share no seed.
        p: p-value, corrected for every comparison of the study.
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
    """

    case: int
    estimates: tuple[Interval | None, ...]
    order: tuple[int, ...]
    rivals: tuple[Rival, ...]
    oracle: Rival | None

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
        comparisons: What the p-values are corrected for.
    """

    cases: tuple[Standing, ...]
    comparisons: int


def stand(evidence: Evidence) -> Standings:
    """Rank the methods of every case and test each leader against all others.

    A metric without a better direction is ranked from high to low, and none of its methods is best.

    Args:
        evidence: The metric's values.
    """
    cases = range(len(evidence.cases))
    orders = [_order(evidence, case) for case in cases]
    comparisons = max(1, sum(max(len(order) - 1, 0) for order in orders))
    found = []
    for case, order in zip(cases, orders, strict=True):
        methods = range(len(evidence.methods))
        estimates = tuple(estimate(evidence.own(case, method), evidence.level) for method in methods)
        rivals = tuple(_rival(evidence, case, order[0], other, comparisons) for other in order[1:])
        found.append(Standing(case, estimates, order, rivals, _oracle(evidence, case, order)))
    return Standings(tuple(found), comparisons)


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


def _rival(evidence: Evidence, case: int, leader: int, other: int, comparisons: int) -> Rival:
    alpha = 1 - evidence.level
    found = contrast(*evidence.pair(case, leader, other), evidence.level)
    if found is None:
        return Rival(other, None, 1.0, beaten=False, needed=None)
    p = min(1.0, found.p * comparisons)
    judged = evidence.metric.direction != "neither"
    better = judged and _sign(evidence) * found.difference.estimate < 0
    beaten = p <= alpha and better
    needed = None if beaten or not better else _needed(found, evidence.level, comparisons)
    return Rival(other, found, p, beaten, needed)


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
    return _rival(evidence, case, order[0], best, 1)
