"""The controller: observations in, bounded and rate-limited weights out. Pure code, no sockets, no clock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qoslab.core.errors import BadInput, Problem, did_you_mean
from qoslab.domains.balancing.deploy.estimators import POLICIES, Configured, Estimator, Window
from qoslab.domains.balancing.deploy.observation import Observation

__all__ = ["Controller", "Limits"]

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Limits:
    """What a controller may do at most.

    Neither `spread` nor `blind_s` concerns the policy `sed`, whose weights are the operator's and need no observation.

    Attributes:
        spread: Largest ratio between two weights.
        step: Largest factor by which one weight changes in one decision.
        dead_band: Relative change below which a weight is left as it is.
        blind_s: Time without a complete observation after which weights go back to equal ones, s.
    """

    spread: float = 16.0
    step: float = 1.25
    dead_band: float = 0.03
    blind_s: float = 30.0

    def check(self) -> None:
        """Refuse limits that make no sense.

        Raises:
            BadInput: With every problem found.
        """
        problems = [
            Problem(message=message, field=field)
            for field, wrong, message in (
                ("spread", not 1.0 <= self.spread <= 256.0, "must be from 1 to 256"),
                ("step", not 1.0 < self.step <= 256.0, "must be more than 1 and at most 256"),
                ("dead_band", not 0.0 <= self.dead_band < 1.0, "must be from 0 to 1"),
                ("blind_s", not self.blind_s > 0.0, "must be positive"),
            )
            if wrong
        ]
        if problems:
            raise BadInput(problems)


class Controller:
    """Decides the weights of n servers from one balancer's own counters.

    Args:
        configured: The operator's weights, positive, shape (n,).
        policy: A name in `POLICIES`, or an estimator.
        limits: What it may do at most.

    Attributes:
        weights: The weights in force, geometric mean 1, shape (n,).
        uncertain: Whether the last decision fell back to equal weights.
    """

    def __init__(
        self, configured: Reals, policy: str | Estimator = "ours", limits: Limits | None = None
    ) -> None:
        if isinstance(policy, str) and policy not in POLICIES:
            hint = did_you_mean(policy, POLICIES)
            raise BadInput(Problem(message=f"there is no policy {policy!r}", field="policy", hint=hint))
        self._limits = limits or Limits()
        self._limits.check()
        self._estimator = POLICIES[policy](configured) if isinstance(policy, str) else policy
        self._told = isinstance(self._estimator, Configured)
        self.weights = _centred(np.asarray(configured, np.float64))
        self.uncertain = True
        self._wanted: Reals | None = None
        self._before: Observation | None = None
        self._counted: tuple[Reals, Reals] | None = None
        self._seen_at = -np.inf

    @property
    def changes_found(self) -> int:
        """How often the policy found that a server had changed, where it watches for that."""
        return int(getattr(self._estimator, "changes", 0))

    def resume(self, in_force: Reals, configured: Reals) -> None:
        """Go on from weights that were put in force from outside, as when a proxy was started anew.

        Args:
            in_force: The weights in force, positive, shape (n,).
            configured: The operator's weights, positive, shape (n,).
        """
        self.weights = _centred(np.asarray(in_force, np.float64))
        self._counted = None
        if self._told:
            self._estimator = Configured(configured)

    def decide(self, seen: Observation) -> Reals:
        """Take one observation in.

        Args:
            seen: Counters that went on from the observation before; one whose counters fell (the proxy started anew)
                begins a new window.

        Returns:
            The weights to set, geometric mean 1, shape (n,).
        """
        before, self._before = self._before, seen
        if not seen.complete or (before is not None and not _goes_on(before, seen)):
            self._counted = None
        if before is None:
            self._seen_at = seen.time_s
            return self.weights
        if seen.complete and _goes_on(before, seen):
            self._seen_at = seen.time_s
            self._wanted = self._estimator.update(self._window(before, seen))
        elif seen.time_s - self._seen_at > self._limits.blind_s and not self._told:
            self._wanted = None
        elif self._wanted is None:
            return self.weights
        return self._move()

    def _window(self, before: Observation, seen: Observation) -> Window:
        """What happened since the observation before."""
        # Time of requests in flight is provisional: it falls when their lines come. What was counted once counts as
        # such until the counter is beyond it, so that windows add up to what the counters say in the end.
        busy, area = self._counted or (before.busy_s, before.area_s)
        self._counted = np.maximum(busy, seen.busy_s), np.maximum(area, seen.area_s)
        return Window(
            length_s=seen.time_s - before.time_s,
            done=seen.done - before.done,
            busy_s=self._counted[0] - busy,
            area_s=self._counted[1] - area,
            up=seen.up & before.up,
        )

    def _move(self) -> Reals:
        """Go towards the wanted weights as far as the limits allow."""
        self.uncertain = self._wanted is None
        target = np.ones_like(self.weights) if self._wanted is None else self._wanted
        logs = np.log(_within(target, np.inf if self._told else self._limits.spread))
        logs -= logs.mean()
        step = np.log(self._limits.step)
        change = logs - np.log(self.weights)
        change[np.abs(change) < np.log1p(self._limits.dead_band)] = 0.0
        self.weights = self.weights * np.exp(np.clip(change, -step, step))
        return self.weights


def _goes_on(before: Observation, seen: Observation) -> bool:
    return seen.time_s > before.time_s and bool((seen.done >= before.done).all())


def _centred(weights: Reals) -> Reals:
    logs = np.log(np.maximum(weights, 1e-9))
    return np.asarray(np.exp(logs - logs.mean()))


def _within(weights: Reals, spread: float) -> Reals:
    """Weights whose largest ratio is at most `spread`: the largest keeps its place, and all from there down to it."""
    sane = np.where(np.isfinite(weights) & (weights > 0), weights, 1e-9)
    return np.asarray(np.maximum(sane, sane.max() / spread))
