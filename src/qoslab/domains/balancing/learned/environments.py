"""Balancing for learners: a Gymnasium environment for one balancer, a PettingZoo environment for many.

Both need the extra `learn`; nothing else of the package imports this module.
"""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from qoslab.core.errors import BadInput, Problem
from qoslab.core.seeds import Seed
from qoslab.domains.balancing.learned.seeing import BALANCER_FIELDS, SERVER_FIELDS
from qoslab.domains.balancing.learned.session import Seen, Session
from qoslab.domains.balancing.scenario import BalancingScenario

__all__ = ["BalancerEnv", "BalancersEnv"]

LEAST = 0.01
"""Share of the fastest speed that a server is thought to have at least."""

Observation = dict[str, NDArray[np.float32]]


class BalancerEnv(gymnasium.Env[Observation, NDArray[np.float32]]):  # type: ignore[misc]  # mypy does not follow it
    """One balancer's weights, set each `period_s`; Gymnasium's interface.

    An observation is a dictionary of `balancer`, float32, shape (5,), with the fields `BALANCER_FIELDS`, and `servers`,
    float32, shape (n, 12), with the fields `SERVER_FIELDS`: nothing that a balancer in the field could not know. An
    action is an assumed relative speed of each server, from 0 to 1 and at least taken for 0.01, shape (n,); requests go
    to the least (own requests in flight + 1) / speed. An episode is one run of the scenario and ends by truncation.

    Args:
        scenario: The site; it has one balancer.
        period_s: See `Session`.
        reward: See `Session`.
        smoothing: See `Session`.
    """

    metadata: dict[str, Any] = {"render_modes": []}  # noqa: RUF012 - the base class has it so

    def __init__(
        self,
        scenario: BalancingScenario,
        *,
        period_s: float = 0.5,
        reward: str = "jain",
        smoothing: float = 1.0,
    ) -> None:
        if scenario.balancers != 1:
            message = (
                f"is {scenario.balancers}; several balancers are an environment of their own, BalancersEnv"
            )
            raise BadInput(Problem(message=message, field="scenario.balancers"))
        self.session = Session(scenario, period_s=period_s, reward=reward, smoothing=smoothing)
        self.observation_space = _observation_space(scenario.servers.count)
        self.action_space = _action_space(scenario.servers.count)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode."""
        super().reset(seed=seed, options=options)
        return _observation(self.session.reset(_drawn(self.np_random)), 0), {}

    def step(self, action: NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Set the weights and go on for a period."""
        seen = self.session.step(np.maximum(np.asarray(action, np.float64), LEAST)[None, :])
        return _observation(seen, 0), float(seen.rewards[0]), False, seen.over, {}


class BalancersEnv(ParallelEnv[str, Observation, NDArray[np.float32]]):  # type: ignore[misc]
    """Several balancers' weights, set at the same instants; PettingZoo's parallel interface.

    Agents are `balancer_0` and so on; each observes, acts and is rewarded as `BalancerEnv` says, from its own requests
    alone.

    Args:
        scenario: The site.
        period_s: See `Session`.
        reward: See `Session`.
        smoothing: See `Session`.
    """

    metadata: dict[str, Any] = {"name": "qoslab_balancing_v0", "render_modes": []}  # noqa: RUF012

    def __init__(
        self,
        scenario: BalancingScenario,
        *,
        period_s: float = 0.5,
        reward: str = "jain",
        smoothing: float = 1.0,
    ) -> None:
        self.session = Session(scenario, period_s=period_s, reward=reward, smoothing=smoothing)
        self.possible_agents = [f"balancer_{k}" for k in range(scenario.balancers)]
        self.agents: list[str] = []
        n = scenario.servers.count
        self.observation_spaces = {agent: _observation_space(n) for agent in self.possible_agents}
        self.action_spaces = {agent: _action_space(n) for agent in self.possible_agents}
        self._rng = np.random.default_rng()

    def observation_space(self, agent: str) -> spaces.Dict:
        """What an agent observes."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Box:
        """What an agent does."""
        return self.action_spaces[agent]

    def reset(
        self,
        seed: int | None = None,
        options: dict[str, Any] | None = None,  # noqa: ARG002 - the interface's
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        """Begin an episode."""
        if seed is not None:
            self._rng = np.random.default_rng(seed)
        self.agents = list(self.possible_agents)
        seen = self.session.reset(_drawn(self._rng))
        return self._each(seen), {agent: {} for agent in self.agents}

    def step(
        self, actions: dict[str, NDArray[np.float32]]
    ) -> tuple[
        dict[str, Observation],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, dict[str, Any]],
    ]:
        """Set all weights and go on for a period."""
        if not self.agents:
            return {}, {}, {}, {}, {}
        told = np.stack([np.asarray(actions[agent], np.float64) for agent in self.agents])
        seen = self.session.step(np.maximum(told, LEAST))
        agents = self.agents
        observations = self._each(seen)
        rewards = {agent: float(seen.rewards[k]) for k, agent in enumerate(agents)}
        if seen.over:
            self.agents = []
        over = dict.fromkeys(agents, seen.over)
        return observations, rewards, dict.fromkeys(agents, False), over, {agent: {} for agent in agents}

    def _each(self, seen: Seen) -> dict[str, Observation]:
        return {agent: _observation(seen, k) for k, agent in enumerate(self.agents)}


def _observation_space(servers: int) -> spaces.Dict:
    return spaces.Dict(
        {
            "balancer": spaces.Box(0.0, np.inf, (len(BALANCER_FIELDS),), np.float32),
            "servers": spaces.Box(0.0, np.inf, (servers, len(SERVER_FIELDS)), np.float32),
        }
    )


def _action_space(servers: int) -> spaces.Box:
    return spaces.Box(0.0, 1.0, (servers,), np.float32)


def _observation(seen: Seen, balancer: int) -> Observation:
    return {
        "balancer": seen.balancers[balancer].astype(np.float32),
        "servers": seen.servers[balancer].astype(np.float32),
    }


def _drawn(rng: np.random.Generator) -> Seed:
    """The seed of the next episode."""
    return Seed(int(rng.integers(2**31)), "environment", "", 0)
