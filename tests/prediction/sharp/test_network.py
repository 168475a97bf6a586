"""The pass of SHARP-QoS against its equations written out, one map and one block at a time."""

import numpy as np
import pytest

from qoslab.domains.prediction.data import Known

torch = pytest.importorskip("torch", reason="needs the extra 'learn'")

from qoslab.domains.prediction.sharp.network import Architecture, forward, initial_weights  # noqa: E402
from qoslab.domains.prediction.sharp.routing import gate  # noqa: E402
from qoslab.domains.prediction.sharp.structure import make_structure  # noqa: E402
from qoslab.learning.poincare import exp0, log0, moebius_add  # noqa: E402

USERS, C = 7, 0.8
act = torch.nn.functional.leaky_relu


def world():
    """Three parameters of 7 users and 11 services, of whom some were never measured, with two kinds of places."""
    rng = np.random.default_rng(3)
    values = np.where(rng.random((3, USERS, 11)) < 0.5, rng.lognormal(size=(3, USERS, 11)), np.nan)
    users = {"country": rng.integers(0, 3, USERS), "as": rng.integers(0, 4, USERS)}
    services = {"country": rng.integers(0, 3, 11), "as": rng.integers(0, 4, 11)}
    return Known(("a", "b", "c"), values, users, services)


def hyperbolic(weights, name, x):
    """log_0((W (x) H) (+) b)."""
    bias = exp0(weights[f"{name}/bias"], C)
    return log0(moebius_add(exp0(x @ weights[name].T, C), bias, C), C)


def flat(weights, name, x):
    return x @ weights[name].T + weights[f"{name}/bias"]


def there_and_back(x):
    return log0(exp0(x, C), C)


def encoded(weights, a, p, graph):
    """What the layers of one parameter make of its features."""
    linear, inside = (flat, lambda x: x) if a.encoder == "gcn" else (hyperbolic, there_and_back)
    x = graph.features
    for layer in range(a.layers):
        x = inside(x)
        seen = graph.bipartite(linear(weights, f"task{p}/bipartite/{layer}", x))
        if a.encoder == "hhgcn":
            of_users = graph.users(linear(weights, f"task{p}/users/{layer}", x[:USERS]))
            of_services = graph.services(linear(weights, f"task{p}/services/{layer}", x[USERS:]))
            seen = seen + torch.cat([of_users, of_services])
        x = act(seen)
    return inside(x)


def places(weights, a, graphs):
    """All kinds of context, encoded, one beside the other."""
    linear, inside = (flat, lambda x: x) if a.encoder == "gcn" else (hyperbolic, there_and_back)
    found = []
    for number, graph in enumerate(graphs):
        x = graph.features
        for layer in range(a.context_layers):
            x = act(graph.mean(linear(weights, f"context{number}/{layer}", inside(x))))
        found.append(inside(x))
    return torch.cat(found, dim=1)


def written_out(weights, a, structure):
    """Predictions of every parameter."""
    own = [encoded(weights, a, p, graph) for p, graph in enumerate(structure.tasks)]
    around = places(weights, a, structure.contexts) if a.snr else None
    tables = []
    for p, y in enumerate(own):
        received = [
            act(flat(weights, f"block/context{k}", around)) for k in range(a.context_blocks if a.snr else 0)
        ]
        for q, other in enumerate(own):
            if a.cross_snr and q != p:
                received += [act(flat(weights, f"block/task{q}/{k}", other)) for k in range(a.task_blocks)]
        if received:
            z, t = gate(weights[f"task{p}/log_alpha"]), weights[f"task{p}/transforms"]
            from_others = sum(z[k] * block @ t[k] for k, block in enumerate(received))
            g = flat(weights, f"task{p}/fusion", torch.cat([y, from_others], dim=1)).sigmoid()
            y = g * y + (1 - g) * from_others
        left, right = (
            flat(weights, f"task{p}/head/{side}/1", act(flat(weights, f"task{p}/head/{side}/0", part)))
            for side, part in (("users", y[:USERS]), ("services", y[USERS:]))
        )
        tables.append(left @ right.T)
    return tables


@pytest.mark.parametrize("encoder", ["hhgcn", "hygcn", "gcn"])
@pytest.mark.parametrize(("snr", "cross_snr"), [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize("size", [1.0, 30.0])
def test_the_pass_is_that_of_the_equations(encoder, snr, cross_snr, size):
    """With small weights, and with some that lead beyond the boundary; gates half open, biases that are not zero."""
    a = Architecture(encoder, snr, cross_snr, 5, 6, 4, context_blocks=2, task_blocks=3, curvature=C)
    structure = make_structure(
        torch, world(), 5, renormalised=False, merged=False, contexts=snr, device=torch.device("cpu")
    )
    torch.manual_seed(8)
    weights = initial_weights(torch, a, structure)
    with torch.no_grad():
        for name, value in weights.items():
            value += 0.3 * torch.randn(value.shape) - (2.0 if name.endswith("log_alpha") else 0.0)
            value *= size if "/bipartite/" in name else 1.0
        expected = written_out(weights, a, structure)
        found = forward(weights, a, structure).predictions
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, rtol=1e-3, atol=1e-4 * float(other.abs().max()))
