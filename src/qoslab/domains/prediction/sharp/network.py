"""The network of SHARP-QoS: weights by name, and the pass from graphs to predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from qoslab.domains.prediction.sharp.routing import gate, open_probability, route
from qoslab.domains.prediction.sharp.structure import ContextGraph, Structure, TaskGraph
from qoslab.learning.poincare import clip_tangent, shift_tangent

__all__ = ["Architecture", "Encoder", "Noise", "Routed", "forward", "initial_weights"]

Encoder = Literal["hhgcn", "hygcn", "gcn"]

Drop = Callable[[Any], Any]
"""Dropout of hidden features: a tensor of the same shape."""

_BRANCHES: dict[Encoder, tuple[str, ...]] = {
    "hhgcn": ("bipartite", "hyper"),
    "hygcn": ("bipartite",),
    "gcn": ("bipartite",),
}

_OPEN = 2.0
"""Location of every gate at first; a gate is closed at test from -2.4 downwards."""

_LINEAR = 20.0
"""Where torch's softplus becomes the identity; exp(c) overflows float32 from 89 on."""


@dataclass(frozen=True)
class Architecture:
    """Sizes and switches of the network; see the attributes of the method `sharp_qos`."""

    encoder: Encoder = "hhgcn"
    snr: bool = True
    cross_snr: bool = True
    rank: int = 50
    hidden: int = 128
    width: int = 64
    layers: int = 2
    context_layers: int = 2
    context_blocks: int = 4
    task_blocks: int = 4
    curvature: float = 1.0
    trainable_curvature: bool = False
    gate_speed: float = 1.0


def _all(x: Any) -> Any:
    return x


@dataclass(frozen=True)
class Noise:
    """What a pass of training draws; a pass at test has none of it.

    Attributes:
        gates: Uniform numbers for each task's gates, of the shape of its `log_alpha`; empty where nothing is routed.
        drop: Dropout of what a parameter's encoder passes from layer to layer, of fused encodings and of the heads'
            hidden layer.
    """

    gates: Sequence[Any] = ()
    drop: Drop = _all


_NONE = Noise()


@dataclass(frozen=True)
class Routed:
    """One pass.

    Attributes:
        predictions: Per task, shape (users, services), in scaled units.
        l0: Expected number of open gates.
        gates: Per task, its gates, shape (K,).
    """

    predictions: list[Any]
    l0: Any
    gates: list[Any]


def initial_weights(torch: Any, a: Architecture, structure: Structure) -> Any:
    """A `ParameterDict` of all weights (Glorot matrices, zero biases, gates open at first).

    Transforms of routes are drawn as one Glorot stack, whose fans count all routes, and divided by the root of their
    number: 4 to 12 routes of 128 features together start at an eighth of a single matrix's size, so that at first
    little is received.

    Args:
        torch: The torch module of a deterministic session.
        a: The architecture.
        structure: Its counts of tasks and kinds of context size the weights.
    """
    made: dict[str, Any] = {}
    tasks, kinds = len(structure.tasks), len(structure.contexts)

    def matrix(name: str, *shape: int) -> None:
        made[name] = torch.nn.init.xavier_uniform_(torch.empty(*shape))

    def zeros(name: str, *shape: int) -> None:
        made[name] = torch.zeros(*shape)

    for p in range(tasks):
        _encoder_weights(matrix, zeros, a, f"task{p}", a.layers, a.rank)
        _task_weights(torch, made, matrix, zeros, a, p, tasks, kinds)
    if a.snr:
        for g in range(kinds):
            _chain(matrix, zeros, a, f"context{g}", a.context_layers, a.rank)
        for k in range(a.context_blocks if kinds else 0):
            matrix(f"block/context{k}", a.hidden, kinds * a.hidden)
            zeros(f"block/context{k}/bias", a.hidden)
    if a.trainable_curvature:
        made["curvature"] = _inverse_softplus(torch, a.curvature)
    return torch.nn.ParameterDict({name: torch.nn.Parameter(value) for name, value in made.items()})


