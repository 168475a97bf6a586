"""What neighbours may see is a type: named parts of fixed shape; nothing else can be sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from qoslab.core.errors import BadInput, Problem, did_you_mean

__all__ = ["FloatArray", "Message", "MessageType", "Mixing", "Part"]

FloatArray = NDArray[np.float64]

Message = Mapping[str, FloatArray]
"""Parts by name; the first axis of each array is the agents that speak, or hear."""

Mixing = Literal["row", "column", "doubly"]
"""Which weights a part is mixed with: the hearer's, the speaker's, or symmetric ones."""

_BYTES = 8


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

    def check(self, message: Message, speakers: int) -> None:
        """Refuse whatever is not exactly this type.

        Args:
            message: What is to be sent.
            speakers: How many agents speak.

        Raises:
            BadInput: A part is missing, not declared, of another shape, or not made of floats.
        """
        problems = [*self._undeclared(message)]
        for part in self.parts:
            if part.name not in message:
                problems.append(_wrong(f"the declared part {part.name!r} is missing"))
                continue
            value, shape = message[part.name], (speakers, *part.shape)
            if value.shape != shape:
                problems.append(
                    _wrong(f"part {part.name!r} has the shape {value.shape}, not {shape} as declared")
                )
            elif value.dtype != np.float64:
                problems.append(_wrong(f"part {part.name!r} holds {value.dtype}, not float64"))
        if problems:
            raise BadInput(problems)

    def _undeclared(self, message: Message) -> list[Problem]:
        known = [part.name for part in self.parts]
        return [
            _wrong(f"part {name!r} is not in the declared message type", did_you_mean(name, known))
            for name in message
            if name not in known
        ]


def _wrong(message: str, hint: str | None = None) -> Problem:
    return Problem(field="message", message=message, hint=hint)
