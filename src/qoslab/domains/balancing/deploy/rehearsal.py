"""The controller on the simulator: a policy is tried here before it touches production."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem
from qoslab.core.located import validate
from qoslab.core.outcome import Outcome
from qoslab.core.seeds import Seed
from qoslab.domains.balancing import state
from qoslab.domains.balancing.deploy.controller import Controller, Limits
from qoslab.domains.balancing.deploy.observation import Observation
from qoslab.domains.balancing.hooks import Policy, Site, Wiring
from qoslab.domains.balancing.methods.sed import route
from qoslab.domains.balancing.metrics import outcome
from qoslab.domains.balancing.model import Simulation
from qoslab.domains.balancing.scenario import BalancingScenario
from qoslab.domains.balancing.view import ACTIVE, AREA, BUSY, DONE, TOUCHED, UP, WEIGHT, Board
from qoslab.domains.balancing.world import configured_weights

__all__ = ["Steered", "observe", "rehearse", "rehearse_command"]


@dataclass(frozen=True)
class Steered(Policy):
    """SED whose weights are set from outside each `period_s`, as a weighted least-connections proxy is steered.

    Attributes:
        period_s: Time between two decisions, s.
    """

    period_s: float = 0.5

    def wire(self, site: Site) -> Wiring:
        """Route by own counters and the weights in force; stop at each decision."""
        return Wiring(route, mem=np.zeros((1, site.servers)), tick_s=self.period_s, stagger=True, pause=True)


def observe(board: Board, balancer: int, now: float) -> Observation:
    """What one balancer may see at an instant: the counters of its `LocalView`, and nothing of the servers' state."""
    counts, local = board.counts[balancer], board.local[balancer]
    since = now - local[TOUCHED]
    active = counts[ACTIVE].astype(np.float64)
    return Observation(
        time_s=now,
        active=active,
        done=counts[DONE].astype(np.float64),
        busy_s=local[BUSY] + since * (active > 0),
        area_s=local[AREA] + since * active,
        up=counts[UP] == 1,
    )


def rehearse(
    scenario: BalancingScenario,
    policy: str,
    seed: Seed,
    context: Context | None = None,
    *,
    limits: Limits | None = None,
    period_s: float = 0.5,
) -> Outcome:
    """Run the controller that steers proxies on a simulated site, one controller per balancer.

    Args:
        scenario: The site.
        policy: The controller's policy.
        seed: The trial's seed.
        context: Services of the laboratory.
        limits: What the controller may do at most.
        period_s: Time between two decisions, s.
    """
    context = context or Context()
    simulation = Simulation(scenario, Steered(period_s), seed, context)
    told = configured_weights(scenario)
    controllers = [Controller(told, policy, limits) for _ in range(scenario.balancers)]
    while (reason := simulation.advance()) != state.DONE:
        if reason == state.PAUSE:
            board, lb = simulation.world.board, int(simulation.world.counts[state.DECIDER])
            board.local[lb, WEIGHT] = controllers[lb].decide(observe(board, lb, simulation.now))
    return outcome(scenario, simulation.world, keep_series=context.keep_series)


def rehearse_command(
    *,
    policy: str = "ours",
    servers: int = 8,
    speeds: str = "1,4",
    load: float = 0.8,
    balancers: int = 1,
    requests: int = 50_000,
    seeds: int = 4,
) -> list[dict[str, object]]:
    """Try a steering policy on a simulated site before it touches a proxy.

    The controller is told equal weights. Beside it stand least connections (equal weights held) and the operator who
    knows the true speeds (right weights held).

    Args:
        policy: Policy of the controller: ours, two_memories, littles_law or ewma.
        servers: Number of servers.
        speeds: Relative speeds, separated by commas, repeated over the servers.
        load: Arriving work over capacity.
        balancers: Number of balancers, each steered by itself.
        requests: Requests per run.
        seeds: Runs, with common random numbers.
    """
    if seeds < 1:
        raise BadInput(Problem(message="must be at least 1", field="seeds"))
    relative = _numbers(speeds)
    if len(relative) > servers >= 1:
        message = f"there are {len(relative)} for {servers} servers"
        raise BadInput(Problem(message=message, field="speeds", hint="name at most one for each server"))
    rows: list[dict[str, object]] = []
    for name, told, chosen in (
        ("equal weights", "equal", "sed"),
        (policy, "equal", policy),
        ("right weights", "capacity", "sed"),
    ):
        scenario = validate(
            BalancingScenario,
            {
                "servers": {"count": servers, "speeds": relative, "weights": told},
                "load": load,
                "balancers": balancers,
                "requests": requests,
            },
        )
        runs = [rehearse(scenario, chosen, Seed(0, "rehearsal", "", k)).metrics for k in range(seeds)]
        keys = ("response_time_mean_s", "response_time_p95_s", "response_time_p99_s")
        rows.append({"weights": name} | {key: float(np.mean([run[key] for run in runs])) for key in keys})
    return rows


def _numbers(text: str) -> list[float]:
    try:
        return [float(word) for word in text.split(",")]
    except ValueError:
        problem = Problem(message=f"{text!r} is no list of numbers", field="speeds", hint="such as 1,4")
        raise BadInput(problem) from None
