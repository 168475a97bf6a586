"""A tap on the wire: what somebody who listens to some agents can record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod

import numpy as np

from qoslab.agents.message import FloatArray, Message, MessageType

__all__ = ["Tap"]


@dataclass
class Tap:
    """Records every message that some agents send, as it leaves them; interception is decided afterwards.

    Attributes:
        agents: The agents whose messages are recorded.
        said: What they said, one entry per round: part name to shape (agents, ...).
    """

    agents: tuple[int, ...]
    said: list[dict[str, FloatArray]] = field(default_factory=list)

    def listen(self, message: Message) -> None:
        """Record one round."""
        chosen = list(self.agents)
        self.said.append({name: value[chosen].copy() for name, value in message.items()})

    def play(self, records: Mapping[int, bytes], kind: MessageType, count: int) -> None:
        """Take in what recorders on agents' own wires have: rounds of the declared parts, as in frames.

        Args:
            records: All that each tapped agent sent, by agent.
            kind: What may be said.
            count: Rounds.
        """
        size = count * kind.scalars
        rows = [np.frombuffer(records[i], "<f8", size).reshape(count, -1) for i in self.agents]
        numbers = np.stack(rows, axis=1)
        for one in numbers:
            message, at = {}, 0
            for part in kind.parts:
                width = prod(part.shape)
                message[part.name] = one[:, at : at + width].reshape(len(self.agents), *part.shape).copy()
                at += width
            self.said.append(message)

    def history(self, part: str) -> FloatArray:
        """All that was said of one part, shape (rounds, agents, ...)."""
        return np.stack([message[part] for message in self.said])
