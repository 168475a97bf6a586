"""The run function: paths that do not share memories are simulated one after another, each with streams of its own.

Paths that do share them are simulated together (see `sharing`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem
from qoslab.core.outcome import Outcome
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement import selection, states
from qoslab.domains.entanglement.chain import (
    CREATED,
    DECOHERED,
    DELIVERED,
    FAILED,
    JOINED,
    PURIFIED,
    SPOILED,
    TRIMMED,
    WASTED,
    Chain,
    FloatArray,
    Physics,
)
from qoslab.domains.entanglement.demand import draw_arrivals
from qoslab.domains.entanglement.flows import flow_series
from qoslab.domains.entanglement.kernels import DONE, simulate
from qoslab.domains.entanglement.metrics import outcome_of
from qoslab.domains.entanglement.phases import in_phases, refuse_short_phases
from qoslab.domains.entanglement.protocol import Deciding, PathPlan, Plan
from qoslab.domains.entanglement.routing.planned import PlannedInSlots
from qoslab.domains.entanglement.routing.view import ends_of
from qoslab.domains.entanglement.scenario import EntanglementScenario
from qoslab.domains.entanglement.sharing.paths import groups_of, run_group
from qoslab.domains.entanglement.slots import SlotRun, Slots, run_slots
from qoslab.domains.entanglement.world import World, chain_of, make_world, widths
from qoslab.engine.kernel import compiled
from qoslab.engine.streams import streams

__all__ = [
    "PathRun",
    "decider_of",
    "physics_of",
    "planned_by",
    "refuse_compat",
    "run",
    "run_path",
    "slots_of",
    "warm",
]

_NOISES = {
    "perfect": states.PERFECT,
    "dephasing": states.DEPHASING,
    "depolarising": states.DEPOLARISING,
    "bit_flip": states.BIT_FLIP,
    "amplitude_damping": states.AMPLITUDE_DAMPING,
}
_SELECTIONS = {
    "waiting": selection.WAITING,
    "first": selection.FIRST,
    "oldest": selection.OLDEST,
    "freshest": selection.FRESHEST,
    "best": selection.BEST,
    "random": selection.RANDOM,
}
_MOST_ROOM = 1 << 20


@dataclass(frozen=True)
class PathRun:
    """What one path gave.

    Attributes:
        request: Place of the request.
        counts: See `chain`, shape (10,).
        in_memory: Pairs that lived at the horizon.
        held_s: Memory time that held pairs after the warm-up, s.
        memories: Memories of the path.
        time_s: When each pair was delivered, shape (pairs,), with those of the warm-up.
        fidelity: Fidelity of each, shape (pairs,).
        age_s: Time since the oldest part of each was created, s, shape (pairs,).
        errors: Probabilities of Z, X and Y of each, which with its fidelity are its state, shape (3, pairs).
    """

    request: int
    counts: NDArray[np.int64]
    in_memory: int
    held_s: float
    memories: int
    time_s: FloatArray
    fidelity: FloatArray
    age_s: FloatArray
    errors: FloatArray


def physics_of(scenario: EntanglementScenario) -> Physics:
    """The rules of a scenario as numbers."""
    memory = scenario.memory
    return Physics(
        _NOISES[memory.noise],
        int(memory.state == "bell_diagonal"),
        int(memory.compat == "mqns"),
        _SELECTIONS[memory.selection or "waiting"],
    )


def run_path(
    chain: Chain,
    banks: tuple[NDArray[np.uint64], NDArray[np.uint64]],
    span: FloatArray,
    physics: Physics,
    request: int = 0,
) -> PathRun:
    """Simulate one path and hold it to the law of conservation.

    Args:
        chain: The path.
        banks: Streams of its hops and of its nodes; not changed.
        span: End of the warm-up and horizon, s.
        physics: See `physics_of`.
        request: Place of the request, written into the result.

    Raises:
        RuntimeError: Pairs were lost or made from nothing; an error of this program.
        BadInput: More pairs than 10**6 in flight, or phases too short for any.
    """
    if physics.sync:
        refuse_short_phases(chain, physics, span)
    most = int(chain.width.max())
    room = 8 * int(chain.width.sum()) + 32
    while True:
        copies = (banks[0].copy(), banks[1].copy())
        status, live, store = compiled(simulate)(chain, *copies, span, physics, room, most)
        if status == DONE:
            break
        room *= 2
        if room > _MOST_ROOM:
            message = f"the path has more than {_MOST_ROOM // 2} pairs in flight, or too many deliveries"
            raise BadInput(Problem(message=message, field="scenario.horizon_s"))
    counts = store.counts
    ended = counts[JOINED] + 2 * counts[FAILED] + counts[WASTED] + counts[DECOHERED] + counts[DELIVERED]
    ended += counts[PURIFIED] + 2 * counts[SPOILED] + counts[TRIMMED]
    if counts[CREATED] != ended + live:
        message = f"{counts[CREATED]} pairs were created, {ended} ended and {live} are left"
        raise RuntimeError(message)
    done = int(store.head[1])
    time, fidelity, age, *errors = store.delivered[:, :done].copy()
    return PathRun(
        request=request,
        counts=counts,
        in_memory=live,
        held_s=float(store.held_s[0]),
        memories=2 * int(chain.width.sum()),
        time_s=time,
        fidelity=fidelity,
        age_s=age,
        errors=np.array(errors),
    )


def planned_by(method: Any, world: World, seed: Seed, context: Context) -> Plan:
    """A plan that is run as events come.

    Raises:
        BadInput: It gives memories to links, and not to paths.
    """
    plan: Plan = method.plan(world.view, seed.generator("method"), context)
    if plan.memories:
        message = "links are given memories in runs in slots; as events come, paths are"
        raise BadInput(Problem(message=message, field="plan.memories", hint="width of each path"))
    return plan


def _paths(
    world: World, method: Any, seed: Seed, context: Context
) -> list[tuple[PathPlan, Chain, list[int]]]:
    plan = planned_by(method, world, seed, context)
    parts = zip(plan.paths, widths(world, plan), strict=True)
    return [(path, chain_of(world, path, links, share), links) for path, (links, share) in parts]


def run(scenario: Any, method: Any, seeds: Sequence[Seed], context: Context) -> Iterator[Outcome]:
    """Plan each seed's paths, simulate them, and measure what the users get.

    Methods that decide are run in time slots, all others as their paths' events come, unless the scenario wants slots.
    """
    for seed in seeds:
        context.check_time()
        world = make_world(scenario, seed, context)
        decider = decider_of(scenario, method)
        arrivals = draw_arrivals(scenario, seed)
        if isinstance(decider, Deciding):
            runs, load = _decided(scenario, world, decider, seed, arrivals, context)
        else:
            runner = _planned if scenario.memory.multiplexing == "buffer_space" else _sharing
            runs, load = runner(scenario, world, decider, seed, context)
        rng = seed.generator("keys")
        outcome = outcome_of(scenario, runs, keep=context.keep_series, arrivals=arrivals, rng=rng)
        if context.keep_series:
            users = {node for ends in ends_of(world.view) for node in ends}
            flows = flow_series(world.network, load / (scenario.horizon_s - scenario.warm_up_s), users)
            outcome = replace(outcome, series={**outcome.series, "flows": flows})
        yield outcome


def decider_of(scenario: EntanglementScenario, method: Any) -> Any:
    """The method itself, or its plan kept to in slots, where the scenario wants slots for all."""
    slotted = scenario.phases.for_all and not isinstance(method, Deciding)
    return PlannedInSlots(method, scenario.phases.clear) if slotted else method


def _planned(
    scenario: EntanglementScenario, world: World, method: Any, seed: Seed, context: Context
) -> tuple[list[PathRun], FloatArray]:
    """What each path gave, and the pairs delivered over each link after the warm-up."""
    span = np.array([scenario.warm_up_s, scenario.horizon_s])
    physics = in_phases(physics_of(scenario), scenario.phases, world.view)
    runs, load = [], np.zeros(world.network.m)
    for place, (path, chain, links) in enumerate(_paths(world, method, seed, context)):
        context.check_time()
        banks = (
            streams(seed.stream("links", place), world.network.m)[links],
            streams(seed.stream("nodes", place), world.network.n)[list(path.nodes)],
        )
        runs.append(run_path(chain, banks, span, physics, path.request))
        load[links] += float((runs[-1].time_s >= span[0]).sum())
    return runs, load


def refuse_compat(scenario: EntanglementScenario) -> None:
    """Refuse another simulator's heralding on shared memories."""
    if scenario.memory.compat != "none":
        message = (
            f"compat = {scenario.memory.compat!r} heralds by the groups of equal rank on a pair's path, and pairs of "
            "shared memories are bound to no path"
        )
        hint = "memory.multiplexing = 'buffer_space'"
        raise BadInput(Problem(message=message, field="scenario.memory.compat", hint=hint))


