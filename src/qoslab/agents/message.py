"""What neighbours may see is a type: named parts of fixed shape; nothing else can be sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from qoslab.core.errors import BadInput, Problem

__all__ = ["FAR", "FloatArray", "Message", "MessageType", "Mixing", "Part", "largest"]

FloatArray = NDArray[np.float64]

Message = Mapping[str, FloatArray]
"""Parts by name; the first axis of each array is the agents that speak, or hear."""

Mixing = Literal["row", "column", "doubly"]
"""Which weights a part is mixed with: the hearer's, the speaker's, or symmetric ones."""

_BYTES = 8

FAR = 1e100
"""Past it a NaN is what rounds that grow without bound end in; up to it somebody has made one."""


@dataclass(frozen=True)
class Part:
    """One quantity of a message.

    Attributes:
        name: What the method calls it.
        shape: Shape of one agent's value; `()` for a number.
        mixing: Which weights it is mixed with.
    """

    name: str
    shape: tuple[int, ...]
    mixing: Mixing


@dataclass(frozen=True)
class MessageType:
    """All that an agent says in a round.

    Attributes:
        parts: The quantities; a message has each of them and nothing else.
    """

    parts: tuple[Part, ...]

    @property
    def scalars(self) -> int:
        """Numbers in one message."""
        return sum(prod(part.shape) for part in self.parts)

    @property
    def bytes(self) -> int:
        """Bytes of one message in double precision, without headers."""
        return _BYTES * self.scalars

    def check(self, message: Message, speakers: int, where: str = "", agent: int | None = None) -> None:
        """Refuse whatever is not exactly this type.

        Args:
            message: What is to be sent.
            speakers: How many agents speak.
            where: The round, for the problems' texts.
            agent: Which agent it is where one speaks alone.

        Raises:
            BadInput: A part is missing, not declared, of another shape, or not made of floats.
        """
        where = where if agent is None else f"{where}, agent {agent}"
        said = [*self._undeclared(message)]
        for part in self.parts:
            if part.name not in message:
                said.append(f"the declared part {part.name!r} is missing")
                continue
            shape = (speakers, *part.shape)
            value: object = message[
                part.name
            ]  # whatever the type says, a user's program may hand over anything
            if not isinstance(value, np.ndarray):
                said.append(f"part {part.name!r} is a {type(value).__name__}, not an array")
            elif value.shape != shape:
                said.append(f"part {part.name!r} has the shape {value.shape}, not {shape} as declared")
            elif value.dtype != np.float64:
                said.append(f"part {part.name!r} holds {value.dtype}, not float64")
        if said:
            hint = "nothing but what the method's message(own) declares can be sent"
            start = f"{where}: " if where else ""
            raise BadInput([Problem(field="message", message=start + one, hint=hint) for one in said])

    def check_numbers(self, message: Message, where: str, agents: Sequence[int]) -> None:
        """Refuse a NaN in a message that has the declared type.

        Raises:
            BadInput: Names the first agent that says one.
        """
        for part in self.parts:
            value = message[part.name]
            lost = np.isnan(value.reshape(len(value), -1)).any(axis=1)
            if lost.any():
                row = int(np.argmax(lost))
                said = f"{where}, agent {agents[row]}: part {part.name!r} is {value[row].tolist()}"
                hint = "a method, or a function it calls, gave what is no number"
                raise BadInput(Problem(field="message", message=said, hint=hint))

    def _undeclared(self, message: Message) -> list[str]:
        known = [part.name for part in self.parts]
        declared = ", ".join(known) or "nothing"
        return [
            f"part {name!r} is not in the declared message type, which is {declared}"
            for name in message
            if name not in known
        ]


def largest(value: FloatArray) -> float:
    """The largest size of a number; NaN where there is one, 0 where there is none."""
    return float(max(value.max(), -value.min())) if value.size else 0.0