def _inverse_softplus(torch: Any, c: float) -> Any:
    """The number whose softplus is c: log(exp(c) - 1), and c itself from where both are one number in float32."""
    found = torch.tensor(float(c))
    return found if c > _LINEAR else torch.log(torch.expm1(found))


def _chain(matrix: Any, zeros: Any, a: Architecture, name: str, layers: int, inputs: int) -> None:
    for layer in range(layers):
        matrix(f"{name}/{layer}", a.hidden, inputs if layer == 0 else a.hidden)
        zeros(f"{name}/{layer}/bias", a.hidden)


def _encoder_weights(matrix: Any, zeros: Any, a: Architecture, name: str, layers: int, inputs: int) -> None:
    for branch in _BRANCHES[a.encoder]:
        parts = ("users", "services") if branch == "hyper" else ("bipartite",)
        for part in parts:
            _chain(matrix, zeros, a, f"{name}/{part}", layers, inputs)


def _task_weights(
    torch: Any,
    made: dict[str, Any],
    matrix: Any,
    zeros: Any,
    a: Architecture,
    p: int,
    tasks: int,
    kinds: int,
) -> None:
    routes = _routes(a, tasks, kinds)
    if a.cross_snr and tasks > 1:
        for k in range(a.task_blocks):
            matrix(f"block/task{p}/{k}", a.hidden, a.hidden)
            zeros(f"block/task{p}/{k}/bias", a.hidden)
    if routes:
        made[f"task{p}/transforms"] = torch.nn.init.xavier_uniform_(torch.empty(routes, a.hidden, a.hidden))
        made[f"task{p}/transforms"] /= routes**0.5
        zeros(f"task{p}/log_alpha", routes)
        # Adam moves every weight by about its step size: a location kept in larger units moves faster.
        made[f"task{p}/log_alpha"] += _OPEN / a.gate_speed
        matrix(f"task{p}/fusion", a.hidden, 2 * a.hidden)
        zeros(f"task{p}/fusion/bias", a.hidden)
    for side in ("users", "services"):
        matrix(f"task{p}/head/{side}/0", a.hidden, a.hidden)
        zeros(f"task{p}/head/{side}/0/bias", a.hidden)
        matrix(f"task{p}/head/{side}/1", a.width, a.hidden)
        zeros(f"task{p}/head/{side}/1/bias", a.width)


def _routes(a: Architecture, tasks: int, kinds: int) -> int:
    context = a.context_blocks if a.snr and kinds else 0
    return context + (a.task_blocks * (tasks - 1) if a.cross_snr else 0)


def forward(weights: Any, a: Architecture, structure: Structure, noise: Noise = _NONE) -> Routed:
    """Predict every cell of every task.

    Args:
        weights: See `initial_weights`.
        a: The architecture.
        structure: Features and operators.
        noise: What training draws; none at test.
    """
    import torch

    c = torch.nn.functional.softplus(weights["curvature"]) if a.trainable_curvature else a.curvature
    own = [
        _encode_task(weights, a, f"task{p}", graph, structure.count[0], c, noise.drop)
        for p, graph in enumerate(structure.tasks)
    ]
    context = _context_blocks(weights, a, structure.contexts, c)
    blocks = _task_blocks(weights, a, own)
    predictions, gates, l0 = [], [], own[0].new_zeros(())
    for p, y in enumerate(own):
        received = [*context, *(block for q, block in enumerate(blocks) if q != p)]
        if received:
            log_alpha = weights[f"task{p}/log_alpha"] * a.gate_speed
            z = gate(log_alpha, noise.gates[p] if noise.gates else None)
            y = _fused(weights, p, y, route(z, received, weights[f"task{p}/transforms"]))
            l0 = l0 + open_probability(log_alpha).sum()
            gates.append(z.detach())
        predictions.append(_predict(weights, p, noise.drop(y), structure.count[0], noise.drop))
    return Routed(predictions, l0, gates)


