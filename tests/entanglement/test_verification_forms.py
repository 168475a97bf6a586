"""Closed forms that runs are held against, themselves held against other computations of the same."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import maximum_flow

from qoslab.core.context import Context
from qoslab.domains.entanglement import verification_forms
from qoslab.domains.entanglement.verification_forms import closed_forms, least_cut


@pytest.mark.parametrize("seed", range(20))
def test_least_cut_is_the_maximum_flow(seed: int) -> None:
    rng, nodes = np.random.default_rng(seed), 6
    ends = [(a, b) for a in range(nodes) for b in range(a) if rng.random() < 0.6 or b == a - 1]
    capacity = rng.integers(1, 20, len(ends))
    a, b = np.array(ends).T
    graph = coo_array(
        (np.tile(capacity, 2).astype(np.int32), (np.append(a, b), np.append(b, a))), shape=(nodes, nodes)
    )
    named = {(f"n{i}", f"n{j}"): float(each) for (i, j), each in zip(ends, capacity, strict=True)}
    assert least_cut(named, "n0", "n5") == maximum_flow(graph.tocsr(), 0, nodes - 1).flow_value


def test_least_cut_of_a_path_is_its_narrowest_link() -> None:
    path = dict(zip(pairwise("SABD"), (3.0, 0.25, 2.0), strict=True))
    assert least_cut(path, "S", "D") == 0.25
    assert least_cut(path | {("S", "D"): 1.0}, "S", "D") == 1.25


@pytest.mark.parametrize(("most", "error"), [(0.3, 1e-4), (0.5, 1e-3)])
def test_harmonic_form_is_as_near_the_exact_sum_as_is_said(most: float, error: float) -> None:
    for links in range(2, 17):
        harmonic = sum(1.0 / j for j in range(1, links + 1))
        for p in np.linspace(0.01, most, 30):
            survival = 1.0 - (1.0 - (1.0 - p) ** np.arange(6000)) ** links
            assert harmonic / -math.log1p(-p) + 0.5 == pytest.approx(survival.sum(), rel=error)


@pytest.mark.parametrize(
    ("p", "swap", "excesses"),
    [(0.01617, 0.5, (0.0, 0.04, 0.09)), (0.002, 0.5, (0.0, 0.04, 0.09)), (0.002, 1.0, (0.0, 0.08, 0.24))],
)
def test_doubling_takes_less_than_its_form_by_what_is_said(
    p: float, swap: float, excesses: tuple[float, ...]
) -> None:
    """The whole distribution level by level: the later of two, again and again until a swap succeeds."""
    size = 2**18
    mass = np.append(0.0, p * (1.0 - p) ** np.arange(size - 1))
    for level, excess in enumerate(excesses, start=1):
        later = np.diff(np.cumsum(mass) ** 2, prepend=0.0)
        transform = np.fft.rfft(later)
        mass = np.fft.irfft(swap * transform / (1.0 - (1.0 - swap) * transform), size)
        mean = float(mass @ np.arange(size))
        assert 1.5**level / (p * swap**level) / mean - 1.0 == pytest.approx(excess, abs=0.005)


def test_rows_fail_where_the_simulator_does_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Links that succeed twice as often as the forms are told, and a bound that is a third of what it was."""
    rare, cut = verification_forms._rare, verification_forms.least_cut

    def half(*args: int, **options: float) -> object:
        scenario, timing = rare(*args, **options)  # type: ignore[arg-type]
        return scenario, timing._replace(success=timing.success / 2.0)

    monkeypatch.setattr(verification_forms, "_rare", half)
    monkeypatch.setattr(verification_forms, "least_cut", lambda *args: cut(*args) / 3.0)
    failed = [check.name for check in closed_forms(20, Context()) if check.status == "fail"]
    assert len(failed) == 4
    assert [name.split()[0] for name in failed] == ["attempts"] * 3 + ["perfect"]
