from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qoslab.core.errors import BadInput
from qoslab.report.stats.compare import holm
from qoslab.report.stats.crossing import crossing_of_differences, crossings, segments

GRID = np.array([0.5, 0.6, 0.7, 0.8, 0.9])


def two_methods(seed: int = 1, noise: float = 0.2, n: int = 12, at: float = 0.72) -> dict[str, np.ndarray]:
    """Method a is better (lower) below `at`, b above it."""
    generator = np.random.default_rng(seed)
    shared = generator.normal(10, 0.5, (5, n))
    slope = 10 * (GRID[:, None] - at)
    return {"a": shared + slope + generator.normal(0, noise, (5, n)), "b": shared}


def test_where_each_is_best() -> None:
    found = segments(GRID, two_methods(noise=0.5))
    assert [(part.best, part.low, part.high) for part in found] == [
        ("a", 0.5, 0.6),
        (None, 0.7, 0.7),
        ("b", 0.8, 0.9),
    ]
    assert [part.points for part in found] == [2, 1, 2]


def test_where_they_cross() -> None:
    (found,) = crossings(GRID, two_methods())
    assert (found.below, found.above) == ("a", "b")
    assert 0.69 < found.interval.low < found.interval.estimate < found.interval.high < 0.75
    assert found.interval.n == 12


def test_a_crossing_between_two_deterministic_lines_is_exact() -> None:
    lines = {"a": np.repeat(GRID[:, None], 3, axis=1), "b": np.full((5, 3), 0.74)}
    (found,) = crossings(GRID, lines)
    assert found.interval.estimate == pytest.approx(0.74)
    assert found.interval.half_width == pytest.approx(0, abs=1e-9)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(2, 10), st.floats(0.01, 3))
def test_the_limits_are_where_the_t_test_turns(seed: int, n: int, noise: float) -> None:
    """Against a search with SciPy's t test along the interpolated differences."""
    from scipy import stats

    values = two_methods(seed, noise, n)
    differences = values["a"] - values["b"]
    means = differences.mean(axis=1)
    signs = np.flatnonzero(means[:-1] * means[1:] < 0)
    if signs.size == 0:
        return
    found = crossing_of_differences(GRID, differences, int(signs[0]))

    def p_value(x: float) -> float:
        at = min(int(np.searchsorted(GRID, x, side="right")) - 1, 3)
        weight = (x - GRID[at]) / (GRID[at + 1] - GRID[at])
        return stats.ttest_1samp((1 - weight) * differences[at] + weight * differences[at + 1], 0).pvalue

    assert p_value(found.estimate) == pytest.approx(1, abs=1e-6)
    for limit in (found.low, found.high):
        if math.isfinite(limit):
            assert p_value(limit) == pytest.approx(0.05, rel=1e-3)
    start = max(found.low, GRID[0])
    end = min(found.high, GRID[-1])
    assert all(p_value(x) >= 0.05 * (1 - 1e-3) for x in np.linspace(start, end, 12))


def test_a_crossing_that_the_grid_does_not_bound() -> None:
    differences = np.random.default_rng(1).normal(0, 10, (5, 6))
    at = int(np.flatnonzero(np.diff(np.sign(differences.mean(axis=1))))[0])
    found = crossing_of_differences(GRID, differences, at)
    assert found.low == -math.inf or found.high == math.inf


@settings(deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 2))
def test_turning_the_metric_and_swapping_names(seed: int, noise: float) -> None:
    values = two_methods(seed, noise)
    there = segments(GRID, values)
    back = segments(GRID, {"b": -values["b"], "a": -values["a"]}, direction="higher")
    assert [(p.best, p.low, p.high) for p in there] == [(p.best, p.low, p.high) for p in back]
    assert sum(part.points for part in there) == 5


@settings(deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 2))
def test_turning_the_grid_round_swaps_below_and_above(seed: int, noise: float) -> None:
    values = two_methods(seed, noise)
    there = crossings(GRID, values)
    back = crossings(-GRID[::-1], {name: table[::-1] for name, table in values.items()})
    assert len(there) == len(back)
    if len(there) == 1:
        assert (there[0].below, there[0].above) == (back[0].above, back[0].below)
        assert there[0].interval.low == pytest.approx(-back[0].interval.high)


