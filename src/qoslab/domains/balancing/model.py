"""The run function: one scenario, one policy, a list of seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property, partial
from typing import Any, Protocol, runtime_checkable

import numpy as np

from qoslab.core.context import Context
from qoslab.core.outcome import Outcome
from qoslab.core.seeds import Seed
from qoslab.domains.balancing import state
from qoslab.domains.balancing.hooks import DECIDE, Policy
from qoslab.domains.balancing.kernels import advance
from qoslab.domains.balancing.metrics import outcome
from qoslab.domains.balancing.modifiers import modified
from qoslab.domains.balancing.scenario import BalancingScenario
from qoslab.domains.balancing.source import Demand, make_demand, make_source
from qoslab.domains.balancing.state import World, with_more_room
from qoslab.domains.balancing.workload import EMITTED, fill
from qoslab.domains.balancing.world import (
    drained_by,
    is_general,
    make_site,
    make_world,
    variant,
    wanted_requests,
)
from qoslab.engine.kernel import compiled, interpreted
from qoslab.engine.kernel import warm as compile_for
from qoslab.engine.reference import by_reference

__all__ = ["Playing", "Simulation", "run", "warm"]

SLICES = 16
"""Batches between two looks at the clock on the wall."""


def run(
    scenario: BalancingScenario, method: Policy, seeds: Sequence[Seed], context: Context
) -> Iterator[Outcome]:
    """Run a policy on a scenario, once for each seed."""
    demand = make_demand(scenario, context)
    for seed in seeds:
        context.check_time()
        begin = partial(Simulation, scenario, method, context=context, demand=demand)
        if isinstance(method, Playing):
            simulation = method.play(begin, seed, context)
        else:
            simulation = begin(seed)
            simulation.finish()
        yield outcome(scenario, simulation.world, keep_series=context.keep_series)


def warm(cases: Sequence[tuple[BalancingScenario, Policy]], context: Context) -> None:
    """Compile the event loop in the variants that these cases need, and their policies; each once.

    Raises:
        Exception: What the first policy that cannot be compiled raised, when all others are.
    """
    demands: dict[int, Demand] = {}
    seen: set[tuple[object, ...]] = set()
    failed: list[Exception] = []
    for scenario, method in cases:
        around = scenario.ejection is not None or scenario.slow_start is not None
        kind = type(method), repr(method), is_general(scenario), scenario.metrics, around
        if kind in seen:
            continue
        seen.add(kind)
        try:
            if id(scenario) not in demands:
                demands[id(scenario)] = make_demand(scenario, context)
            simulation = Simulation(scenario, method, Seed(), context, demand=demands[id(scenario)])
            simulation.compile()
            if isinstance(method, Playing):
                simulation.compile_look()
        except Exception as error:
            failed.append(error)
    if failed:
        raise failed[0]


@runtime_checkable
class Playing(Protocol):
    """A policy that decides from outside the simulator, at its pauses, as learners do."""

    def play(self, begin: Callable[[Seed], Simulation], seed: Seed, context: Context) -> Simulation:
        """Play the run of a seed to its end, after others where it learns from those first.

        Args:
            begin: Makes the simulation of a seed.
            seed: The trial's seed.
            context: Services of the laboratory.

        Returns:
            The simulation of the trial's seed, at its end.
        """
        ...


class Simulation:
    """One run that can be stopped, looked at and continued: a scenario, a policy, a seed.

    Args:
        scenario: The scenario.
        method: The policy.
        seed: The trial's seed.
        context: Services of the laboratory.
        demand: What the scenario's requests need, where it is known already.
        plain: Whether to run uncompiled: the same numbers, some hundred times slower.

    Attributes:
        world: The state; policies' memory and weights may be changed while the run is stopped.
        demand: What the scenario's requests need.
        variant: Constants of the event loop that this run needs.
    """

    def __init__(
        self,
        scenario: BalancingScenario,
        method: Policy,
        seed: Seed,
        context: Context | None = None,
        *,
        demand: Demand | None = None,
        plain: bool = False,
    ) -> None:
        self._scenario, self._context = scenario, context or Context()
        self.demand = demand or make_demand(scenario, self._context)
        site = make_site(scenario, self.demand, seed)
        wiring, self._decide = modified(
            method.wire(site), method.information, site, scenario.ejection, scenario.slow_start
        )
        self.world: World = make_world(
            scenario, self.demand, wiring, site, seed, series=self._context.keep_series
        )
        self._source = make_source(scenario, self.demand, seed)
        requests = self._source, self.world.batch
        self._requests = requests if plain else (by_reference(requests[0]), by_reference(requests[1]))
        self.variant = variant(scenario, wiring)
        self._wanted = wanted_requests(scenario, self.demand)
        self._plain = plain
        self._refills = 0

    @property
    def now(self) -> float:
        """Simulated time, s."""
        return float(self.world.clock[state.NOW])

    def compile(self) -> None:
        """Compile what `advance` runs, or read it from the cache, and run nothing."""
        compile_for(advance, self._state, self.decide, math.inf, constants=self.variant, wraparound=False)
        compile_for(fill, *self._requests, 0, 0, 0.0, wraparound=False)

    def compile_look(self) -> None:
        """Compile what a learner looks at the simulation with, and run nothing."""
        from qoslab.domains.balancing.learned.seeing import look

        balancers, servers, line = np.zeros((1, 1)), np.zeros((1, 1, 1)), np.zeros(1)
        compile_for(look, by_reference(self.world.board), 0.0, 0.0, balancers, servers, line, line, line)

    def finish(self) -> None:
        """Go on to the end; a policy that waits for decisions keeps the weights it has.

        Raises:
            TimeLimitExceeded: The trial's time is over.
            BadInput: The policy failed.
        """
        while self.advance() != state.DONE:
            pass

    def advance(self, until: float = math.inf) -> int:
        """Go on to a time, to the next decision, or to the end.

        Args:
            until: Simulated time, s.

        Returns:
            `state.UNTIL`, `state.PAUSE` (for balancer `world.counts[state.DECIDER]`) or `state.DONE`.
        """
        while True:
            with DECIDE.blame(self._decide):
                reason = self._kernel(self._state, self.decide, until)
            if not self.supply(reason):
                return int(reason)

    def supply(self, reason: int) -> bool:
        """Give the kernel what it stopped for: more requests, or more room in a new world.

        Args:
            reason: What `advance` of the kernels returned.

        Returns:
            Whether it stopped for one of these, and is to be called again.
        """
        if reason == state.REFILL:
            self._refill()
        elif reason == state.GROW:
            self.world = with_more_room(self.world)
            self.__dict__.pop("_state", None)
        return reason in (state.REFILL, state.GROW)

    def _refill(self) -> None:
        self._refills += 1
        if self._refills % SLICES == 0:
            self._context.check_time()
        counts, clock, batch = self.world.counts, self.world.clock, self.world.batch
        kept = int(counts[state.FILLED] - counts[state.CURSOR])
        if kept:
            for column in batch:
                column[:kept] = column[counts[state.CURSOR] : counts[state.FILLED]].copy()
        drawn = int(self._source.counts[EMITTED])
        end = min(len(batch.time), kept + self._wanted - drawn)
        filled = int(self._fill(*self._requests, kept, end, float(clock[state.HORIZON])))
        counts[state.CURSOR], counts[state.FILLED] = 0, filled
        if filled < end or drawn + filled - kept == self._wanted:
            self._end_after(filled)

    def _end_after(self, filled: int) -> None:
        """No more requests will be drawn: the measured time ends at the last one, or at the given time."""
        counts, clock = self.world.counts, self.world.clock
        counts[state.LAST] = 1
        if counts[state.CLIENTS] and not math.isfinite(clock[state.HORIZON]):
            clock[state.DRAIN_END] = drained_by(self._scenario, 1.0)  # the kernel finds the horizon
            return
        if not math.isfinite(clock[state.HORIZON]):
            clock[state.HORIZON] = self.world.batch.time[filled - 1] if filled else clock[state.NOW]
        clock[state.DRAIN_END] = drained_by(self._scenario, float(clock[state.HORIZON]))

    @cached_property
    def _state(self) -> World:
        return self.world if self._plain else by_reference(self.world)

    @cached_property
    def _kernel(self) -> Callable[..., int]:
        if self._plain:
            return interpreted(advance, constants=self.variant)
        return compiled(advance, constants=self.variant, wraparound=False)

    @cached_property
    def _fill(self) -> Callable[..., int]:
        return interpreted(fill) if self._plain else compiled(fill, wraparound=False)

    @cached_property
    def decide(self) -> Any:
        """The policy as kernels call it."""
        return self._decide if self._plain else DECIDE.pointer(self._decide)
