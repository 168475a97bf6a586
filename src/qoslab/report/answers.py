"""The answer of a verdict: which method is best, where, and by how much."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qoslab.report.amounts import apart, effect, estimated, name, superlative, than
from qoslab.report.contrast import Contrast
from qoslab.report.evidence import Evidence
from qoslab.report.places import place, places
from qoslab.report.standing import Standing
from qoslab.report.words import count, enumerate_words

__all__ = [
    "best_everywhere",
    "best_here",
    "best_in_parts",
    "described",
    "leading_group",
    "margins",
    "only_seed",
]

_LISTED = 4
_REMARKS = 1


def _led(standing: Standing) -> int:
    leader = standing.leader
    assert leader is not None, "only cases with values are told"
    return leader


def _cases(standings: Sequence[Standing]) -> list[int]:
    return [standing.case for standing in standings]


def _unfinished(evidence: Evidence, standing: Standing) -> str:
    """A remark where the leader itself did not finish every seed."""
    leader = _led(standing)
    total = int(evidence.trials[standing.case, leader])
    lost = total - len(evidence.own(standing.case, leader))
    if not lost:
        return ""
    where = place(evidence, standing.case)
    at = f" at {where}" if where else ""
    lost_words = f"{lost:,} of the {count(total, 'trial')} of {name(evidence, leader)}{at}"
    return f"{lost_words} gave no value: its lead holds only for the seeds it finished."


def best_here(evidence: Evidence, standing: Standing) -> Iterator[str]:
    """The answer for a study of one decided case."""
    leader = _led(standing)
    own = standing.estimates[leader]
    assert own is not None
    parts = []
    for position, rival in enumerate(standing.rivals):
        reference = rival.method == evidence.baseline
        if rival.contrast is None or not (reference or position == 0):
            continue
        role = ", the baseline" if reference else ", the next best"
        if reference and position == 0 and len(standing.rivals) > 1:
            role = ", the next best and the baseline"
        parts.append(than(evidence, rival.contrast, name(evidence, rival.method) + role))
    tail = f" That is {enumerate_words(parts)}." if parts else ""
    yield f"{name(evidence, leader)} gives the {superlative(evidence.metric)}: {estimated(evidence, own)}.{tail}"
    if remark := _unfinished(evidence, standing):
        yield remark


def _seeds(standings: Sequence[Standing]) -> str:
    numbers = [found.n for s in standings if (found := s.estimates[_led(s)]) is not None]
    low, high = min(numbers), max(numbers)
    return f"{count(low, 'seed')} each" if low == high else f"{low:,} to {high:,} seeds"


def best_everywhere(evidence: Evidence, standings: Sequence[Standing]) -> str:
    """The answer where one method is best on every case of a grid."""
    ends = [standings[0], standings[-1]]
    told = [
        f"{estimated(evidence, value, seeds=False)} at {place(evidence, standing.case)}"
        for standing in ends
        if (value := standing.estimates[_led(standing)]) is not None
    ]
    everywhere = "both" if len(standings) == 2 else f"all {len(standings)}"
    return (
        f"{name(evidence, _led(standings[0]))} gives the {superlative(evidence.metric)} in {everywhere} cases, "
        f"{places(evidence, _cases(standings))}: {enumerate_words(told)} ({_seeds(standings)})."
    )


def best_in_parts(evidence: Evidence, parts: dict[int, list[Standing]], open_cases: Sequence[int]) -> str:
    """The answer where cases have different best methods, or where some are not decided."""
    seeds = _seeds([standing for standings in parts.values() for standing in standings])
    if len(parts) == 1:
        leader, standings = next(iter(parts.items()))
        share = f"{len(standings)} of {len(evidence.cases)} cases"
        where = places(evidence, _cases(standings))
        head = f"{name(evidence, leader)} gives the {superlative(evidence.metric)} {where} ({share}; {seeds})"
    else:
        told = [f"{name(evidence, m)} {places(evidence, _cases(found))}" for m, found in parts.items()]
        listed = enumerate_words(told) if len(evidence.axes) == 1 else "; ".join(told)
        head = (
            f"No single method gives the {superlative(evidence.metric)} everywhere. It is {listed} ({seeds})"
        )
    if open_cases:
        head += f"; {places(evidence, open_cases)} it is not decided"
    return head + "."


def margins(evidence: Evidence, leader: int, standings: Sequence[Standing]) -> Iterator[str]:
    """By how much a method leads on the cases of a grid that it is best on."""
    against = _against(evidence, standings, baseline=True)
    if against and evidence.baseline is not None:
        ends = [against[0], against[-1]] if len(against) > 1 else against
        told = [
            f"{apart(evidence, found, first=index == 0)} at {place(evidence, standing.case)}"
            for index, (standing, _, found) in enumerate(ends)
        ]
        between = "between " if len(against) > 2 else ""
        baseline = name(evidence, evidence.baseline)
        yield f"Against the baseline {baseline}, {name(evidence, leader)} is {between}{enumerate_words(told)}."
    others = _against(evidence, standings, baseline=False)
    if others:
        standing, method, found = others[0]
        lead = than(evidence, found, name(evidence, method), first=not against)
        whose = (
            "Its smallest lead over the other methods"
            if against
            else f"The smallest lead of {name(evidence, leader)}"
        )
        yield f"{whose} is at {place(evidence, standing.case)}: {lead}."
    remarks = [remark for standing in standings if (remark := _unfinished(evidence, standing))]
    yield from remarks[:_REMARKS]
    if len(remarks) > _REMARKS:
        yield f"The same holds for {count(len(remarks) - _REMARKS, 'more case')}."


def _against(
    evidence: Evidence, standings: Sequence[Standing], *, baseline: bool
) -> list[tuple[Standing, int, Contrast]]:
    """Comparisons of a leader with the baseline, or with all others, from the smallest difference."""
    found = [
        (standing, rival.method, rival.contrast)
        for standing in standings
        for rival in standing.rivals
        if rival.contrast is not None and (rival.method == evidence.baseline) == baseline
    ]
    return sorted(found, key=lambda item: effect(evidence, item[2]))


def only_seed(evidence: Evidence, standing: Standing) -> str:
    """What one seed shows, without a judgement."""
    own = standing.estimates[_led(standing)]
    assert own is not None
    where = place(evidence, standing.case)
    at = f" at {where}" if where else ""
    best = superlative(evidence.metric)
    return f"On it, {name(evidence, _led(standing))} has the {best}{at}: {estimated(evidence, own)}."


def leading_group(evidence: Evidence, standing: Standing) -> Iterator[str]:
    """The answer for a study of one case that is not decided."""
    leader = _led(standing)
    tied = [leader, *(rival.method for rival in standing.open)]
    names = [name(evidence, method) for method in tied]
    told = [
        f"{name(evidence, method)} has {estimated(evidence, own, seeds=False)}"
        for method in tied[:_LISTED]
        if (own := standing.estimates[method]) is not None
    ]
    beaten = len(standing.rivals) - len(standing.open)
    worse = ""
    if beaten:
        worse = " The other method is worse." if beaten == 1 else f" The other {beaten} methods are worse."
    yield (
        f"Not decided: {enumerate_words(names, last='or', limit=_LISTED)} gives the {superlative(evidence.metric)}. "
        f"{enumerate_words(told)} ({_seeds([standing])}).{worse}"
    )
    if remark := _unfinished(evidence, standing):
        yield remark


def described(evidence: Evidence, standing: Standing) -> str:
    """One case of a metric that is not judged: from the lowest to the highest mean."""
    order = standing.order
    top, bottom = standing.estimates[order[0]], standing.estimates[order[-1]]
    assert top is not None
    assert bottom is not None
    where = place(evidence, standing.case)
    subject = f"At {where}, it" if where else "It"
    if len(order) == 1:
        return f"{subject} is {estimated(evidence, top)} with {name(evidence, order[0])}."
    return (
        f"{subject} goes from {estimated(evidence, bottom, seeds=False)} with {name(evidence, order[-1])} "
        f"to {estimated(evidence, top, seeds=False)} with {name(evidence, order[0])}."
    )
