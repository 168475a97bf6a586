"""A tap on the wire: what somebody who listens to some agents can record."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from qoslab.agents.message import FloatArray, Message

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

    def history(self, part: str) -> FloatArray:
        """All that was said of one part, shape (rounds, agents, ...)."""
        return np.stack([message[part] for message in self.said])