def _sharing(
    scenario: EntanglementScenario, world: World, method: Any, seed: Seed, context: Context
) -> tuple[list[PathRun], FloatArray]:
    """The same of paths that share memories; a group's counts and memories stand in its first path."""
    refuse_compat(scenario)
    span = np.array([scenario.warm_up_s, scenario.horizon_s])
    plan = planned_by(method, world, seed, context)
    physics = in_phases(physics_of(scenario), scenario.phases, world.view)
    runs, load = [], np.zeros(world.network.m)
    for group in groups_of(world, plan):
        context.check_time()
        found = run_group(world, group, scenario.memory, seed, span, physics)
        for place, path in enumerate(group.paths):
            time, fidelity, age, _, *errors = found.delivered[:, found.delivered[3] == place]
            totals = (found.in_memory, found.held_s, found.memories) if place == 0 else (0, 0.0, 0)
            counts = found.counts if place == 0 else np.zeros_like(found.counts)
            runs.append(PathRun(path.request, counts, *totals, time, fidelity, age, np.array(errors)))
            load[list(group.links[place])] += float((time >= span[0]).sum())
    return runs, load


def slots_of(
    scenario: EntanglementScenario,
    world: World,
    method: Any,
    seed: Seed,
    span: FloatArray,
    arrivals: Sequence[FloatArray],
    context: Context,
    make: Callable[..., Slots] = Slots,
) -> SlotRun:
    """A run in time slots; arguments as in `run_slots`.

    Raises:
        BadInput: The scenario asks for what slots do not have, or as `run_slots`.
    """
    if scenario.memory.compat != "none":
        message = f"methods that decide do not run with compat = {scenario.memory.compat!r}"
        raise BadInput(Problem(message=message, field="scenario.memory.compat"))
    if scenario.memory.selection == "first":
        message = "memories have no numbers in slots, so no pair is that of the first memory"
        hint = "waiting, oldest, freshest, best or random"
        raise BadInput(Problem(message=message, field="scenario.memory.selection", hint=hint))
    physics = _NOISES[scenario.memory.noise], scenario.memory.state == "werner"
    return run_slots(
        world.view,
        method,
        physics,
        seed,
        span,
        scenario.phases,
        context,
        arrivals,
        scenario.memory.selection,
        make,
    )


