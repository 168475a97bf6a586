"""The simplest program: everybody takes the weighted mean of what it hears."""

from __future__ import annotations

from dataclasses import dataclass

from qoslab.agents.message import Message, MessageType, Mixing, Part
from qoslab.agents.program import Own, State

__all__ = ["Averaging"]


@dataclass(frozen=True)
class Averaging:
    """x <- W x (DeGroot 1974). `own.data` is x(0), shape (n, p).

    Attributes:
        mixing: With doubly stochastic weights all agents reach the mean of x(0), with row-stochastic ones the
            mean weighted by the Perron vector.
    """

    mixing: Mixing = "doubly"

    def message(self, own: Own) -> MessageType:
        """The state itself."""
        return MessageType((Part("x", own.data.shape[1:], self.mixing),))

    def start(self, own: Own) -> State:
        """x(0)."""
        return {"x": own.data}

    def say(self, state: State, own: Own) -> Message:  # noqa: ARG002
        """The state itself."""
        return state

    def hear(self, state: State, heard: Message, own: Own, k: int) -> State:  # noqa: ARG002
        """The weighted mean."""
        return dict(heard)
