"""Server learning on every method and its parameters; weight zero changes nothing, whatever else is set."""

import pickle
from typing import get_args

import numpy as np
import pytest
from tests.federation.worlds import SEED, course, models, world

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.located import validate_dataclass
from qoslab.core.registry import registry
from qoslab.domains.federation.bases import BASES, BaseName, OnFedDyn, OnFedProx, base_of
from qoslab.domains.federation.methods.data_sharing import DataSharing
from qoslab.domains.federation.methods.fedavg import FedAvg
from qoslab.domains.federation.methods.fedprox import FedProx
from qoslab.domains.federation.methods.server_learning import ServerLearning
from qoslab.domains.federation.model import run
from qoslab.study.fingerprint import canonical

VARIANTS = ("incremental", "simultaneous")


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("base", BASES)
def test_weight_zero_is_the_method_below_bit_for_bit(base, variant, schedule):
    below = registry.method("federation", base).cls()
    found = ServerLearning(on=base, gamma=0.0, variant=variant, schedule=schedule)
    assert found.needs() == below.needs()
    assert models(world(), found) == models(world(), below)
    some = ServerLearning(on=base, gamma=0.3, variant=variant, schedule=schedule)
    assert models(world(), some) != models(world(), below)


@pytest.mark.parametrize("variant", VARIANTS)
def test_weight_zero_is_fedavg_also_where_the_servers_own_steps_explode(variant):
    wild = world(server={"reserve": 30, "samples": 30, "steps": 3, "batch": 8, "rate": 1e200})
    _, steps = course(wild, ServerLearning(gamma=0.0, variant=variant))
    assert len(steps) == wild.rounds
    assert models(wild, ServerLearning(gamma=0.0, variant=variant)) == models(wild, FedAvg())
    assert len(course(wild, ServerLearning(variant=variant))[1]) < wild.rounds


@pytest.mark.parametrize("gamma", [0.0, 1e-300, 0.05, 0.1, 0.3, 1.0])
@pytest.mark.parametrize("last", [0.0, 0.1, 2.0])
def test_weights_of_a_half_cosine_never_rise_nor_turn_negative(gamma, last):
    method = ServerLearning(gamma=gamma, schedule="cosine", gamma_last=last)
    weights = np.array([method.weight(t, 50) for t in range(50)])
    assert (np.diff(weights) <= 0).all()
    assert (weights >= 0).all()
    assert weights[0] == gamma
    assert weights[-1] == pytest.approx(min(gamma, last), rel=1e-12)


# What stands below, with its parameters.


def made(on):
    return validate_dataclass(ServerLearning, {"on": on})


def test_every_method_that_merges_clients_can_stand_below():
    every = {entry.name for entry in registry.methods("federation")}
    assert every - {"server_learning", "server_only", "centralised"} == set(BASES) == set(get_args(BaseName))


@pytest.mark.parametrize("base", BASES)
def test_a_name_is_a_table_without_parameters(base):
    assert models(world(), made({"id": base})) == models(world(), made(base))
    assert base_of(base) == base_of(made({"id": base}).on)


@pytest.mark.parametrize(
    "table",
    [
        {"id": "fedavg", "server_rate": 0.5},
        {"id": "fedavg_momentum", "momentum": 0.5},
        {"id": "fedprox", "mu": 2.0},
        {"id": "scaffold", "server_rate": 0.5},
        {"id": "feddyn", "alpha": 1.0},
        {"id": "trimmed_mean", "trim": 0.4},
        {"id": "krum", "keep": 2},
    ],
    ids=lambda table: table["id"],
)
def test_parameters_reach_the_method_below(table):
    """Of weight zero it is that method with these parameters, and they matter."""
    cls = registry.method("federation", table["id"]).cls
    below = cls(**{name: value for name, value in table.items() if name != "id"})
    found = validate_dataclass(ServerLearning, {"on": table, "gamma": 0.0})
    assert models(world(), found) == models(world(), below)
    assert models(world(), made(table)) != models(world(), made(table["id"]))
    assert pickle.loads(pickle.dumps(found)) == found
    assert made(canonical(made(table).on)) == made(table)


def test_fedprox_without_a_pull_is_fedavg_also_below():
    assert models(world(), ServerLearning(on=OnFedProx(mu=0.0))) == models(world(), ServerLearning())


def test_methods_of_equal_parameters_are_kept_apart():
    """Results are looked up by these values."""
    tables = [{"id": name, "server_rate": 0.5} for name in ("fedavg", "fedavg_momentum", "scaffold")]
    values = [canonical(made(table).on) for table in [*tables, {"id": "median"}, {"id": "data_sharing"}]]
    assert all(one not in values[:number] for number, one in enumerate(values))


def test_below_data_sharing_the_copies_are_sent_and_used():
    method, one = ServerLearning(on="data_sharing"), world(rounds=1)
    plain, shared = (
        next(iter(run(one, each, [SEED], Context()))).metrics["traffic_mb"]
        for each in (ServerLearning(), method)
    )
    assert shared - plain == pytest.approx(6 * 30 * 5 * 4 / 1e6)
    start = course(one, DataSharing())[1][0].model
    assert models(one, ServerLearning(on="data_sharing", gamma=0.0)) == [start.tobytes()]
    assert models(one, method) != models(one, ServerLearning())


@pytest.mark.parametrize(
    ("on", "words"),
    [
        ("fedprx", "did you mean 'fedprox'"),
        ({"id": "fedprx"}, "on.id: must be .*, is 'fedprx'"),
        ({"id": "server_learning"}, "on.id: must be .*, is 'server_learning'"),
        ({"mu": 1.0}, "on.id: is missing"),
        ({"id": "fedprox", "mu": -1}, "on.mu: must be at least 0, is -1"),
        ({"id": "fedprox", "mu": "1"}, "on.mu: must be a number, is '1'"),
        ({"id": "fedprox", "alpha": 1}, "on.alpha: there is no such key"),
        ({"id": "feddyn", "alpha": 0}, "on.alpha: must be greater than 0, is 0"),
        ({"id": "krum", "keep": 1.5}, "on.keep: must be a whole number, is 1.5"),
    ],
)
def test_wrong_tables_are_refused_by_the_part_that_is_wrong(on, words):
    with pytest.raises(BadInput, match=words):
        made(on)


@pytest.mark.parametrize("on", ["nobody", FedProx(), {"id": "fedprox"}, None])
def test_from_python_what_cannot_stand_below_is_refused(on):
    with pytest.raises(BadInput, match=r"on: .* is neither a name nor a method of"):
        ServerLearning(on=on).needs()
    assert ServerLearning(on=OnFedDyn(alpha=0.5)).needs().vectors_up == 1
