"""Our server inside Flower gives the models of our own rounds."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, MissingExtra
from qoslab.core.seeds import Seed
from qoslab.domains.federation.bases import OnFedAvgMomentum, OnFedProx
from qoslab.domains.federation.clients import train
from qoslab.domains.federation.data import make_task
from qoslab.domains.federation.flower import Server, flower_strategy
from qoslab.domains.federation.methods.centralised import Centralised
from qoslab.domains.federation.methods.data_sharing import DataSharing
from qoslab.domains.federation.methods.fedavg import FedAvg
from qoslab.domains.federation.methods.fedavg_momentum import FedAvgMomentum
from qoslab.domains.federation.methods.fedprox import FedProx
from qoslab.domains.federation.methods.scaffold import Scaffold
from qoslab.domains.federation.methods.server_learning import ServerLearning
from qoslab.domains.federation.scenario import FederationScenario, example
from qoslab.domains.federation.strategy import Guide
from qoslab.domains.federation.training import Clients, rounds

SEED = Seed(0, "flower", "", 0)


def world():
    return FederationScenario.model_validate(example().model_dump() | {"faults": {}})


def pieces(flat):
    """A model as two layers."""
    return [flat[:6].reshape(2, 3).copy(), flat[6:].copy()]


class Field:
    """The clients and the server's own training of a scenario, round by round, with our draws."""

    def __init__(self):
        self.scenario = world()
        self.task = make_task(self.scenario, SEED)
        self.draws = {name: SEED.generator(name) for name in ("who", "dropout", "batches", "server")}
        self.clients = Clients.of(self.task, FedAvg().needs())

    def work(self, model):
        """(client, weights, samples) of a round; also draws what the server will use."""
        settings, server = self.scenario.training, self.scenario.server
        able = np.flatnonzero([len(part) > 0 for part in self.task.parts])
        chosen = self.draws["who"].choice(able, self.scenario.sampled, replace=False)
        self.draws["dropout"].random(len(chosen))
        chance = self.draws["batches"].random((len(chosen), settings.steps, settings.batch))
        self.chance = self.draws["server"].random((server.steps, server.batch))
        batches = self.clients.batches(chosen, chance)
        updates = train(self.scenario, self.task, batches, chosen, model, Guide(), settings.rate)
        return [
            (int(client), pieces(model + update), int(self.clients.sizes[client]))
            for client, update in zip(chosen, updates, strict=True)
        ]

    def learn(self, weights, gamma):
        task, model = self.task, np.concatenate([array.ravel() for array in weights])
        for batch in task.server[(self.chance * len(task.server)).astype(np.int64)]:
            model = model - gamma * self.scenario.server.rate * task.network.gradients(
                model, task.x[batch], task.y[batch]
            )
        return pieces(model)


@pytest.mark.parametrize(
    "method",
    [
        ServerLearning(),
        FedAvg(),
        ServerLearning(schedule="cosine"),
        ServerLearning(on="fedavg_momentum"),
        ServerLearning(on=OnFedAvgMomentum(momentum=0.3, server_rate=0.8)),
    ],
)
def test_the_server_gives_the_models_of_our_own_rounds(method):
    field = Field()
    ours = list(rounds(field.scenario, field.task, method, SEED, Context()))
    server = Server(method, pieces(field.task.start), field.learn, rounds=field.scenario.rounds, clients=6)
    for number, step in enumerate(ours):
        flat = np.concatenate([array.ravel() for array in server.model])
        found = server.merge(number, field.work(flat))
        np.testing.assert_allclose(np.concatenate([array.ravel() for array in found]), step.model, rtol=1e-10)


@pytest.mark.parametrize(
    "method",
    [
        FedProx(),
        Scaffold(),
        Centralised(),
        DataSharing(),
        ServerLearning(on="data_sharing"),
        ServerLearning(on=OnFedProx(mu=0.2)),
    ],
    ids=str,
)
def test_what_clients_would_have_to_help_with_is_refused(method):
    with pytest.raises(BadInput, match="needs more of clients than the weights they end with"):
        Server(method, [np.zeros(3)], lambda weights, gamma: weights, rounds=5, clients=4)


def test_weights_of_another_shape_are_refused_and_types_kept():
    server = Server(FedAvgMomentum(), [np.zeros((2, 2), np.float32)], lambda w, g: w, rounds=5, clients=4)
    assert server.model[0].dtype == np.float32
    with pytest.raises(BadInput, match=r"weights have the shapes \[\(4,\)\], and the model \[\(2, 2\)\]"):
        server.merge(0, [(0, [np.zeros(4)], 3)])


