from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qoslab.core.errors import BadInput
from qoslab.report.stats.ranks import rank

# Demsar (2006), Table 6: accuracy of C4.5 without and with tuned parameters on 14 data sets. The one pair that
# his rounding makes equal (voting: 0.975 twice, ranked 2 and 3) is told apart here.
DEMSAR = {
    "C4.5": [0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661, 0.583, 0.775, 1.0, 0.940, 0.619, 0.972, 0.957],
    "m": [0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668, 0.583, 0.838, 1.0, 0.962, 0.666, 0.981, 0.978],
    "cf": [0.771, 0.590, 0.968, 0.654, 0.886, 0.916, 0.609, 0.563, 0.866, 1.0, 0.965, 0.614, 0.9751, 0.946],
    "m+cf": [0.798, 0.569, 0.967, 0.657, 0.898, 0.931, 0.685, 0.625, 0.875, 1.0, 0.962, 0.669, 0.975, 0.970],
}


def test_demsars_example() -> None:
    found = rank(DEMSAR, direction="higher")
    assert [round(value, 3) for value in found.mean_ranks.values()] == [3.143, 2.0, 2.893, 1.964]
    assert found.critical_difference == pytest.approx(1.25, abs=0.005)
    assert rank(DEMSAR, direction="higher", level=0.9).critical_difference == pytest.approx(1.12, abs=0.005)
    # He gives 9.28 without correction for ties: four ties in one case, two in two.
    correction = 1 - (60 + 6 + 6 + 6) / (14 * 60)
    assert found.chi_square * correction == pytest.approx(9.28, abs=0.005)


def test_demsars_holm_against_c45() -> None:
    """He gives z = 2.34, 0.512 and 2.416, so p = 0.019, 0.607 and 0.016, against C4.5."""
    found = rank(DEMSAR, direction="higher").against("C4.5")
    assert found["m+cf"] == pytest.approx(3 * 0.016, abs=0.002)
    assert found["m"] == pytest.approx(max(2 * 0.019, 3 * 0.016), abs=0.002)
    assert found["cf"] == pytest.approx(0.607, abs=0.002)


def tables(seed: int, cases: int, k: int, values: int = 5) -> dict[str, list[float]]:
    table = np.random.default_rng(seed).integers(0, values, (k, cases))
    return {f"m{i}": row.astype(float).tolist() for i, row in enumerate(table)}


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 12), st.integers(3, 6))
def test_friedman_is_scipys(seed: int, cases: int, k: int) -> None:
    from scipy import stats

    table = tables(seed, cases, k)
    found = rank(table)
    if np.ptp(np.array(list(table.values())), axis=0).max() == 0:
        assert (found.chi_square, found.p_friedman) == (0.0, 1.0)
        return
    wanted = stats.friedmanchisquare(*table.values())
    assert found.chi_square == pytest.approx(wanted.statistic)
    assert found.p_friedman == pytest.approx(wanted.pvalue)


def test_iman_davenport_is_the_analysis_of_variance_of_the_ranks() -> None:
    from scipy import stats

    table = np.random.default_rng(1).normal(size=(4, 9)) + np.arange(4)[:, None] * 0.4
    ranks = stats.rankdata(table, axis=0).T
    cases, k = ranks.shape
    between = cases * np.square(ranks.mean(axis=0) - ranks.mean()).sum() / (k - 1)
    rest = np.square(ranks - ranks.mean(axis=0)).sum() / ((k - 1) * (cases - 1))
    found = rank({str(i): row for i, row in enumerate(table)})
    assert found.p_iman_davenport == pytest.approx(stats.f.sf(between / rest, k - 1, (k - 1) * (cases - 1)))


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 10), st.integers(2, 6))
def test_ranks_add_up_and_wins_are_cases(seed: int, cases: int, k: int) -> None:
    table = tables(seed, cases, k)
    found = rank(table)
    assert sum(found.mean_ranks.values()) == pytest.approx(k * (k + 1) / 2)
    by_case = list(zip(*table.values(), strict=True))
    for i, name in enumerate(found.methods):
        alone = sum(row[i] == min(row) and row.count(min(row)) == 1 for row in by_case)
        shared = sum(row[i] == min(row) and row.count(min(row)) > 1 for row in by_case)
        assert (found.wins[name], found.shared_wins[name]) == (alone, shared)


@settings(deadline=None)
@given(st.integers(0, 10_000))
def test_order_of_methods_and_of_cases_and_sign_do_not_matter(seed: int) -> None:
    table = tables(seed, 7, 4)
    found = rank(table)
    turned = rank({name: [-v for v in reversed(table[name])] for name in reversed(table)}, direction="higher")
    assert turned.mean_ranks == pytest.approx(found.mean_ranks)
    assert turned.wins == found.wins
    assert turned.chi_square == pytest.approx(found.chi_square)


def test_nemenyi_agrees_with_the_critical_difference() -> None:
    found = rank(DEMSAR, direction="higher", level=0.9)
    pairs = found.nemenyi()
    assert set(pairs) == set(itertools.combinations(DEMSAR, 2))
    for (a, b), p_value in pairs.items():
        apart = abs(found.mean_ranks[a] - found.mean_ranks[b]) > found.critical_difference
        assert (p_value < 0.1) == apart
    assert sum(p_value < 0.1 for p_value in pairs.values()) == 2


def test_one_ranking_throughout_is_the_strongest_evidence() -> None:
    found = rank({"a": [1.0, 1, 1, 1], "b": [2.0, 2, 2, 2], "c": [3.0, 3, 3, 3]})
    assert found.chi_square == pytest.approx(8.0)
    assert found.p_iman_davenport == 0.0
    assert found.wins == {"a": 4, "b": 0, "c": 0}
    assert rank({"a": [1.0], "b": [2.0]}).p_iman_davenport == 1.0


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"a": [1.0]}, "at least two"),
        ({"a": [1.0], "b": [1.0, 2.0]}, "same cases"),
        ({"a": [1.0, np.nan], "b": [1.0, 2.0]}, "without a value"),
        ({"a": [], "b": []}, "without a value"),
    ],
)
def test_refusals(values: dict, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        rank(values)


def test_what_has_no_direction_has_no_rank() -> None:
    with pytest.raises(BadInput, match="neither"):
        rank(DEMSAR, direction="neither")
    with pytest.raises(BadInput, match="no method 'C5'"):
        rank(DEMSAR).against("C5")
