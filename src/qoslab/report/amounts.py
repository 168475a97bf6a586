"""How large, and how far apart: means and differences in words."""

from __future__ import annotations

import math

from qoslab.core.metric import Direction, Metric
from qoslab.report.contrast import Contrast
from qoslab.report.evidence import Evidence
from qoslab.report.stats import Interval
from qoslab.report.words import count, metric_phrase, number, span

__all__ = ["apart", "effect", "estimated", "level", "name", "superlative", "than"]

_SUPERLATIVE: dict[Direction, str] = {"lower": "lowest", "higher": "highest", "neither": "highest"}
_OF_COUNTS: dict[Direction, str] = {"lower": "fewest", "higher": "most", "neither": "most"}
_COUNTED = frozenset(
    {"bytes", "drops", "messages", "rejects", "requests", "retries", "rounds", "servers", "timeouts"}
)


def superlative(metric: Metric) -> str:
    """The metric at its best, in words: `lowest p99 response time`, `fewest rounds to tolerance`."""
    phrase = metric_phrase(metric)
    words = _OF_COUNTS if not metric.unit and phrase.split()[0] in _COUNTED else _SUPERLATIVE
    return f"{words[metric.direction]} {phrase}"


_PURE = frozenset({"", "%"})
_TIMES = 3.0


def level(evidence: Evidence) -> str:
    """The confidence level: `95 %`."""
    return f"{100 * evidence.level:g} %"


def name(evidence: Evidence, method: int) -> str:
    """A method's label."""
    return evidence.methods[method].label


def estimated(evidence: Evidence, interval: Interval, *, seeds: bool = True) -> str:
    """A mean with its interval: `12.3 ms (95 % interval 11.9 to 12.7 ms; 20 seeds)`."""
    unit = evidence.metric.unit
    if not math.isfinite(interval.half_width):
        return f"{number(interval.estimate, unit)} ({count(interval.n, 'seed')})"
    value, bounds = span(interval.low, interval.high, unit, value=interval.estimate)
    tail = f"; {count(interval.n, 'seed')}" if seeds else ""
    return f"{value} ({level(evidence)} interval {bounds}{tail})"


def _bounded_ratio(evidence: Evidence, found: Contrast) -> Interval | None:
    """The ratio where it says more than the difference: a metric with a unit, and a bounded interval."""
    ratio = found.ratio
    if evidence.metric.unit in _PURE or ratio is None or not math.isfinite(ratio.half_width):
        return None
    return ratio if ratio.estimate > 0 else None


def _parts(evidence: Evidence, found: Contrast) -> tuple[str, str]:
    """Amount with its word, and interval: `23 % lower`, `20 to 26 %`."""
    ratio, unit, gap = _bounded_ratio(evidence, found), evidence.metric.unit, found.difference
    low, high, mean = gap.low, gap.high, gap.estimate
    if ratio is not None and ratio.estimate >= _TIMES:
        value, bounds = span(ratio.low, ratio.high, "times", value=ratio.estimate)
        return f"{value} as high", bounds
    if ratio is not None:
        unit, mean, low, high = "%", *(100 * (end - 1) for end in (ratio.estimate, ratio.low, ratio.high))
    word = "higher"
    if mean < 0:
        low, high, mean, word = -high, -low, -mean, "lower"
    if not math.isfinite(high - low):
        return f"{number(mean, unit)} {word}", ""
    value, bounds = span(low, high, unit, value=mean)
    return f"{value} {word}", bounds


def _bracket(evidence: Evidence, bounds: str, *, first: bool) -> str:
    if not bounds:
        return ""
    return f" ({level(evidence)} interval {bounds})" if first else f" ({bounds})"


def apart(evidence: Evidence, found: Contrast, *, first: bool = False) -> str:
    """How far the one lies from the other: `23 % lower (20 to 26 %)`.

    In percent of the other where the metric has a unit, in its own numbers where it is a pure number already.

    Args:
        evidence: The evidence.
        found: The comparison.
        first: Whether to say what the brackets hold.
    """
    amount, bounds = _parts(evidence, found)
    return amount + _bracket(evidence, bounds, first=first)


def than(evidence: Evidence, found: Contrast, other: str, *, first: bool = False) -> str:
    """The same with the other's name: `23 % lower than with lsq (20 to 26 %)`."""
    amount, bounds = _parts(evidence, found)
    joint = "as" if amount.endswith("as high") else "than"
    return f"{amount} {joint} with {other}" + _bracket(evidence, bounds, first=first)


def effect(evidence: Evidence, found: Contrast) -> float:
    """Size of a difference for sorting, on the scale it is told in."""
    ratio = _bounded_ratio(evidence, found)
    return abs(found.difference.estimate) if ratio is None else abs(math.log(ratio.estimate))