def _decided(
    scenario: EntanglementScenario,
    world: World,
    method: Any,
    seed: Seed,
    arrivals: Sequence[FloatArray],
    context: Context,
) -> tuple[list[PathRun], FloatArray]:
    """The same of a run in time slots, by request; counts and memories stand in the first."""
    span = np.array([scenario.warm_up_s, scenario.horizon_s])
    found = slots_of(scenario, world, method, seed, span, arrivals, context)
    runs, load = [], np.zeros(world.network.m)
    for request in range(len(scenario.requests)):
        own = [each for each in found.deliveries if each.request == request]
        columns = [
            np.array([getattr(each, name) for each in own], np.float64)
            for name in ("time_s", "fidelity", "age_s")
        ]
        first = request == 0
        totals = (found.in_memory, found.held_s, found.memories) if first else (0, 0.0, 0)
        counts = found.counts if first else np.zeros_like(found.counts)
        errors = np.array([each.errors for each in own], np.float64).reshape(-1, 3).T
        runs.append(PathRun(request, counts, *totals, columns[0], columns[1], columns[2], errors))
    for each in found.deliveries:
        np.add.at(load, list(each.links), float(each.time_s >= span[0]))
    return runs, load


def warm(cases: Sequence[tuple[Any, Any]], context: Context) -> None:
    """Compile the kernels of planned paths, one for all of them and one for those that share memories.

    What decides in slots needs none.
    """
    from qoslab.domains.entanglement.methods.shortest_path import ShortestPath
    from qoslab.domains.entanglement.scenario import example

    small = example()
    rules = {scenario.memory.multiplexing for scenario, method in cases if not _in_slots(scenario, method)}
    for rule in {"statistical" if each != "buffer_space" else each for each in rules}:
        memory = small.memory.model_copy(update={"multiplexing": rule})
        list(run(small.model_copy(update={"memory": memory}), ShortestPath(), [Seed()], context))


def _in_slots(scenario: EntanglementScenario, method: Any) -> bool:
    return scenario.phases.for_all or isinstance(method, Deciding)
