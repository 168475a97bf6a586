"""Splits, errors and predictors against cases computed by hand and planted truth."""

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.registry import registry
from qoslab.core.seeds import Seed
from qoslab.domains.prediction.data import Known, make_task
from qoslab.domains.prediction.methods.item_mean import ItemMean
from qoslab.domains.prediction.methods.neumf import NeuMF
from qoslab.domains.prediction.methods.user_mean import UserMean
from qoslab.domains.prediction.metrics import errors
from qoslab.domains.prediction.model import run
from qoslab.domains.prediction.scenario import PredictionScenario
from qoslab.domains.prediction.theory import error_of_the_mean, verify

NAN = float("nan")
SEED = np.random.SeedSequence(0)


def world(density=0.3, **data):
    return PredictionScenario.model_validate({"data": {"kind": "planted"} | data, "density": density})


def test_means_by_hand():
    known = Known(("q",), np.array([[[1.0, NAN, NAN], [3.0, 5.0, NAN]]]))
    assert ItemMean().predict(known, SEED, Context()).tolist() == [[[2, 5, 3], [2, 5, 3]]]
    assert UserMean().predict(known, SEED, Context()).tolist() == [[[1, 1, 1], [4, 4, 4]]]


def test_a_user_without_data_gets_the_overall_mean():
    known = Known(("q",), np.array([[[NAN, NAN], [1.0, 3.0]]]))
    assert UserMean().predict(known, SEED, Context())[0, 0].tolist() == [2.0, 2.0]


def test_errors_by_hand():
    found = errors(
        ["a", "b"],
        np.array([[[1.0, 2.0]], [[0.0, 0.0]]]),
        np.array([[[2.0, 4.0]], [[3.0, 4.0]]]),
        np.ones((2, 1, 2), bool),
    )
    assert found["mae[a]"] == 1.5
    assert found["rmse[b]"] == pytest.approx(np.sqrt(12.5))
    assert found["nmae[a]"] == 0.5
    assert found["mae"] == pytest.approx((1.5 + 3.5) / 2)


def test_a_split_shares_nothing_and_loses_nothing():
    task = make_task(world(users=20, services=30, density=0.25), Seed(), Context())
    known = np.isfinite(task.known.values)
    assert known.sum(axis=(1, 2)).tolist() == [150, 150]
    assert not (known & task.test).any()
    assert (known | task.test).all()
    assert (known[0] == known[1]).all()
    assert (task.known.values[known] == task.truth[known]).all()


def test_methods_meet_the_same_split():
    scenario = world(users=10, services=20)
    first, second = (make_task(scenario, Seed(replication=3), Context()) for _ in range(2))
    assert (first.test == second.test).all()
    assert not (first.test == make_task(scenario, Seed(replication=4), Context()).test).all()


def test_more_known_cells_than_measured_are_refused(tmp_path):
    table = np.full((4, 5), NAN)
    table[0, :3] = 1.0
    np.savez(tmp_path / "t.npz", rt=table)
    raw = {"data": {"kind": "dataset", "name": "x/t.npz", "parameters": ["rt"]}, "density": 0.9}
    context = Context(dataset=lambda _: tmp_path / "t.npz")
    with pytest.raises(BadInput, match="18 of 20 cells should be known, but 3 were measured"):
        make_task(PredictionScenario.model_validate(raw), Seed(), context)


def test_an_unknown_array_is_named(tmp_path):
    np.savez(tmp_path / "t.npz", rt=np.ones((2, 3)))
    raw = {"data": {"kind": "dataset", "name": "x/t.npz", "parameters": ["loss"]}, "density": 0.5}
    with pytest.raises(BadInput, match="no array 'loss'; it holds rt"):
        make_task(
            PredictionScenario.model_validate(raw), Seed(), Context(dataset=lambda _: tmp_path / "t.npz")
        )


def test_the_item_mean_errs_as_theory_says():
    """Noise only: 2 erf(noise / sqrt 8); the mean of 40 runs within 1 % (its standard error is below 0.2 %)."""
    scenario = world(users=300, services=40, parameters=1, signal=0.0, noise=0.4, density=0.5)
    seeds = [Seed(replication=i) for i in range(10)]
    got = np.mean([outcome.metrics["nmae"] for outcome in run(scenario, ItemMean(), seeds, Context())])
    assert got == pytest.approx(error_of_the_mean(0.4), rel=0.015)


def test_neumf_learns_what_means_cannot():
    """Values that are products of user and service factors: the network must beat both means clearly."""
    pytest.importorskip("torch", reason="needs the extra 'learn'")
    scenario = world(users=60, services=80, parameters=1, rank=1, signal=1.0, noise=0.05, density=0.4)
    method = NeuMF(epochs=80, batch=64, learning_rate=5e-3)
    scores = [
        next(run(scenario, m, [Seed()], Context())).metrics["nmae"] for m in (method, ItemMean(), UserMean())
    ]
    assert scores[0] < 0.5 * min(scores[1:])


def test_without_torch_the_message_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    from qoslab.core.errors import MissingExtra

    with pytest.raises(MissingExtra, match=r"prediction/neumf needs .* pip install 'qoslab\[learn\]'"):
        next(run(world(users=5, services=6), NeuMF(), [Seed()], Context()))


def test_listing_needs_no_torch():
    entry = registry.method("prediction", "neumf")
    assert (entry.extra, entry.origin) == ("learn", "paper")


def test_checks_pass_or_say_why_not():
    checks = list(verify(quick=True, context=Context()))
    assert checks[0].status == "pass"
    assert {check.status for check in checks[1:]} == {"not run"}
