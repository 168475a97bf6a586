"""Numbers, units and names as a person would say them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from qoslab.core.metric import Metric

__all__ = [
    "Scale",
    "capital",
    "count",
    "decimals_for",
    "enumerate_words",
    "fixed",
    "metric_phrase",
    "number",
    "percent",
    "scale_for",
    "slug",
    "span",
]

_PREFIXES = (
    (1e12, "T"),
    (1e9, "G"),
    (1e6, "M"),
    (1e3, "k"),
    (1.0, ""),
    (1e-3, "m"),
    (1e-6, "µ"),
    (1e-9, "n"),
)
_PREFIXED_UNITS = frozenset({"s", "Hz", "bit/s", "B/s", "bit", "B", "W", "J", "V", "req/s", "requests/s"})
_UNIT_SUFFIXES = frozenset(
    {
        "s",
        "ms",
        "us",
        "ns",
        "min",
        "h",
        "km",
        "m",
        "hz",
        "khz",
        "mhz",
        "ghz",
        "bps",
        "kbps",
        "mbps",
        "gbps",
        "bit",
        "kbit",
        "mbit",
        "gbit",
    }
    | {"bits", "b", "bytes", "kb", "mb", "gb", "db", "dbm", "w", "j", "percent", "pct"}
)
_LEADING = {
    "mean": "mean",
    "max": "maximum",
    "min": "minimum",
    "median": "median",
    "early": "early",
    "std": "standard deviation of",
}
_PROPER = {
    "jain": "Jain",
    "bossaer": "Bossaer",
    "gini": "Gini",
    "cpu": "CPU",
    "gpu": "GPU",
    "io": "I/O",
    "mae": "MAE",
    "nmae": "NMAE",
    "rmse": "RMSE",
    "rtt": "RTT",
    "qos": "QoS",
    "sla": "SLA",
    "slo": "SLO",
}


class Scale(NamedTuple):
    """A divisor and the unit that goes with it, such as (0.001, "ms")."""

    factor: float
    unit: str


def scale_for(magnitude: float, unit: str) -> Scale:
    """The SI prefix that brings a value into 1 to 999, where the unit takes one.

    Args:
        magnitude: A typical value, in `unit`.
        unit: The metric's unit.

    Returns:
        Divisor and prefixed unit. Seconds take no prefix above one: 1,200 s, not 1.2 ks.
    """
    size = abs(magnitude)
    if unit not in _PREFIXED_UNITS or size == 0 or not math.isfinite(size):
        return Scale(1.0, unit)
    for factor, prefix in _PREFIXES:
        if factor > 1 and unit == "s":
            continue
        if factor < 1 and unit in {"bit", "B", "req/s", "requests/s"}:
            break
        if size >= factor * 0.9995:
            return Scale(factor, prefix + unit)
    return Scale(1e-9, "n" + unit) if unit in {"s", "W", "J", "V"} else Scale(1.0, unit)


def decimals_for(value: float, half_width: float | None = None) -> int:
    """Decimals that show a value to three figures, or to one or two figures of its uncertainty.

    Two where the half-width begins with 1 or 2, else one: 12.3 (11.8 to 12.8), but 12.30 (12.11 to 12.49); and no
    more than five figures of the value.

    Args:
        value: The value, already scaled.
        half_width: Half the width of its interval, in the same scale; None where there is none.
    """
    size = abs(value)
    rounded = float(f"{size:.2e}")  # 0.9999 is shown as 1.00, with two decimals and not with three
    by_value = 2 - math.floor(math.log10(rounded)) if rounded > 0 and math.isfinite(size) else 2
    if half_width is None or not math.isfinite(half_width) or half_width <= 0:
        return min(max(by_value, 0), 6)
    by_width = -math.floor(math.log10(half_width / 3))
    if rounded > 0 and by_value - 2 == by_width + 1:
        by_width += 1  # 0.04 (−0.31 to 0.39), for 0.0 would say that there is no difference
    return min(max(min(by_width, by_value + 2), 0), 6)


def fixed(value: float, decimals: int) -> str:
    """A number with that many decimals, thousands separated, a true minus sign and no negative zero."""
    text = f"{value:,.{decimals}f}"
    if text.startswith("-"):
        text = text[1:] if not text.strip("-0.,") else "−" + text[1:]
    return text


def number(value: float, unit: str = "") -> str:
    """A value with its unit, to three figures: `12.3 ms`, `0.0412`, `1.2e-08`."""
    scale = scale_for(value, unit)
    scaled = value / scale.factor
    plain = scaled == 0 or 1e-4 <= abs(scaled) < 1e7
    text = fixed(scaled, decimals_for(scaled)) if plain else _scientific(scaled)
    return f"{text} {scale.unit}".rstrip()


def _scientific(value: float) -> str:
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa}e{int(exponent)}".replace("-", "−")


def span(low: float, high: float, unit: str = "", *, value: float | None = None) -> tuple[str, str]:
    """A value and its interval with one unit and matching decimals.

    Args:
        low: Lower end.
        high: Upper end.
        unit: Their unit.
        value: The estimate in between; the middle where it is None.

    Returns:
        The estimate with its unit, and the interval as `11.9 to 12.7 ms`.
    """
    middle = (low + high) / 2 if value is None else value
    scale = scale_for(max(abs(low), abs(high)), unit)
    a, b, c = low / scale.factor, middle / scale.factor, high / scale.factor
    decimals = decimals_for(b, (c - a) / 2)
    return (
        f"{fixed(b, decimals)} {scale.unit}".rstrip(),
        f"{fixed(a, decimals)} to {fixed(c, decimals)} {scale.unit}".rstrip(),
    )


def percent(share: float, half_width: float | None = None) -> str:
    """A share as percent, without sign of its unit doubled: `12 %`, `0.41 %`."""
    value = 100 * share
    decimals = decimals_for(value, None if half_width is None else 100 * half_width)
    return f"{fixed(value, min(decimals, 2 if abs(value) < 1 else 1))} %"


def count(amount: int, singular: str, plural: str | None = None) -> str:
    """An amount and its noun in the right number: `1 seed`, `20 seeds`, `1,200 trials`."""
    return f"{amount:,} {singular if amount == 1 else plural or singular + 's'}"


def enumerate_words(words: Sequence[str], *, last: str = "and", limit: int | None = None) -> str:
    """`a`, `a and b`, `a, b and c`; beyond the limit `a, b and 4 more`."""
    items = list(words)
    if limit is not None and len(items) > limit + 1:
        items = [*items[:limit], f"{len(items) - limit} more"]
    if len(items) < 2:
        return "".join(items)
    return ", ".join(items[:-1]) + f" {last} " + items[-1]


def metric_phrase(metric: Metric) -> str:
    """A metric's name in words: `response_time_p99_s` becomes `p99 response time`."""
    tokens = metric.name.split("_")
    if metric.unit and len(tokens) > 1 and tokens[-1] in _UNIT_SUFFIXES:
        tokens = tokens[:-1]
    if len(tokens) > 1 and tokens[-1] == "per":  # of a rate: `useful_rate_per_s`, `rate_mbit_per_s`
        tokens = tokens[:-2] if len(tokens) > 2 and tokens[-2] in _UNIT_SUFFIXES else tokens[:-1]
    lead: list[str] = []
    rest: list[str] = []
    index = 0
    while index < len(tokens):
        token = tokens[index]
        if re.fullmatch(r"p\d+", token):
            following = tokens[index + 1] if index + 1 < len(tokens) else ""
            if re.fullmatch(r"\d+", following):
                token, index = f"{token}.{following}", index + 1
            elif re.fullmatch(r"p99\d+", token):
                token = f"p99.{token[3:]}"
            lead.append(token)
        elif token in _LEADING and len(tokens) > 1:
            lead.append(_LEADING[token])
        else:
            rest.append(_PROPER.get(token, token))
        index += 1
    return " ".join(lead + rest)


def capital(text: str) -> str:
    """The text as the beginning of a sentence; symbols such as p99 stay as they are."""
    return text if re.match(r".\d", text) else text[:1].upper() + text[1:]


def slug(text: str) -> str:
    """A name that is safe as file name and anchor."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "figure"
