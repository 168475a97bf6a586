"""What an agent does in a round, written once for any number of agents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qoslab.agents.message import FloatArray, Message, MessageType

__all__ = ["Own", "Program", "State"]

State = dict[str, FloatArray]
"""What agents remember, by name; the first axis is the agents."""


@dataclass(frozen=True)
class Own:
    """What a group of agents knows by itself: all of them in one process, or one alone in its own.

    Attributes:
        agents: Which agents these are, shape (rows,).
        n: How many there are altogether.
        data: Their own data and what everybody knows, row by row.
    """

    agents: NDArray[np.int64]
    n: int
    data: Any


class Program(Protocol):
    """A method for agents. Every function works row by row: no row may look at another.

    So the same code runs for all agents at once on arrays, and for one agent in a process of its own that holds
    nothing of the others.
    """

    def message(self, own: Own) -> MessageType:
        """What the agents say in each round."""
        ...

    def start(self, own: Own) -> State:
        """What they remember at first."""
        ...

    def say(self, state: State, own: Own) -> Message:
        """What they say in this round."""
        ...

    def hear(self, state: State, heard: Message, own: Own, k: int) -> State:
        """What they remember after round k; `heard` is the weighted sum over neighbours and themselves."""
        ...
