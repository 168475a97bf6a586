"""Problems from their tables: what is given stands, what is not is drawn by the seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from qoslab.agents.message import FloatArray
from qoslab.core.errors import BadInput, Problem
from qoslab.domains.optimization.problems.capacity import Capacity
from qoslab.domains.optimization.problems.costs import Costs
from qoslab.domains.optimization.problems.coupled import Coupled, PowerLaw, Quadratics, Separable
from qoslab.domains.optimization.problems.distance import Distance
from qoslab.domains.optimization.problems.median import Median
from qoslab.domains.optimization.problems.sets import Balls, Boxes, HalfSpaces, Sets
from qoslab.domains.optimization.problems.smooth import Huber, Logistic, Quadratic
from qoslab.domains.optimization.problems.usercosts import UserCosts
from qoslab.domains.optimization.problems.userfile import user_file
from qoslab.domains.optimization.problems.userown import user_own_costs
from qoslab.domains.optimization.tables import (
    DispatchTable,
    FileTable,
    HuberTable,
    LogisticTable,
    MedianTable,
    ProblemTable,
    QosTable,
    QuadraticTable,
    RendezvousTable,
    SetTable,
)

__all__ = ["degraded", "make_problem"]


def make_problem(table: ProblemTable, n: int, rng: np.random.Generator) -> Costs | Coupled:
    """The problem of n agents.

    Raises:
        BadInput: A list does not have one entry per agent.
    """
    makers: dict[type, Any] = {
        QuadraticTable: _quadratic,
        LogisticTable: _logistic,
        HuberTable: _huber,
        MedianTable: _median,
        RendezvousTable: _rendezvous,
        FileTable: _file,
        DispatchTable: _dispatch,
        QosTable: _qos,
    }
    made: Costs | Coupled = makers[type(table)](table, n, rng)
    return made


def _given(values: Sequence[Any] | None, shape: tuple[int, ...], field: str) -> FloatArray | None:
    if values is None:
        return None
    try:
        found = np.array(values, np.float64)
    except ValueError:
        found = np.zeros(0)
    if found.shape != shape:
        message = f"needs numbers of shape {shape}: one entry per agent"
        raise BadInput(Problem(field=f"scenario.problem.{field}", message=message))
    return found


def _either(given: FloatArray | None, drawn: FloatArray) -> FloatArray:
    # Both are made, so that what is drawn later does not depend on what is given.
    return drawn if given is None else given


def _sets(table: SetTable | None, n: int, p: int, rng: np.random.Generator) -> Sets | None:
    if table is None:
        return None
    if table.kind == "box":
        return _boxes(table, n, p)
    if table.kind == "ball":
        centres = _either(_given(table.centres, (n, p), "sets.centres"), np.zeros((n, p)))
        return Balls(centres, _for_all(table.radius, (n,), "sets.radius", 1.0))
    drawn = rng.standard_normal((n, p))
    normals = _either(_given(table.normals, (n, p), "sets.normals"), drawn)
    length = np.linalg.norm(normals, axis=1)
    if (length == 0).any():
        message = f"the normal of agent {int(np.flatnonzero(length == 0)[0])} is zero"
        raise BadInput(Problem(field="scenario.problem.sets.normals", message=message))
    offsets = _either(_given(table.offsets, (n,), "sets.offsets"), np.full(n, table.offset))
    return HalfSpaces(normals / length[:, None], offsets / length)


def _boxes(table: SetTable, n: int, p: int) -> Boxes:
    low = _for_all(table.low, (n, p), "sets.low", -np.inf)
    high = _for_all(table.high, (n, p), "sets.high", np.inf)
    empty = np.argwhere(low > high)
    if len(empty):
        i, entry = (int(at) for at in empty[0])
        message = f"the box of agent {i} is empty: entry {entry} from {low[i, entry]:g} to {high[i, entry]:g}"
        raise BadInput(Problem(field="scenario.problem.sets.low", message=message))
    return Boxes(low, high)


def _for_all(values: Any, shape: tuple[int, ...], field: str, default: float) -> FloatArray:
    """Numbers of every agent: given one by one, or one for all."""
    if values is None or isinstance(values, float | int):
        return np.full(shape, default if values is None else float(values))
    return _either(_given(values, shape, field), np.zeros(shape))


def _quadratic(table: QuadraticTable, n: int, rng: np.random.Generator) -> Costs:
    p = table.dimension
    q = _either(_given(table.curvatures, (n,), "curvatures"), rng.uniform(*table.curvature, n))
    c = _either(_given(table.targets, (n, p), "targets"), table.spread * rng.standard_normal((n, p)))
    return Quadratic(_sets(table.sets, n, p, rng), q, c)


def _logistic(table: LogisticTable, n: int, rng: np.random.Generator) -> Costs:
    shape = (n, table.samples, table.dimension)
    features = np.concatenate([rng.standard_normal(shape), np.ones((*shape[:2], 1))], axis=2)
    truth = rng.standard_normal(table.dimension + 1)
    noisy = features @ truth + rng.logistic(size=shape[:2])
    labels = np.where(noisy > 0, 1.0, -1.0)
    sets = _sets(table.sets, n, table.dimension + 1, rng)
    return Logistic(sets, features, labels, np.full(n, table.ridge / n))


def _huber(table: HuberTable, n: int, rng: np.random.Generator) -> Costs:
    shape = (n, table.samples, table.dimension)
    features = rng.standard_normal(shape)
    truth = rng.standard_normal(table.dimension)
    gross = (rng.random(shape[:2]) < table.outliers) * rng.normal(0.0, 20.0, shape[:2])
    response = features @ truth + 0.3 * rng.standard_normal(shape[:2]) + gross
    sets = _sets(table.sets, n, table.dimension, rng)
    return Huber(sets, features, response, np.full(n, table.ridge / n), table.threshold)


def _median(table: MedianTable, n: int, rng: np.random.Generator) -> Costs:
    p = table.dimension
    weight = _either(_given(table.weights, (n,), "weights"), rng.uniform(0.5, 1.5, n))
    point = _either(_given(table.points, (n, p), "points"), rng.standard_normal((n, p)))
    return Median(_sets(table.sets, n, p, rng), weight, point)


def _rendezvous(table: RendezvousTable, n: int, rng: np.random.Generator) -> Costs:
    drawn = rng.uniform(0.0, table.area, (n, table.dimension))
    position = _either(_given(table.positions, (n, table.dimension), "positions"), drawn)
    weight = _either(_given(table.weights, (n,), "weights"), np.ones(n))
    return (Quadratic if table.cost == "fuel" else Distance)(None, weight, position)


def _file(table: FileTable, n: int, rng: np.random.Generator) -> Costs:
    own = user_file(table.file, n, table.dimension, rng, autograd=table.gradient == "torch")
    sets = _sets(table.sets, n, table.dimension, rng)
    return UserCosts(sets, own, table.smoothness, table.convexity)


def _dispatch(table: DispatchTable, n: int, rng: np.random.Generator) -> Coupled:
    q = _either(_given(table.curvatures, (n,), "curvatures"), rng.uniform(*table.curvature, n))
    r = _either(_given(table.targets, (n,), "targets"), rng.uniform(*table.wishes, n))
    low, high = (np.full((n, 1), end) for end in table.box)
    share, offset = np.ones((n, 1, 1)), np.full((n, 1), table.demand)
    own: Separable = Quadratics(q[:, None], r[:, None])
    if table.file is not None:
        assert table.convexity is not None
        functions = user_file(table.file, n, 1, rng, autograd=table.gradient == "torch")
        own = user_own_costs(functions, low, high, table.convexity)
    return Coupled(own, share, offset, low, high, table.balance == "equal")


def _qos(table: QosTable, n: int, rng: np.random.Generator) -> Coupled:
    cores, entries = table.cores, len(table.entries)
    paths = n - cores
    if paths < 1:
        message = f"needs {cores} cores and at least one access network, and has {n} agents"
        raise BadInput(Problem(field="scenario.network", message=message))
    drawn = rng.uniform(2.0, 10.0, (n, entries))
    given = _given(table.core, (entries,), "core")
    core = drawn[:cores] if given is None else np.tile(given, (cores, 1))
    access = _either(_given(table.access, (paths, entries), "access"), drawn[cores:])
    share = np.zeros((n, paths * entries, entries))
    for path in range(paths):
        for s in range(entries):
            share[[path % cores, cores + path], path * entries + s, s] = 1.0
    # The goal of a path stands half with its core, half with its access network.
    goals = np.tile(np.array(table.entries), paths)
    offset = 0.5 * goals * (share.sum(axis=2) > 0)
    low, high = (np.tile(ends, (n, 1)) for ends in np.array(table.boxes).T)
    capacity = _capacity(table, n, high) if table.capacity is not None else None
    return Coupled(
        PowerLaw(np.vstack([core, access])), share, offset, low, high, equality=False, capacity=capacity
    )


def _capacity(table: QosTable, n: int, high: FloatArray, factor: float = 1.0) -> Capacity:
    """What is left of the agents' service rates, the degraded core's times `factor`."""
    rates = table.capacity
    assert rates is not None
    cores, classes = table.cores, len(table.goals)
    served = np.bincount(np.arange(n - cores) % cores, minlength=cores)
    load = np.append(served, np.ones(n - cores)) * sum(rates.load or ())
    rate = np.full(n, np.inf if rates.access is None else rates.access)
    rate[:cores] = np.inf if rates.core is None else rates.core
    if table.degraded is not None:
        rate[table.degraded.core] *= factor
    weight = np.zeros(high.shape)
    weight[:, :classes] = 1.0 / table.scale
    spare, least = rate - load, (weight / high).sum(axis=1)
    if (spare <= least).any():
        i = int(np.argmax(spare <= least))
        who = f"core {i}" if i < cores else f"access network {i - cores}"
        message = f"{who} serves {rate[i]:.6g}; its load of {load[i]:.6g} and its largest budgets need "
        message += f"{load[i] + least[i]:.6g}"
        hint = "more capacity, less load, or a larger box"
        raise BadInput(Problem(field="scenario.problem.capacity", message=message, hint=hint))
    return Capacity(weight, spare)


def degraded(table: QosTable, problem: Coupled) -> Coupled:
    """The problem after a core has become dearer, or weaker."""
    assert isinstance(problem.own, PowerLaw)
    assert table.degraded is not None
    weight = problem.own.weight.copy()
    weight[table.degraded.core] *= table.degraded.factor
    capacity = problem.capacity
    if capacity is not None:
        capacity = _capacity(table, len(weight), problem.high, table.degraded.capacity_factor)
    return replace(problem, own=PowerLaw(weight), capacity=capacity)