def test_answers_without_samples_leave_the_model():
    """Clients may say that they hold nothing, all of them at once: 0 of 0 is no weight of anybody's."""
    server = Server(FedAvg(), [np.ones(3)], lambda weights, gamma: weights, rounds=5, clients=2)
    (kept,) = server.merge(0, [(0, [np.full(3, 7.0)], 0), (1, [np.full(3, 9.0)], 0)])
    assert kept.tolist() == [1.0, 1.0, 1.0]
    (moved,) = server.merge(1, [(0, [np.full(3, 7.0)], 0), (1, [np.full(3, 9.0)], 5)])
    assert moved.tolist() == [9.0, 9.0, 9.0]


class Noted(FedAvg):
    """Federated averaging that notes whom it is told of, and in which order their updates come."""

    def __init__(self):
        self.seen = []

    def merge(self, state, seen):
        self.seen.append((seen.clients.tolist(), seen.updates[:, 0].tolist()))
        return super().merge(state, seen)


def flower_of_its_own(monkeypatch):
    """As much of Flower's interface as the strategy meets, for an environment without it."""
    flwr, names = ModuleType("flwr"), ("flwr.common", "flwr.server", "flwr.server.strategy")
    flwr.common, flwr.server, flwr.server.strategy = (ModuleType(name) for name in names)
    flwr.server.strategy.Strategy = object
    flwr.common.parameters_to_ndarrays = flwr.common.ndarrays_to_parameters = list
    for name, module in zip(
        ("flwr", *names), (flwr, flwr.common, flwr.server, flwr.server.strategy), strict=True
    ):
        monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_neither_sums_nor_numbers_depend_on_who_answered_first(monkeypatch, order):
    flower_of_its_own(monkeypatch)
    method = Noted()
    strategy = flower_strategy([np.zeros(1)], lambda w, g: w, method=method, rounds=3, clients=3, sampled=3)
    answers = [(cid, value) for cid, value in (("a", 0.1), ("b", 0.2), ("c", 0.3))]
    results = [
        (SimpleNamespace(cid=cid), SimpleNamespace(parameters=[np.array([value])], num_examples=1))
        for cid, value in (answers[i] for i in order)
    ]
    strategy.aggregate_fit(1, results, [])
    assert method.seen == [([0, 1, 2], [0.1, 0.2, 0.3])]


def test_without_flower_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "flwr", None)
    with pytest.raises(MissingExtra, match=r"qoslab\[flower\]"):
        flower_strategy([np.zeros(2)], lambda w, g: w, rounds=1, clients=2, sampled=2)


def test_flower_drives_it_through_its_own_types():
    flwr = pytest.importorskip(
        "flwr", reason="Flower has an environment of its own: pip install 'qoslab[flower]'"
    )
    from flwr.common import Code, FitRes, Status, ndarrays_to_parameters, parameters_to_ndarrays

    field, method = Field(), ServerLearning()
    ours = list(rounds(field.scenario, field.task, method, SEED, Context()))

    class Manager:
        def sample(self, num_clients, min_num_clients):
            return [Proxy(cid) for cid in range(num_clients)]

    class Proxy:
        def __init__(self, cid):
            self.cid = str(cid)

    strategy = flower_strategy(
        pieces(field.task.start), field.learn, rounds=field.scenario.rounds, clients=6, sampled=4
    )
    assert isinstance(strategy, flwr.server.strategy.Strategy)
    parameters = strategy.initialize_parameters(Manager())
    for number, step in enumerate(ours, start=1):
        asked = strategy.configure_fit(number, parameters, Manager())
        assert len(asked) == 4
        flat = np.concatenate([array.ravel() for array in parameters_to_ndarrays(asked[0][1].parameters)])
        status = Status(Code.OK, "")
        results = [
            (Proxy(client), FitRes(status, ndarrays_to_parameters(weights), size, {}))
            for client, weights, size in field.work(flat)
        ]
        parameters, _ = strategy.aggregate_fit(number, results, [])
        found = np.concatenate([array.ravel() for array in parameters_to_ndarrays(parameters)])
        np.testing.assert_allclose(found, step.model, rtol=1e-10)
    assert strategy.evaluate(1, parameters) is None
