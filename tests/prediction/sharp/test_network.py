"""The pass of SHARP-QoS against its equations written out, one map and one block at a time."""

from dataclasses import replace

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.domains.prediction.data import Known

torch = pytest.importorskip("torch", reason="needs the extra 'learn'")

from qoslab.domains.prediction.sharp.network import Architecture, forward, initial_weights  # noqa: E402
from qoslab.domains.prediction.sharp.routing import gate  # noqa: E402
from qoslab.domains.prediction.sharp.structure import make_structure  # noqa: E402
from qoslab.learning.poincare import exp0, log0, moebius_add  # noqa: E402

USERS, C = 7, 0.8
act = torch.nn.functional.leaky_relu


def world():
    """Three parameters of 7 users and 11 services, one of each never measured; two kinds of places, two unknown."""
    rng = np.random.default_rng(3)
    values = np.where(rng.random((3, USERS, 11)) < 0.5, rng.lognormal(size=(3, USERS, 11)), np.nan)
    users = {"country": rng.integers(0, 3, USERS), "as": rng.integers(0, 4, USERS)}
    services = {"country": rng.integers(0, 3, 11), "as": rng.integers(0, 4, 11)}
    values[:, 2, :] = values[:, :, 6] = np.nan
    users["as"][4] = services["as"][6] = -1
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


def built(known, *, merged=False, contexts=True):
    """Features and operators, drawn from the same numbers each time."""
    torch.manual_seed(8)
    how = {"renormalised": False, "merged": merged, "contexts": contexts, "device": torch.device("cpu")}
    return make_structure(torch, known, 5, **how, context=Context())


def dense_mean(codes):
    """Who sees whom, row by row: all of the own group alike; who has none sees oneself."""
    same = (codes[:, None] == codes) & (codes >= 0)[:, None] | np.eye(len(codes), dtype=bool)
    return same / same.sum(axis=1, keepdims=True)


def of_both_sides(known, kind):
    return np.concatenate([known.user_context[kind], known.service_context[kind]])


def test_a_graph_of_places_is_the_mean_over_the_same_place():
    known = world()
    for graph, kind in zip(built(known).contexts, ("country", "as"), strict=True):
        found = graph.mean(torch.eye(18)).numpy()
        np.testing.assert_allclose(found, dense_mean(of_both_sides(known, kind)), rtol=1e-6)


def test_the_merged_graph_is_the_mean_of_both_graphs():
    """Of their operators, as dense matrices, and of their features."""
    known = world()
    merged, separate = built(known, merged=True).contexts, built(known).contexts
    assert len(merged) == 1
    expected = (dense_mean(of_both_sides(known, "country")) + dense_mean(of_both_sides(known, "as"))) / 2
    np.testing.assert_allclose(merged[0].mean(torch.eye(18)).numpy(), expected, rtol=1e-6)
    assert not torch.equal(separate[0].features, separate[1].features)
    assert torch.allclose(merged[0].features, (separate[0].features + separate[1].features) / 2)


@pytest.mark.parametrize("side", ["users", "services"])
def test_places_of_one_side_alone_are_used(side):
    """The other side's are unknown: zero features, and each sees itself alone."""
    known = world()
    here = slice(0, USERS) if side == "users" else slice(USERS, 18)
    absent = {"service_context" if side == "users" else "user_context": {}}
    graphs = built(replace(known, **absent)).contexts
    assert len(graphs) == 2
    for graph, kind in zip(graphs, ("country", "as"), strict=True):
        codes = np.full(18, -1)
        codes[here] = of_both_sides(known, kind)[here]
        np.testing.assert_allclose(graph.mean(torch.eye(18)).numpy(), dense_mean(codes), rtol=1e-6)
        told = graph.features.numpy().any(axis=1)
        assert told[here].all()
        assert told.sum() == told[here].sum()


def test_transforms_of_routes_start_at_the_size_that_the_page_says():
    """All routes together at an eighth of a Glorot matrix's; deviations of 8 * 128 * 128 draws are known to 1 %."""
    torch.manual_seed(0)
    d, routes = 128, 8
    a = Architecture("hhgcn", True, True, 5, d, 4, context_blocks=2, task_blocks=3)
    weights = initial_weights(torch, a, built(world(), contexts=True))
    spread = float(weights["task0/transforms"].detach().std())
    assert len(weights["task0/transforms"]) == routes
    assert spread == pytest.approx((2 / (d * d + routes * d)) ** 0.5 / routes**0.5, rel=0.02)
    single = float(torch.nn.init.xavier_uniform_(torch.empty(d, d)).std())
    assert spread * routes**0.5 / single == pytest.approx(1 / 8, rel=0.05)


@pytest.mark.parametrize("encoder", ["hhgcn", "hygcn", "gcn"])
@pytest.mark.parametrize(("snr", "cross_snr"), [(True, True), (True, False), (False, True), (False, False)])
@pytest.mark.parametrize("size", [1.0, 30.0])
def test_the_pass_is_that_of_the_equations(encoder, snr, cross_snr, size):
    """With small weights, and with some that lead beyond the boundary; gates half open, biases that are not zero."""
    a = Architecture(encoder, snr, cross_snr, 5, 6, 4, context_blocks=2, task_blocks=3, curvature=C)
    structure = built(world(), contexts=snr)
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
