"""The timelines of a run: of each path, of paths that share memories, or of a network in slots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.demand import draw_arrivals
from qoslab.domains.entanglement.model import decider_of, physics_of, planned_by, refuse_compat, slots_of
from qoslab.domains.entanglement.phases import in_phases
from qoslab.domains.entanglement.protocol import Deciding
from qoslab.domains.entanglement.scenario import EntanglementScenario
from qoslab.domains.entanglement.sharing.paths import groups_of
from qoslab.domains.entanglement.timeline.events import Timeline
from qoslab.domains.entanglement.timeline.paths import watched_path
from qoslab.domains.entanglement.timeline.shared import watched_group
from qoslab.domains.entanglement.timeline.slots import WatchedSlots, timeline_of
from qoslab.domains.entanglement.world import World, chain_of, make_world, widths
from qoslab.engine.streams import streams

__all__ = ["read_and_watch", "timelines"]


def timelines(
    scenario: EntanglementScenario, method: Any, seed: Seed, horizon_s: float, context: Context | None = None
) -> list[Timeline]:
    """What happens in a run from its start on, with the random numbers of a study's run with this seed.

    Args:
        scenario: The scenario.
        method: The method.
        seed: The trial's seed.
        horizon_s: How long, s.
        context: Services of the laboratory.

    Returns:
        A timeline of the network where the run is in slots; else one per path, or per group of paths that share
        memories.

    Raises:
        BadInput: The plan cannot be, or a slot is longer than the run.
    """
    context = context or Context()
    world = make_world(scenario, seed, context)
    decider = decider_of(scenario, method)
    if isinstance(decider, Deciding):
        return [_of_slots(scenario, world, decider, seed, horizon_s, context)]
    if scenario.memory.multiplexing != "buffer_space":
        refuse_compat(scenario)
        plan, physics = planned_by(method, world, seed, context), _physics(scenario, world)
        return [
            watched_group(world, group, scenario.memory, seed, horizon_s, physics)
            for group in groups_of(world, plan)
        ]
    return _of_paths(scenario, world, method, seed, horizon_s, context)


def _physics(scenario: EntanglementScenario, world: World) -> Any:
    return in_phases(physics_of(scenario), scenario.phases, world.view)


def _of_slots(
    scenario: EntanglementScenario, world: World, method: Any, seed: Seed, horizon_s: float, context: Context
) -> Timeline:
    made: list[WatchedSlots] = []

    def make(*given: Any, **more: Any) -> WatchedSlots:
        made.append(WatchedSlots(*given, **more))
        return made[-1]

    span, arrivals = np.array([0.0, horizon_s]), draw_arrivals(scenario, seed)
    found = slots_of(scenario, world, method, seed, span, arrivals, context, make)
    return timeline_of(world.view, made[0], found, horizon_s)


def _of_paths(
    scenario: EntanglementScenario, world: World, method: Any, seed: Seed, horizon_s: float, context: Context
) -> list[Timeline]:
    plan, physics = planned_by(method, world, seed, context), _physics(scenario, world)
    found = []
    for place, (path, (links, share)) in enumerate(zip(plan.paths, widths(world, plan), strict=True)):
        context.check_time()
        banks = (
            streams(seed.stream("links", place), world.network.m)[links],
            streams(seed.stream("nodes", place), world.network.n)[list(path.nodes)],
        )
        names = [world.network.nodes[node] for node in path.nodes]
        chain = chain_of(world, path, links, share)
        found.append(watched_path(chain, banks, horizon_s, physics, names))
    return found


def read_and_watch(
    path: Path, method: str, horizon_s: float, given: Sequence[str], most: int
) -> list[Timeline]:
    """The timelines of a study file's scenario under one of its methods; see `timeline.page`."""
    from qoslab.domains.entanglement.sensitivity import read_case

    scenario, chosen = read_case(path, method, given)
    found = timelines(scenario, chosen, Seed(0, "timeline", "", 0), horizon_s)
    events = sum(len(each.stays) for each in found)
    if events > most:
        message = f"{events} stays in memory are more than the {most} that a page shows well"
        raise BadInput(Problem(message=message, field="until_s", hint="a shorter span shows more"))
    return found
