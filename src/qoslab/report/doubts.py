"""What limits a verdict: ties, lost trials, methods that cannot be had in practice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qoslab.report.amounts import effect, level, name, than
from qoslab.report.contrast import Contrast
from qoslab.report.evidence import Evidence, Loss
from qoslab.report.places import place, places
from qoslab.report.standing import Rival, Standing
from qoslab.report.stats import student
from qoslab.report.words import count, enumerate_words, metric_phrase, span

__all__ = ["ENOUGH", "losses", "needed", "odd", "oracle", "recorded", "round_up", "undecided"]

ENOUGH = 10_000
"""Above this many seeds a difference is called too small to chase rather than undecided."""


def undecided(evidence: Evidence, standings: Sequence[Standing]) -> str:
    """Cases with the same leading group that could not be told apart.

    Args:
        evidence: The evidence.
        standings: One or more cases whose leader and open rivals are the same methods.
    """
    first = standings[0]
    assert first.leader is not None
    tied = {first.leader, *(rival.method for rival in first.open)}
    # The best first, by their places over these cases: with many methods only some are named.
    group = sorted(tied, key=lambda method: sum(standing.order.index(method) for standing in standings))
    names = [name(evidence, method) for method in group]
    where = places(evidence, [standing.case for standing in standings])
    alone = len(evidence.cases) == 1
    subject = f"{enumerate_words(names, limit=5)} cannot be told apart"
    opening = subject if alone else f"{where[0].upper()}{where[1:]}, {subject}"
    if all(_identical(rival) for standing in standings for rival in standing.open):
        gave = f"gave exactly the same {metric_phrase(evidence.metric)} on every seed"
        return f"{opening}: they {gave}."
    middle = ""
    if len(standings) == 1 and len(first.open) == 1 and first.open[0].contrast is not None:
        middle = _difference(evidence, first.open[0].contrast, first.comparisons)
    if all(odd(evidence, standing) for standing in standings):
        return f"{opening}{middle}; more seeds would not settle that, as their figures are not what they seem (below)."
    return f"{opening}{middle}{_remedy(standings)}."


def odd(evidence: Evidence, standing: Standing) -> bool:
    """Whether every method in question on a case carries a caveat, so that no number of seeds would decide it."""
    marked = {caveat.method for caveat in evidence.caveats if caveat.case == standing.case}
    return {standing.leader, *(rival.method for rival in standing.open)} <= marked


def _identical(rival: Rival) -> bool:
    return rival.contrast is not None and rival.contrast.identical


_TOLD = 3
_SAME, _NEARLY = 1e-9, 1e-3
"""Relative spread over seeds below which a method gave the same number every time, or, of recorded input, nearly so."""


def _difference(evidence: Evidence, found: Contrast, comparisons: int) -> str:
    """The difference with an interval as wide as the decision asks for: it holds 0 where nothing is decided."""
    if found.pairs < 2:
        return f": only {count(found.pairs, 'seed')} in common"
    gap = student(found.differences, 1 - (1 - evidence.level) / comparisons)
    sign = -1 if gap.estimate < 0 else 1
    low, high = sorted((sign * gap.low, sign * gap.high))
    value, bounds = span(low, high, evidence.metric.unit, value=abs(gap.estimate))
    widened = f", widened for {comparisons} comparisons" if comparisons > 1 else ""
    return f": they differ by {value} ({level(evidence)} interval {bounds}{widened}; {count(found.pairs, 'seed')})"


def _remedy(standings: Sequence[Standing]) -> str:
    seeds = needed(standings)
    if seeds is None:
        return "; the seeds so far give no idea how many would decide it"
    if seeds > ENOUGH:
        return f"; it would take more than {ENOUGH:,} seeds, so choose by something else"
    return f"; about {round_up(seeds):,} seeds would decide it, if the difference is as large as it looks"


def needed(standings: Sequence[Standing]) -> int | None:
    """The most seeds that any open rival of these cases asks for; None where one cannot say."""
    wanted = [rival.needed for standing in standings for rival in standing.open if not _identical(rival)]
    if not wanted or any(number is None for number in wanted):
        return None
    return max(number for number in wanted if number is not None)


def round_up(seeds: int) -> int:
    """Up to two figures: 137 becomes 140."""
    step: int = 10 ** max(len(str(seeds)) - 2, 0)
    return -(-seeds // step) * step


def losses(evidence: Evidence) -> str:
    """Trials without a value, by what happened and why, the largest groups first.

    Args:
        evidence: The evidence; it has losses.
    """
    total, trials = sum(loss.count for loss in evidence.losses), int(evidence.trials.sum())
    groups: dict[tuple[str, str], list[Loss]] = {}
    for loss in evidence.losses:
        groups.setdefault((loss.status, loss.reason), []).append(loss)
    ordered = sorted(groups.values(), key=lambda group: -sum(loss.count for loss in group))
    told = [_loss(evidence, group) for group in ordered[:_TOLD]]
    rest = len(groups) - _TOLD
    more = f"; and {count(rest, 'more kind')} of loss" if rest > 0 else ""
    left = " Comparisons use the seeds that both methods finished." if total < trials else ""
    lost = f"{total:,} of {count(trials, 'trial')} gave no {metric_phrase(evidence.metric)}"
    return f"{lost}: {'; '.join(told)}{more}.{left}"


_HAPPENED = {
    "timeout": "ran out of time",
    "crashed": "crashed",
    "failed": "failed",
    "diverged": "diverged",
    "no value": "ended without it",
}


def _loss(evidence: Evidence, group: Sequence[Loss]) -> str:
    """One group of losses that happened for one reason: whose, how many of how many, where."""
    methods = sorted({loss.method for loss in group})
    cases = sorted({loss.case for loss in group})
    lost = sum(loss.count for loss in group)
    of = int(
        evidence.trials[:, methods].sum() if len(cases) > 1 else evidence.trials[cases[0], methods].sum()
    )
    at = f" at {place(evidence, cases[0])}" if len(cases) == 1 and place(evidence, cases[0]) else ""
    names = enumerate_words([name(evidence, method) for method in methods], limit=4)
    reason = f" ({group[0].reason.rstrip('.')})" if group[0].reason else ""
    return f"{names} {_HAPPENED.get(group[0].status, group[0].status)} in {lost:,} of {of:,}{at}{reason}"


def recorded(evidence: Evidence, parts: Sequence[str]) -> str:
    """That seeds vary little or nothing: input is replayed, or a method gave one number on all its seeds.

    Args:
        evidence: The evidence, of two seeds or more.
        parts: What the scenarios replay, such as `arrivals`.

    Returns:
        One or two sentences; empty where neither holds.
    """
    same = [m for m in range(len(evidence.methods)) if _constant(evidence, m, _NEARLY if parts else _SAME)]
    names = enumerate_words([name(evidence, method) for method in same], limit=4)
    nearly = "nearly " if parts else ""
    constant = f"{names} gave {nearly}the same {metric_phrase(evidence.metric)} on every seed"
    if parts:
        also = f" {constant}, at least in one case: more seeds change nothing there." if same else ""
        return (
            f"Every seed replays the same recorded {enumerate_words(list(parts))}: seeds differ only in what is still "
            f"drawn by lot, so intervals speak of this record, not of other days.{also}"
        )
    if same:
        return f"{constant}, at least in one case: its interval has no width, and more seeds change nothing there."
    return ""


def _constant(evidence: Evidence, method: int, spread: float) -> bool:
    """Whether the method gave one number up to a relative spread, not 0, on two or more seeds of a case."""
    for case in range(len(evidence.cases)):
        own = evidence.own(case, method)
        if len(own) > 1 and np.abs(own).max() > 0.0 and np.ptp(own) <= spread * np.abs(own).max():
            return True
    return False


def oracle(evidence: Evidence, standings: Sequence[Standing]) -> str:
    """What methods that see the true state reach, beside the best that can be used."""
    found = [(standing, standing.oracle) for standing in standings if standing.oracle is not None]
    names = list(dict.fromkeys(name(evidence, rival.method) for _, rival in found))
    verbs = "see the true state and are" if len(names) > 1 else "sees the true state and is"
    head = f"{enumerate_words(names)} {verbs} not available in practice"
    known = [(standing, rival, rival.contrast) for standing, rival in found if rival.contrast is not None]
    known.sort(key=lambda item: effect(evidence, item[2]))
    told = []
    for standing, rival, gap in [known[0], known[-1]] if len(known) > 1 else known:
        assert standing.leader is not None
        at = f" at {place(evidence, standing.case)}" if len(evidence.cases) > 1 else ""
        apart = than(evidence, gap, name(evidence, rival.method))
        told.append(f"{name(evidence, standing.leader)}{at} is {apart}")
    return f"{head}; {enumerate_words(told)}." if told else f"{head}."
