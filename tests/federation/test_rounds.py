"""Rounds by hand: FedAvg as a plain loop, server learning, chance that no method touches, bad input, divergence."""

import numpy as np
import pytest
from pydantic import ValidationError
from tests.federation.worlds import SEED, course, models, world

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.federation.data import make_task
from qoslab.domains.federation.methods.fedavg import FedAvg
from qoslab.domains.federation.methods.server_learning import ServerLearning
from qoslab.domains.federation.model import run


def by_hand(scenario, seed=SEED, *, server=False):
    """FedAvg, and server learning of weight one, one client and one step at a time."""
    task = make_task(scenario, seed)
    draws = {name: seed.generator(name) for name in ("who", "dropout", "batches", "server")}
    model, found, training = task.start, [], scenario.training
    for number in range(scenario.rounds):
        chosen = draws["who"].choice(scenario.clients, scenario.sampled, replace=False)
        batches = draws["batches"].random((scenario.sampled, training.steps, training.batch))
        chance = draws["server"].random((scenario.server.steps, scenario.server.batch))
        ends, sizes = [], [len(task.parts[i]) for i in chosen]
        for row, client in enumerate(chosen):
            own = model
            for k in range(training.steps):
                picked = task.parts[client][np.floor(batches[row, k] * sizes[row]).astype(int)]
                slope = task.network.gradients(own, task.x[picked], task.y[picked])
                own = own - training.rate * training.rate_decay**number * slope
            ends.append(own)
        model = sum(size / sum(sizes) * end for size, end in zip(sizes, ends, strict=True))
        for k in range(scenario.server.steps if server else 0):
            picked = task.server[np.floor(chance[k] * len(task.server)).astype(int)]
            model = model - scenario.server.rate * task.network.gradients(
                model, task.x[picked], task.y[picked]
            )
        found.append(model)
    return np.array(found)


@pytest.mark.parametrize(("method", "server"), [(FedAvg(), False), (ServerLearning(), True)])
def test_rounds_are_those_of_a_plain_loop(method, server):
    scenario = world(training={"steps": 4, "batch": 8, "rate": 0.2, "rate_decay": 0.9})
    got = np.array([step.model for step in course(scenario, method)[1]])
    assert np.allclose(got, by_hand(scenario, server=server), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("variant", ["incremental", "simultaneous"])
def test_weight_zero_is_fedavg_bit_for_bit(variant):
    for seed in (SEED, Seed(1)):
        assert models(world(), ServerLearning(gamma=0.0, variant=variant), seed) == models(
            world(), FedAvg(), seed
        )
        assert models(world(), ServerLearning(variant=variant), seed) != models(world(), FedAvg(), seed)


def test_the_simultaneous_server_is_a_client_of_its_weight():
    one = world(rounds=1)
    start = course(one, FedAvg())[0].start
    nobody = world(rounds=1, faults={"dropout": 1.0})
    merged, alone = (
        course(place, ServerLearning(gamma=g))[1][0].model for place, g in ((one, 0), (nobody, 1))
    )
    got = course(one, ServerLearning(variant="simultaneous", gamma=0.5))[1][0].model
    assert np.allclose(got - start, ((merged - start) + 0.5 * (alone - start)) / 1.5, atol=1e-14)


def test_without_answers_only_the_server_learns():
    silent = world(faults={"dropout": 1.0})
    task, steps = course(silent, FedAvg())
    assert all((step.model == task.start).all() and step.answered == 0 for step in steps)
    _, learned = course(silent, ServerLearning())
    losses = [task.network.loss(step.model, task.x[task.server], task.y[task.server]) for step in learned]
    assert losses[-1] < losses[0] < task.network.loss(task.start, task.x[task.server], task.y[task.server])


def test_the_weight_falls_along_a_half_cosine():
    method = ServerLearning(gamma=1.0, schedule="cosine", gamma_last=0.2)
    assert [method.weight(t, 3) for t in range(3)] == pytest.approx([1.0, 0.6, 0.2])
    assert ServerLearning(gamma=0.7).weight(5, 10) == 0.7
    assert method.weight(0, 1) == 1.0


def test_clients_server_and_test_share_no_sample():
    task = make_task(world(), SEED)
    everyone = np.concatenate([*task.parts, task.server, task.test])
    assert sorted(everyone.tolist()) == list(range(300))


def test_the_server_may_lack_classes():
    task = make_task(world(server={"reserve": 30, "samples": 20, "classes": 2}), SEED)
    assert set(task.y[task.server]) == {0, 1}
    assert len(task.server) <= 20


def test_empty_clients_sit_out():
    scenario = world(clients=40, partition={"kind": "dirichlet", "alpha": 0.02, "min_samples": 0})
    task, steps = course(scenario, FedAvg())
    assert min(len(part) for part in task.parts) == 0
    assert all(step.answered == 3 and np.isfinite(step.model).all() for step in steps)


def test_a_model_that_explodes_ends_the_run():
    scenario = world(training={"steps": 4, "batch": 8, "rate": 1e200})
    (outcome,) = run(scenario, FedAvg(), [SEED], Context(keep_series=True))
    assert outcome.counters["rounds"] < scenario.rounds
    assert outcome.metrics["accuracy"] == 0.0
    assert "loss" not in outcome.metrics
    assert len(outcome.series["course"]["round"]) == scenario.rounds


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"test": 280}, "280 samples for testing and 30 for the server leave none of 300"),
        (
            {
                "clients": 200,
                "sampled": 190,
                "partition": {"kind": "quantity", "beta": 0.05, "min_samples": 0},
            },
            "clients hold samples, and 190 take part",
        ),
    ],
)
def test_impossible_worlds_are_refused(changes, message):
    with pytest.raises(BadInput, match=message):
        make_task(world(**changes), SEED)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sampled": 7}, "sampled = 7 of clients = 6"),
        ({"hidden": [0]}, "every layer has at least one unit"),
        ({"server": {"reserve": 5, "samples": 6}}, "samples = 6 is more than the reserve of 5"),
    ],
)
def test_impossible_settings_are_refused(changes, message):
    with pytest.raises(ValidationError, match=message):
        world(**changes)