def test_noise_changes_the_lead_but_decides_nothing() -> None:
    generator = np.random.default_rng(3)
    values = {name: generator.normal(size=(8, 5)) for name in "abc"}
    grid = np.arange(8)
    assert [part.best for part in segments(grid, values)] == [None]
    assert crossings(grid, values) == []
    assert len(crossings(grid, values, decided=False)) > 1


@settings(deadline=None)
@given(st.integers(0, 10_000), st.floats(0.3, 1.5))
def test_the_best_beats_its_weakest_rival_after_both_corrections(seed: int, gap: float) -> None:
    """Against SciPy's t tests, point by point; the gap puts p-values on both sides of 5 %."""
    from scipy import stats

    generator = np.random.default_rng(seed)
    values = {name: i * gap + generator.normal(size=(4, 8)) for i, name in enumerate("abc")}
    raw, leaders = [], []
    for point in range(4):
        means = {name: table[point].mean() for name, table in values.items()}
        leaders.append(min(means, key=means.__getitem__))
        lead = values[leaders[-1]][point]
        rivals = [table[point] for name, table in values.items() if name != leaders[-1]]
        raw.append(min(1.0, 2 * max(stats.ttest_rel(lead, rival).pvalue for rival in rivals)))
    wanted = [name if p <= 0.05 else None for name, p in zip(leaders, holm(raw), strict=True)]
    found = segments(np.arange(4), values)
    assert [part.best for part in found for _ in range(part.points)] == wanted


def test_equal_methods_are_rarely_named_best() -> None:
    """Four equal methods, five points: at most 5 % of studies name one anywhere (1000 studies, 5 s.e.)."""
    generator = np.random.default_rng(4)
    named = 0
    for _ in range(1000):
        shared = generator.normal(size=(5, 8))
        values = {name: shared + generator.normal(size=(5, 8)) for name in "abcd"}
        named += any(part.best is not None for part in segments(GRID, values))
    assert named / 1000 <= 0.05 + 5 * math.sqrt(0.05 * 0.95 / 1000)


def test_missing_trials_are_left_out_for_all() -> None:
    values = two_methods()
    values["a"][1, 3] = np.nan
    values["b"][4, :2] = np.inf
    whole = two_methods()
    found, wanted = crossings(GRID, values)[0], crossings(GRID, whole)[0]
    assert found.interval.estimate == pytest.approx(wanted.interval.estimate, abs=0.02)
    kept = {name: table[:, 4:] for name, table in values.items()}
    assert [p.best for p in segments(GRID, kept)] == [p.best for p in segments(GRID, whole)]


def test_one_grid_point_has_no_crossing() -> None:
    values = {"a": [[1.0, 2.0, 1.5]], "b": [[3.0, 4.1, 3.4]]}
    assert [part.best for part in segments([0.5], values)] == ["a"]
    assert crossings([0.5], values) == []


@pytest.mark.parametrize(
    ("grid", "values", "words"),
    [
        ([1, 2], {"a": [[1.0], [2.0]]}, "at least two methods"),
        ([2, 1], {"a": [[1.0], [2.0]], "b": [[1.0], [2.0]]}, "must increase"),
        ([1, 2], {"a": [[1.0], [2.0]], "b": [[1.0]]}, "shape"),
        ([1, 2], {"a": [[1.0], [2.0]], "b": [[1.0, 2.0], [2.0, 3.0]]}, "same seeds"),
        ([1, 2], {"a": [[1.0], [np.nan]], "b": [[1.0], [2.0]]}, "no seed has a value of every method at 2"),
    ],
)
def test_refusals(grid: list, values: dict, words: str) -> None:
    for question in (segments, crossings):
        with pytest.raises(BadInput, match=words):
            question(grid, values)


def test_what_has_no_direction_has_no_best() -> None:
    for question in (segments, crossings):
        with pytest.raises(BadInput, match="neither"):
            question(GRID, two_methods(), direction="neither")
