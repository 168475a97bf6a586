"""The step protocol: worlds that run compiled until a decision is due, pause, and go on with what was decided.

A learned policy costs too much for one call per request from inside a kernel; here the policy is outside, sees all its
worlds at once and answers for all of them, as reinforcement learning wants it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from qoslab.engine.kernel import compiled, kernel
from qoslab.engine.rows import row, stack

__all__ = ["DECIDE", "OVER", "PAUSED", "Advance", "Observe", "Step", "Stepper"]

PAUSED, DECIDE, OVER = 0, 1, 2

W = TypeVar("W", bound=tuple[Any, ...])


class Advance(Protocol):
    """Kernel `advance(world, action, until) -> status` that a domain writes; `world` is a NamedTuple of arrays.

    It puts `action` (float64 or int64, shape (m,)) to the decision that the world stands at, if it stands at one, and
    runs the world until the next decision is due (`DECIDE`), the clock would pass `until` (`PAUSED`), or the episode
    is over (`OVER`). All state lies in the world's arrays, the streams included.
    """

    __name__: str

    def __call__(self, world: Any, action: Any, until: float, /) -> int:
        """Run one world."""


class Observe(Protocol):
    """Kernel `observe(world, observation) -> reward`: fills a float64 row with what the policy may see.

    The reward is what was earned since the last call.
    """

    __name__: str

    def __call__(self, world: Any, observation: Any, /) -> float:
        """Look at one world."""


class Step(NamedTuple):
    """What the worlds look like when all of them have stopped; the arrays are reused by the next step.

    Attributes:
        status: `PAUSED`, `DECIDE` or `OVER`, int64, shape (worlds,).
        observations: What the policy may see, float64, shape (worlds, size).
        rewards: Earned since the last step, float64, shape (worlds,); 0 for worlds that were over before.
    """

    status: NDArray[np.int64]
    observations: NDArray[np.float64]
    rewards: NDArray[np.float64]


@functools.cache
def batched(advance: Advance, observe: Observe) -> Callable[..., None]:
    """The kernel that steps all worlds of a stack in one call; worlds that are over stay as they are."""

    def step(
        worlds: Any, actions: Any, until: float, status: Any, observations: Any, rewards: NDArray[np.float64]
    ) -> None:
        for index in range(status.shape[0]):
            rewards[index] = 0.0
            if status[index] != OVER:
                world = row(worlds, index)
                status[index] = advance(world, actions[index], until)
                rewards[index] = observe(world, observations[index])

    step.__qualname__ = f"step_{advance.__name__}"
    return kernel(step)


class Stepper(Generic[W]):
    """K worlds that step together; each runs as it would alone.

    Args:
        advance: See `Advance`.
        observe: See `Observe`.
        worlds: The worlds in their first states, NamedTuples of arrays of equal shapes; copied.
        size: Length of an observation.
        plain: Run uncompiled, for tests and for stepping through with a debugger.
    """

    def __init__(
        self, advance: Advance, observe: Observe, worlds: Sequence[W], size: int, *, plain: bool = False
    ) -> None:
        self.worlds = stack(worlds)
        step = batched(advance, observe)  # type: ignore[arg-type]  # functions are hashable
        self._step = step if plain else compiled(step)
        self._last = Step(
            np.zeros(len(worlds), np.int64), np.zeros((len(worlds), size)), np.zeros(len(worlds))
        )

    def __len__(self) -> int:
        return len(self._last.status)

    def world(self, index: int) -> W:
        """One world as it stands, as views of its arrays."""
        return row(self.worlds, index)

    def step(self, actions: NDArray[Any], until: float = np.inf) -> Step:
        """Put one action to each world and run each until it next stops.

        Args:
            actions: One row per world, float64 or int64, shape (worlds, m); rows of worlds that stand at no decision,
                as all do at first, are not looked at.
            until: The time that no world's clock may pass.

        Raises:
            ValueError: The shape of `actions` does not fit.
        """
        if actions.ndim != 2 or len(actions) != len(self):
            message = f"actions need the shape ({len(self)}, m), not {actions.shape}"
            raise ValueError(message)
        status, observations, rewards = self._last
        self._step(self.worlds, np.ascontiguousarray(actions), float(until), status, observations, rewards)
        return self._last
