"""The answer in plain words: which method to use here, how sure that is, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from qoslab.report import answers, doubts, remarks, takeover
from qoslab.report.amounts import level, name, superlative
from qoslab.report.evidence import Evidence
from qoslab.report.next_use import uses
from qoslab.report.places import places
from qoslab.report.source import ResultsLike, recorded_parts, run_command, study_file
from qoslab.report.standing import Standing, Standings, stand
from qoslab.report.stats import Interval
from qoslab.report.words import count, enumerate_words, metric_phrase

__all__ = ["Kind", "Line", "Verdict", "verdict"]

Kind = Literal[
    "question",
    "answer",
    "margin",
    "crossing",
    "oracle",
    "undecided",
    "lost",
    "counted",
    "recorded",
    "added",
    "certainty",
    "next",
]
_MOST_LINES = 4
_USUAL_SEEDS = 20


@dataclass(frozen=True)
class Line:
    """One statement of a verdict.

    Attributes:
        kind: What it speaks of.
        text: One or a few whole sentences; before a command, what the command is for.
        command: The command to type next; empty for other kinds.
    """

    kind: Kind
    text: str
    command: str = ""

    def __str__(self) -> str:
        """The statement as the console shows it."""
        return f"{self.text}:\n  {self.command}" if self.command else self.text


@dataclass(frozen=True)
class Verdict:
    """The answer to a study's question.

    Attributes:
        lines: What is said, in order: question, answer, margins, crossings, oracle, doubts, next commands.
        evidence: The numbers behind it.
        standings: The decisions behind it.
    """

    lines: tuple[Line, ...]
    evidence: Evidence = field(repr=False)
    standings: Standings = field(repr=False)

    @property
    def text(self) -> str:
        """The whole verdict, one statement per line."""
        return "\n".join(str(line) for line in self.lines)

    def __str__(self) -> str:
        """The whole verdict."""
        return self.text

    def of(self, *kinds: Kind) -> tuple[Line, ...]:
        """The statements of some kinds."""
        return tuple(line for line in self.lines if line.kind in kinds)

    def as_dict(self) -> dict[str, Any]:
        """The verdict for scripts: plain lists, strings and numbers, ready for JSON."""
        evidence = self.evidence
        found = takeover.takeovers(evidence, self.standings.cases)
        return {
            "study": evidence.study,
            "domain": evidence.domain,
            "metric": evidence.metric.name,
            "unit": evidence.metric.unit,
            "direction": evidence.metric.direction,
            "level": evidence.level,
            "baseline": None if evidence.baseline is None else name(evidence, evidence.baseline),
            "comparisons": self.standings.comparisons,
            "seeds": {"planned": evidence.planned_first, "asked": evidence.planned},
            "cases": [_case(evidence, standing) for standing in self.standings.cases],
            "crossings": [
                {
                    "axis": change.axis.name,
                    "within": change.within,
                    "below": name(evidence, change.below),
                    "above": name(evidence, change.above),
                    **_interval(change.interval),
                }
                for change in found
            ],
            "lost": [
                {
                    "scenario": evidence.cases[loss.case].label,
                    "method": name(evidence, loss.method),
                    "status": loss.status,
                    "count": loss.count,
                    "reason": loss.reason,
                }
                for loss in evidence.losses
            ],
            "lines": [{"kind": line.kind, "text": line.text, "command": line.command} for line in self.lines],
            "text": self.text,
        }


def _interval(found: Interval) -> dict[str, Any]:
    def finite(value: float) -> float | None:
        return value if abs(value) < float("inf") else None

    return {"value": found.estimate, "low": finite(found.low), "high": finite(found.high), "seeds": found.n}


def _case(evidence: Evidence, standing: Standing) -> dict[str, Any]:
    leader, best = standing.leader, standing.best
    judged = evidence.metric.direction != "neither"
    return {
        "scenario": evidence.cases[standing.case].label,
        "values": dict(evidence.cases[standing.case].values),
        "best": None if best is None else name(evidence, best),
        "leader": None if leader is None else name(evidence, leader),
        "tied": [name(evidence, rival.method) for rival in standing.open] if judged else [],
        "seeds_to_decide": doubts.needed([standing]) if standing.open and judged else None,
        "oracle": None if standing.oracle is None else name(evidence, standing.oracle.method),
        "methods": {
            name(evidence, method): _interval(found)
            for method, found in enumerate(standing.estimates)
            if found is not None
        },
    }


def verdict(results: ResultsLike, metric: str | None = None, baseline: str | None = None) -> Verdict:
    """Answer a study's question from its results.

    Best by a paired test of the leader against every other method that can be had in practice, corrected for
    all cases and methods (see `report/standing.py`): the chance that any method named best is not is at most
    one minus the study's level.

    Args:
        results: The results of a study, finished or not.
        metric: Name of the metric to judge by; None for the study's own choice.
        baseline: Label of the method to compare with; None for the study's own choice.

    Raises:
        BadInput: No such metric or method, or no results at all.
    """
    evidence = Evidence.of(results, metric, baseline)
    standings = stand(evidence)
    lines = [
        Line("question", results.study.report.question or _question(evidence)),
        *_answer(evidence, standings),
        *_limits(evidence, standings),
        *(Line("counted", text) for text in remarks.caveats(evidence)),
        *(Line("counted", text) for text in remarks.counted(results, evidence)),
        *_recorded(results, evidence),
        *_next(results, evidence, standings),
    ]
    return Verdict(tuple(lines), evidence, standings)


def _question(evidence: Evidence) -> str:
    phrase, domain = metric_phrase(evidence.metric), evidence.domain
    if len(evidence.methods) == 1:
        return f"What {phrase} does {name(evidence, 0)} give on '{evidence.study}'?"
    if evidence.metric.direction == "neither":
        return f"How do the {domain} methods differ in {phrase} on '{evidence.study}'?"
    return f"Which {domain} method gives the {superlative(evidence.metric)} on '{evidence.study}'?"


def _answer(evidence: Evidence, standings: Standings) -> Iterator[Line]:
    valued = [standing for standing in standings.cases if standing.order]
    contested = [standing for standing in valued if standing.contested]
    if not valued:
        yield Line(
            "answer", f"No trial gave a value of {metric_phrase(evidence.metric)}, so there is no answer."
        )
    elif evidence.metric.direction == "neither":
        phrase = metric_phrase(evidence.metric)
        yield Line("answer", f"For {phrase} neither high nor low is better, so no method is named best.")
        yield from (Line("margin", answers.described(evidence, s)) for s in valued[:_MOST_LINES])
    elif not contested:
        yield from _uncontested(evidence, valued)
    elif _seeds(evidence) == 1:
        yield Line("answer", "One seed cannot tell methods apart: nothing is decided.")
        yield from (Line("margin", answers.only_seed(evidence, s)) for s in contested[:_MOST_LINES])
    else:
        yield from _decided(evidence, contested)
        yield from _crossings(evidence, standings)


def _seeds(evidence: Evidence) -> int:
    return max(
        len(evidence.own(c, m)) for c in range(len(evidence.cases)) for m in range(len(evidence.methods))
    )


def _uncontested(evidence: Evidence, valued: list[Standing]) -> Iterator[Line]:
    ran = "was run" if len(evidence.methods) == 1 else "can be judged"
    labels = {standing.leader for standing in valued if standing.leader is not None}
    only = name(evidence, min(labels)) if len(labels) == 1 else "one method in each case"
    yield Line("answer", f"Only {only} {ran}, so there is nothing to compare it with.")
    yield from (Line("margin", answers.described(evidence, s)) for s in valued[:_MOST_LINES])


def _decided(evidence: Evidence, contested: list[Standing]) -> Iterator[Line]:
    parts: dict[int, list[Standing]] = {}
    for standing in contested:
        if standing.best is not None:
            parts.setdefault(standing.best, []).append(standing)
    open_cases = [standing.case for standing in contested if standing.best is None]
    if len(evidence.cases) == 1:
        told = (
            answers.best_here(evidence, contested[0])
            if parts
            else answers.leading_group(evidence, contested[0])
        )
        yield Line("answer", " ".join(told))
        return
    if not parts:
        amount = "neither of the 2" if len(contested) == 2 else f"none of the {len(contested)}"
        yield Line("answer", f"In {amount} cases is one method best beyond doubt.")
        return
    leader, led = next(iter(parts.items()))
    if len(led) == len(evidence.cases):
        yield Line("answer", answers.best_everywhere(evidence, led))
    else:
        yield Line("answer", answers.best_in_parts(evidence, parts, open_cases))
    for leader, led in list(parts.items())[:_MOST_LINES]:
        if margins := " ".join(answers.margins(evidence, leader, led)):
            yield Line("margin", margins)


def _crossings(evidence: Evidence, standings: Standings) -> Iterator[Line]:
    found = takeover.takeovers(evidence, standings.cases)
    yield from (Line("crossing", takeover.told(evidence, change)) for change in found[:_MOST_LINES])
    if len(found) > _MOST_LINES:
        more = count(len(found) - _MOST_LINES, "more change", "more changes")
        yield Line("crossing", f"There are {more} of the best method along {found[0].axis.name}.")


def _limits(evidence: Evidence, standings: Standings) -> Iterator[Line]:
    if evidence.metric.direction != "neither":
        if all(method.oracle for method in evidence.methods):
            yield Line(
                "oracle", "Every method here sees the true state: none of them is available in practice."
            )
        elif any(standing.oracle for standing in standings.cases):
            yield Line("oracle", doubts.oracle(evidence, standings.cases))
        if _seeds(evidence) > 1:
            yield from (Line("undecided", text) for text in _undecided(evidence, standings))
    alone = [s.case for s in standings.cases if s.order and not s.contested]
    if alone and len(evidence.methods) > 1 and len(alone) < len(evidence.cases):
        where = places(evidence, alone)
        yield Line("undecided", f"{where[0].upper()}{where[1:]} only one method can be judged.")
    if evidence.losses:
        yield Line("lost", doubts.losses(evidence))
    if text := remarks.added_seeds(evidence):
        yield Line("added", text)
    if (
        evidence.metric.direction != "neither"
        and any(s.contested for s in standings.cases)
        and _seeds(evidence) > 1
    ):
        yield Line("certainty", _certainty(evidence, standings))


def _recorded(results: ResultsLike, evidence: Evidence) -> Iterator[Line]:
    if _seeds(evidence) > 1 and (text := doubts.recorded(evidence, recorded_parts(results.study))):
        yield Line("recorded", text)


def _undecided(evidence: Evidence, standings: Standings) -> Iterator[str]:
    groups: dict[frozenset[int | None], list[Standing]] = {}
    for standing in standings.cases:
        if standing.open:
            key = frozenset({standing.leader, *(rival.method for rival in standing.open)})
            groups.setdefault(key, []).append(standing)
    for group in list(groups.values())[:_MOST_LINES]:
        yield doubts.undecided(evidence, group)
    rest = sum(len(group) for group in list(groups.values())[_MOST_LINES:])
    if rest:
        yield f"{count(rest, 'more case')} {'is' if rest == 1 else 'are'} not decided."


def _certainty(evidence: Evidence, standings: Standings) -> str:
    error = f"{100 * (1 - evidence.level):.3g} %"
    tests = count(standings.comparisons, "comparison")
    corrected = f", corrected for {tests}" if standings.comparisons > 1 else ""
    chance = f"Paired t tests on common seeds{corrected}: the chance that any method is wrongly named best is"
    if evidence.planned > evidence.planned_first:
        return (
            f"{chance} about {error} where seeds are added until each method's own interval is narrow, as here; at "
            "most that where their number is chosen before any result is seen."
        )
    return (
        f"{chance} at most {error}, if the number of seeds was chosen before any result was seen. "
        f"Each interval holds by itself with {level(evidence)}."
    )


def _next(results: ResultsLike, evidence: Evidence, standings: Standings) -> Iterator[Line]:
    missing = evidence.planned * evidence.trials.size - int(evidence.trials.sum())
    if missing > 0:
        yield Line("next", f"{count(missing, 'planned trial')} not run yet; to go on", run_command(results))
        return
    valued = any(standing.order for standing in standings.cases)
    broken = sorted({loss.method for loss in evidence.losses if loss.status in {"failed", "crashed"}})
    wild = sorted({loss.method for loss in evidence.losses if loss.status == "diverged"})
    if wild and not (broken or valued):
        names = enumerate_words([name(evidence, method) for method in wild], limit=4)
        text = f"Change what made {names} diverge, such as a step or a rate that is too large; then"
        yield Line("next", text, run_command(results))
        return
    if broken and not valued:
        names = enumerate_words([name(evidence, method) for method in broken], limit=4)
        text = f"Repair {names}, for the reason above; then"
        yield Line("next", text, run_command(results))
        return
    if valued and len(evidence.methods) == 1:
        text = f"Add a second [[method]] to {study_file(results)} to compare; to see which there are"
        yield Line("next", text, f"qoslab list {evidence.domain}")
    limit = results.study.time_limit_s
    if limit is not None and any(loss.status == "timeout" for loss in evidence.losses):
        yield Line(
            "next", "To give trials more time", run_command(results, study__time_limit_s=f"{4 * limit:g}")
        )
    seeds = _more_seeds(evidence, standings)
    if seeds is not None:
        purpose = "To tell them apart" if _seeds(evidence) > 1 else "To run more seeds"
        yield Line("next", purpose, run_command(results, study__seeds=str(seeds)))
    bests = {standing.best for standing in standings.cases if standing.best is not None}
    if len(bests) == 1:
        yield from _use(results, evidence, min(bests))


def _more_seeds(evidence: Evidence, standings: Standings) -> int | None:
    """Seeds that would decide what can be decided with a number of seeds one can run."""
    if evidence.metric.direction == "neither":
        return None
    if _seeds(evidence) <= 1:
        return _USUAL_SEEDS if evidence.planned <= 1 else None
    open_cases = [one for one in standings.cases if one.open and not doubts.odd(evidence, one)]
    wanted = [doubts.needed([standing]) for standing in open_cases]
    feasible = [seeds for seeds in wanted if seeds is not None and seeds <= doubts.ENOUGH]
    return max(doubts.round_up(max(feasible)), evidence.planned + 1) if feasible else None


def _use(results: ResultsLike, evidence: Evidence, best: int) -> Iterator[Line]:
    if evidence.methods[best].oracle:
        return
    for purpose, command in uses(results, evidence, best):
        yield Line("next", purpose, command)
