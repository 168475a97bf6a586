"""Divisions: nothing lost, nothing twice, labels stay with their samples, and concentration does what it says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qoslab.core.errors import BadInput
from qoslab.domains.federation.partition import divide, heterogeneity
from qoslab.domains.federation.scenario import Dirichlet, Iid, Quantity, Shards

LABELS = np.random.default_rng(0).integers(0, 10, 1500)

RULES = st.one_of(
    st.builds(Dirichlet, kind=st.just("dirichlet"), alpha=st.floats(0.02, 100.0), min_samples=st.just(0)),
    st.builds(Quantity, kind=st.just("quantity"), beta=st.floats(0.02, 100.0), min_samples=st.just(0)),
    st.builds(Shards, kind=st.just("shards"), per_client=st.integers(1, 4)),
    st.just(Iid(kind="iid")),
)


@settings(max_examples=60, deadline=None)
@given(rule=RULES, clients=st.integers(1, 30), seed=st.integers(0, 10**6))
def test_every_sample_has_one_holder(rule, clients, seed):
    parts = divide(rule, LABELS, clients, np.random.default_rng(seed))
    assert len(parts) == clients
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(LABELS)))


def skew(rule, clients=10, seeds=10):
    found = [divide(rule, LABELS, clients, np.random.default_rng(seed)) for seed in range(seeds)]
    return float(np.mean([heterogeneity(LABELS, parts, 10) for parts in found]))


def test_concentration_orders_the_skew():
    # permuting labels apart from indices would give every alpha the skew of the iid division
    rules = [Dirichlet(kind="dirichlet", alpha=alpha, min_samples=0) for alpha in (0.05, 0.5, 10.0, 1000.0)]
    skews = [skew(rule) for rule in rules]
    assert skews[0] > 0.65 > skews[1] > 0.35 > skews[2] > skews[3]
    assert skews[3] < 0.05
    assert skew(Iid(kind="iid")) < 0.15


def test_a_class_is_divided_as_dirichlet_says():
    """The share of a class that one client gets has mean 1 / N and variance (N - 1) / (N^2 (N alpha + 1))."""
    n, alpha, labels = 5, 0.5, np.zeros(4000, np.int64)
    rule = Dirichlet(kind="dirichlet", alpha=alpha, min_samples=0)
    parts = [divide(rule, labels, n, np.random.default_rng(seed)) for seed in range(2000)]
    shares = np.array([[len(part) for part in one] for one in parts]) / len(labels)
    # 2,000 draws: the mean's standard error is 0.0048, the variance's about 0.0014; both bounds are 4.5 of them
    assert np.abs(shares.mean(axis=0) - 1 / n).max() < 0.0216
    assert np.abs(shares.var(axis=0) - (n - 1) / (n**2 * (n * alpha + 1))).max() < 0.0063


def test_dirichlet_leaves_everyone_enough():
    rule = Dirichlet(kind="dirichlet", alpha=0.1, min_samples=10)
    for seed in range(20):
        parts = divide(rule, LABELS, 10, np.random.default_rng(seed))
        assert min(len(part) for part in parts) >= 10


def test_a_division_that_cannot_be_is_refused():
    with pytest.raises(
        BadInput, match="min_samples: no division of 1000 gave each of 100 clients 50 samples"
    ):
        divide(Dirichlet(kind="dirichlet", alpha=0.01, min_samples=50), LABELS, 100, np.random.default_rng(0))
    with pytest.raises(BadInput, match="1500 samples cannot be cut into 1600 pieces"):
        divide(Shards(kind="shards", per_client=16), LABELS, 100, np.random.default_rng(0))


def test_shards_give_few_classes_and_equal_amounts():
    labels = np.repeat(np.arange(10), 100)
    parts = divide(Shards(kind="shards", per_client=2), labels, 50, np.random.default_rng(3))
    assert {len(part) for part in parts} == {20}
    assert max(len(np.unique(labels[part])) for part in parts) <= 2
    assert len({tuple(np.unique(labels[part])) for part in parts}) > 10


def test_quantity_skews_amounts_and_not_classes():
    few = divide(Quantity(kind="quantity", beta=0.3, min_samples=20), LABELS, 10, np.random.default_rng(0))
    sizes = sorted(len(part) for part in few)
    assert sizes[-1] > 4 * sizes[0]
    assert heterogeneity(LABELS, few, 10) < 0.2


def test_heterogeneity_of_worked_cases():
    labels = np.repeat(np.arange(4), 10)
    alone = [np.flatnonzero(labels == kind) for kind in range(4)]
    assert heterogeneity(labels, alone, 4) == pytest.approx(0.75)
    mixed = [np.arange(k, 40, 10) for k in range(10)]
    assert heterogeneity(labels, mixed, 4) == 0.0
    assert heterogeneity(labels, [*mixed, np.array([], np.int64)], 4) == 0.0