def _encode_task(
    weights: Any, a: Architecture, name: str, graph: TaskGraph, users: int, c: Any, drop: Drop
) -> Any:
    """H' = exp_0(act(sum over branches of A log_0(W (x) H (+) b))), held in the tangent space between layers."""
    import torch

    x = graph.features
    for layer in range(a.layers):
        x = _inside(a, x, c)
        x = drop(x) if layer else x
        seen = graph.bipartite(_linear(weights, a, f"{name}/bipartite/{layer}", x, c))
        if a.encoder == "hhgcn":
            user_part = graph.users(_linear(weights, a, f"{name}/users/{layer}", x[:users], c))
            service_part = graph.services(_linear(weights, a, f"{name}/services/{layer}", x[users:], c))
            seen = seen + torch.cat([user_part, service_part])
        x = torch.nn.functional.leaky_relu(seen)
    return _inside(a, x, c)


def _inside(a: Architecture, x: Any, c: Any) -> Any:
    """log_0(exp_0(x)), which shortens what would lie on the boundary; nothing without hyperbolic space."""
    return x if a.encoder == "gcn" else clip_tangent(x, c)


def _linear(weights: Any, a: Architecture, name: str, x: Any, c: Any) -> Any:
    """log_0(W (x) H (+) b) of tangent vectors; a plain W x + b without hyperbolic space."""
    product = x @ weights[name].T
    bias = weights[f"{name}/bias"]
    return product + bias if a.encoder == "gcn" else shift_tangent(product, bias, c)


def _context_blocks(weights: Any, a: Architecture, graphs: Sequence[ContextGraph], c: Any) -> list[Any]:
    """Blocks over all kinds of context, side by side, shape (nodes, K1 hidden); an empty list without context."""
    import torch

    if not a.snr or not graphs:
        return []
    encoded = []
    for g, graph in enumerate(graphs):
        x = graph.features
        for layer in range(a.context_layers):
            x = _inside(a, x, c)
            x = torch.nn.functional.leaky_relu(graph.mean(_linear(weights, a, f"context{g}/{layer}", x, c)))
        encoded.append(_inside(a, x, c))
    names = [f"block/context{k}" for k in range(a.context_blocks)]
    return [_blocks(weights, names, torch.cat(encoded, dim=1))]


def _task_blocks(weights: Any, a: Architecture, own: Sequence[Any]) -> list[Any]:
    """Blocks over each task's encoding, side by side, shape (nodes, K2 hidden); an empty list without Cross-SNR."""
    if not a.cross_snr or len(own) < 2:
        return []
    return [
        _blocks(weights, [f"block/task{p}/{k}" for k in range(a.task_blocks)], y) for p, y in enumerate(own)
    ]


def _blocks(weights: Any, names: Sequence[str], x: Any) -> Any:
    """Several blocks over the same features as one product."""
    import torch

    matrix = torch.cat([weights[name] for name in names])
    bias = torch.cat([weights[f"{name}/bias"] for name in names])
    return torch.nn.functional.leaky_relu(torch.nn.functional.linear(x, matrix, bias), inplace=True)


def _fused(weights: Any, p: int, own: Any, received: Any) -> Any:
    """Z_p = g * Y_p + (1 - g) * Y_p^scs with g = sigmoid(W [Y_p; Y_p^scs] + b)."""
    import torch

    left, right = weights[f"task{p}/fusion"].chunk(2, dim=1)
    from_own = torch.nn.functional.linear(own, left, weights[f"task{p}/fusion/bias"])
    return torch.lerp(received, own, torch.addmm(from_own, received, right.T).sigmoid())


def _predict(weights: Any, p: int, z: Any, users: int, drop: Drop) -> Any:
    left = _head(weights, f"task{p}/head/users", z[:users], drop)
    right = _head(weights, f"task{p}/head/services", z[users:], drop)
    return left @ right.T


def _head(weights: Any, name: str, z: Any, drop: Drop) -> Any:
    import torch

    linear = torch.nn.functional.linear
    hidden = torch.nn.functional.leaky_relu(linear(z, weights[f"{name}/0"], weights[f"{name}/0/bias"]))
    return linear(drop(hidden), weights[f"{name}/1"], weights[f"{name}/1/bias"])
