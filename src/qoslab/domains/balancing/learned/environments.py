"""Balancing for learners: Gymnasium environments of one balancer and of many worlds at once, a PettingZoo one of many.

Both need the extra `learn`; nothing else of the package imports this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray
from pettingzoo import ParallelEnv

from qoslab.core.errors import BadInput, Problem
from qoslab.core.seeds import Seed
from qoslab.domains.balancing.learned.seeing import BALANCER_FIELDS, SERVER_FIELDS
from qoslab.domains.balancing.learned.session import Seen, Session
from qoslab.domains.balancing.learned.sessions import SeenByAll, Sessions
from qoslab.domains.balancing.scenario import BalancingScenario

__all__ = ["BalancerEnv", "BalancerVectorEnv", "BalancersEnv"]

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
        seen = self.session.step(_speeds(action, self.action_space.shape, "action")[None, :])
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
        self._rng, self._begun = np.random.default_rng(), False

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
        self.agents, self._begun = list(self.possible_agents), True
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
            if not self._begun:
                raise BadInput(
                    Problem(message="an episode begins with reset, and none has begun", field="step")
                )
            return {}, {}, {}, {}, {}
        agents = self._all_of(actions)
        shape = (self.session.shape[1],)
        told = np.stack([_speeds(actions[agent], shape, f"actions.{agent}") for agent in agents])
        seen = self.session.step(told)
        observations = self._each(seen)
        rewards = {agent: float(seen.rewards[k]) for k, agent in enumerate(agents)}
        if seen.over:
            self.agents = []
        over = dict.fromkeys(agents, seen.over)
        return observations, rewards, dict.fromkeys(agents, False), over, {agent: {} for agent in agents}

    def _all_of(self, actions: dict[str, NDArray[np.float32]]) -> list[str]:
        """The agents, each of which must act, and nobody else."""
        missing = [agent for agent in self.agents if agent not in actions]
        unknown = sorted(set(actions) - set(self.agents))
        problems = [
            Problem(message=f"{word} {', '.join(names)}", field="actions")
            for word, names in (("there is none of", missing), ("there is no agent", unknown))
            if names
        ]
        if problems:
            raise BadInput(problems)
        return self.agents

    def _each(self, seen: Seen) -> dict[str, Observation]:
        return {agent: _observation(seen, k) for k, agent in enumerate(self.agents)}


class BalancerVectorEnv(VectorEnv[Observation, NDArray[np.float32], NDArray[Any]]):  # type: ignore[misc]
    """The balancers of many worlds of one scenario, stepped by one compiled call; Gymnasium's vector interface.

    With one balancer it does what `SyncVectorEnv` does with as many `BalancerEnv`: the same observations, rewards and
    ends for the same seeds, and a world that is over begins anew at the next step, whose action counts for nothing.
    With m balancers each of them is an environment, those of a world side by side: environment k m + i is balancer i
    of world k. Observations, actions and rewards are those of `BalancerEnv`, stacked.

    Args:
        scenario: The site.
        worlds: How many.
        period_s: See `Session`.
        reward: See `Session`.
        smoothing: See `Session`.
    """

    metadata: dict[str, Any] = {"render_modes": [], "autoreset_mode": AutoresetMode.NEXT_STEP}  # noqa: RUF012

    def __init__(
        self,
        scenario: BalancingScenario,
        worlds: int,
        *,
        period_s: float = 0.5,
        reward: str = "jain",
        smoothing: float = 1.0,
    ) -> None:
        self.sessions = Sessions(scenario, worlds, period_s=period_s, reward=reward, smoothing=smoothing)
        self.num_envs = worlds * scenario.balancers
        self.single_observation_space = _observation_space(scenario.servers.count)
        self.single_action_space = _action_space(scenario.servers.count)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._rngs = [seeding.np_random()[0] for _ in range(worlds)]
        self._over = np.zeros(worlds, bool)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,  # noqa: ARG002 - the interface's
    ) -> tuple[Observation, dict[str, Any]]:
        """Begin an episode in every world.

        Args:
            seed: The first world's seed, of which the k-th gets the k-th successor; or one for each world.
            options: Not looked at.
        """
        for k, each in enumerate(_seeds(seed, len(self._rngs))):
            if each is not None:
                self._rngs[k] = seeding.np_random(each)[0]
        self._over[:] = False
        return _observations(self.sessions.reset([_drawn(rng) for rng in self._rngs])), {}

    def step(
        self, actions: NDArray[np.float32]
    ) -> tuple[Observation, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Set all weights and go on for a period; worlds that were over begin anew instead."""
        told = _speeds(actions, self.action_space.shape, "actions")
        anew = {int(k): _drawn(self._rngs[k]) for k in np.flatnonzero(self._over)}
        seen = self.sessions.step(told.reshape(self.sessions.shape), anew)
        self._over = seen.over.copy()
        over = np.repeat(seen.over, self.sessions.shape[1])
        return _observations(seen), seen.rewards.reshape(-1), np.zeros(self.num_envs, bool), over, {}


def _speeds(action: object, shape: tuple[int, ...], field: str) -> NDArray[np.float64]:
    """An action as relative speeds that servers are thought to have.

    Raises:
        BadInput: It holds no numbers, has another shape, or a number is not from 0 to 1.
    """
    try:
        told = np.asarray(action, np.float64)
    except (TypeError, ValueError):
        problem = Problem(message="holds something else than numbers", field=field)
        raise BadInput(problem) from None
    if told.shape != shape:
        raise BadInput(Problem(message=f"has the shape {told.shape} instead of {shape}", field=field))
    if not ((told >= 0.0) & (told <= 1.0)).all():
        wrong = told[~((told >= 0.0) & (told <= 1.0))][0]
        raise BadInput(Problem(message=f"holds {wrong:g}, which is not from 0 to 1", field=field))
    return np.maximum(told, LEAST)


def _seeds(seed: int | Sequence[int | None] | None, worlds: int) -> list[int | None]:
    """The seed of each world."""
    if seed is None:
        return [None] * worlds
    if isinstance(seed, int | np.integer):
        return [int(seed) + k for k in range(worlds)]
    if len(seed) != worlds:
        message = f"there are {len(seed)} for {worlds} worlds"
        raise BadInput(Problem(message=message, field="seed"))
    return list(seed)


def _observations(seen: SeenByAll) -> Observation:
    """Of all balancers of all worlds, in arrays of their own."""
    parts = {"balancer": seen.balancers, "servers": seen.servers}
    return {name: part.reshape(-1, *part.shape[2:]).astype(np.float32) for name, part in parts.items()}


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
