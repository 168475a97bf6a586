"""Numbers, units and names as a person would say them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qoslab.core.metric import Direction, Metric
from qoslab.report.amounts import superlative
from qoslab.report.words import (
    capital,
    count,
    decimals_for,
    enumerate_words,
    fixed,
    metric_phrase,
    number,
    scale_for,
    slug,
    span,
)


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [
        (0.0123, "s", "12.3 ms"),
        (0.99999, "s", "1.00 s"),
        (1234.5, "s", "1,234 s"),
        (4.2e-7, "s", "420 ns"),
        (-0.0123, "s", "−12.3 ms"),
        (0.0, "s", "0.00 s"),
        (5.2e6, "bit/s", "5.20 Mbit/s"),
        (0.2, "req/s", "0.200 req/s"),
        (0.0412, "", "0.0412"),
        (12345.6, "", "12,346"),
        (3.2e-9, "", "3.20e−9"),
        (12.0, "%", "12.0 %"),
        (7.5, "km", "7.50 km"),
    ],
)
def test_number(value: float, unit: str, said: str) -> None:
    assert number(value, unit) == said


@pytest.mark.parametrize(
    ("low", "high", "unit", "told"),
    [
        (0.0118, 0.0128, "s", ("12.3 ms", "11.8 to 12.8 ms")),
        (0.01211, 0.01249, "s", ("12.30 ms", "12.11 to 12.49 ms")),
        (-0.0002, 0.0016, "s", ("0.7 ms", "−0.2 to 1.6 ms")),
        (0.98, 1.04, "s", ("1.01 s", "0.98 to 1.04 s")),
        (20.2, 26.3, "%", ("23 %", "20 to 26 %")),
        (12.0, 12.0, "", ("12.0", "12.0 to 12.0")),
    ],
)
def test_span_shares_unit_and_decimals(low: float, high: float, unit: str, told: tuple[str, str]) -> None:
    assert span(low, high, unit) == told


@given(st.floats(1e-6, 1e6), st.floats(3e-3, 10))
def test_decimals_show_the_width(value: float, relative: float) -> None:
    """The printed interval is never wider or narrower than the true one by more than a third of it."""
    half = value * relative
    decimals = decimals_for(value, half)
    if 0 < decimals < 6:
        step = 10.0**-decimals
        assert step / 2 <= half / 3 * (10 / 2 + 1e-9)
        assert step <= half / 3 * 10


def test_a_difference_is_not_shown_as_zero() -> None:
    assert span(-0.31, 0.39, value=0.04) == ("0.04", "−0.31 to 0.39")
    assert span(-0.31, 0.31, value=0.004) == ("0.0", "−0.3 to 0.3"), "one more decimal at most"
    assert span(-0.3, 0.3, value=0.0) == ("0.0", "−0.3 to 0.3")


def test_five_figures_are_shown_at_most() -> None:
    assert decimals_for(1.0, 1e-9) == 4
    assert decimals_for(123.0, 1e-9) == 2


@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.integers(0, 6))
def test_fixed_reads_back(value: float, decimals: int) -> None:
    text = fixed(value, decimals)
    back = float(text.replace(",", "").replace("−", "-"))
    assert math.isclose(back, value, rel_tol=1e-6, abs_tol=0.5000001 * 10.0**-decimals)
    assert "-" not in text
    assert not text.startswith("−0") or float(text[1:].replace(",", "")) > 0


@given(st.floats(1e-9, 999), st.sampled_from(["s", "Hz", "bit/s", "W"]))
def test_scale_leaves_a_handy_number(value: float, unit: str) -> None:
    scale = scale_for(value, unit)
    assert scale.unit.endswith(unit)
    assert 0.99 <= value / scale.factor < 1000 or value < 1e-9 or unit in {"bit/s", "Hz"}


@pytest.mark.parametrize(
    ("name", "unit", "phrase"),
    [
        ("response_time_p99_s", "s", "p99 response time"),
        ("response_time_p99_9_s", "s", "p99.9 response time"),
        ("response_time_p999_s", "s", "p99.9 response time"),
        ("response_time_mean_s", "s", "mean response time"),
        ("residual_work_max_s", "s", "maximum residual work"),
        ("jain_fairness", "", "Jain fairness"),
        ("max", "", "max"),
        ("throughput_bps", "bit/s", "throughput"),
        ("rejects", "", "rejects"),
        ("mae", "", "MAE"),
        ("useful_rate_per_s", "1/s", "useful rate"),
        ("rate_mbit_per_s", "Mbit/s", "rate"),
    ],
)
def test_metric_phrase(name: str, unit: str, phrase: str) -> None:
    assert metric_phrase(Metric(name, unit, "lower", "")) == phrase


@pytest.mark.parametrize(
    ("text", "said"), [("mean of it", "Mean of it"), ("p99 response time", "p99 response time"), ("", "")]
)
def test_capital(text: str, said: str) -> None:
    assert capital(text) == said


@pytest.mark.parametrize(
    ("name", "unit", "direction", "said"),
    [
        ("response_time_p99_s", "s", "lower", "lowest p99 response time"),
        ("rounds_to_tolerance", "", "lower", "fewest rounds to tolerance"),
        ("messages", "", "higher", "most messages"),
        ("accuracy_early", "", "higher", "highest early accuracy"),
        ("bytes_s", "s", "lower", "lowest bytes"),
    ],
)
def test_superlative(name: str, unit: str, direction: Direction, said: str) -> None:
    assert superlative(Metric(name, unit, direction, "")) == said


def test_enumerate_words() -> None:
    assert enumerate_words([]) == ""
    assert enumerate_words(["a"]) == "a"
    assert enumerate_words(["a", "b", "c"]) == "a, b and c"
    assert enumerate_words(["a", "b"], last="or") == "a or b"
    assert enumerate_words(list("abcde"), limit=3) == "a, b, c and 2 more"
    assert enumerate_words(list("abcd"), limit=3) == "a, b, c and d", "never 'and 1 more'"


def test_count_and_slug() -> None:
    assert (count(1, "seed"), count(20, "seed"), count(1200, "trial")) == (
        "1 seed",
        "20 seeds",
        "1,200 trials",
    )
    assert count(2, "case of loss", "cases of loss") == "2 cases of loss"
    assert slug("Tail latency / p99 <x>") == "tail-latency-p99-x"
    assert slug("λ") == "figure"
