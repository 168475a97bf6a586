"""What a reader should know of a run beside its metric: seeds chosen after looking, counters that are above 0."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from qoslab.core.registry import registry
from qoslab.report.amounts import level
from qoslab.report.evidence import Evidence
from qoslab.report.places import places
from qoslab.report.source import ResultsLike
from qoslab.report.words import count, enumerate_words

__all__ = ["added_seeds", "caveats", "counted"]


def added_seeds(evidence: Evidence) -> str:
    """That a run until a precision added seeds, and what this does to intervals; empty where none were added.

    The figures are those of `report/stats/precision.py`.
    """
    added = evidence.planned - evidence.planned_first
    if added <= 0:
        return ""
    planned = count(evidence.planned_first, "seed was", "seeds were")
    return (
        f"{planned} planned; {added:,} {'was' if added == 1 else 'were'} "
        f"added after looking, to make intervals narrow ({evidence.planned:,} in all). With a number chosen so, "
        f"intervals of {level(evidence)} hold a little less often: 91.5 to 95 % was measured at a nominal 95 %."
    )


def counted(results: ResultsLike, evidence: Evidence) -> Iterator[str]:
    """The counters that the domain wants told of where they are above 0: in how many trials, whose, what they count."""
    table = results.table
    for name, meaning in registry.domain(evidence.domain).alarms:
        column = f"counter.{name}"
        if column not in table.columns:
            continue
        found = table.filter(table[column].fill_null(0) > 0)
        if found.is_empty():
            continue
        methods = enumerate_words(found["method"].unique(maintain_order=True).to_list(), limit=4)
        yield (
            f"{name} is above 0 in {len(found):,} of {count(len(table), 'trial')} ({methods}; "
            f"{int(found[column].sum()):,} in all): {meaning}."
        )


def caveats(evidence: Evidence) -> Iterator[str]:
    """What the domain wants said of a method in a case whose finished trials mostly have a counter above 0."""
    for (meaning, method), group in groupby(
        evidence.caveats, key=lambda caveat: (caveat.meaning, caveat.method)
    ):
        found = list(group)
        where = places(evidence, [caveat.case for caveat in found])
        marked, trials = sum(caveat.marked for caveat in found), sum(caveat.trials for caveat in found)
        name = " ".join(filter(None, (evidence.methods[method].label, where)))
        yield f"{name} {meaning} ({marked:,} of {count(trials, 'trial')})."
