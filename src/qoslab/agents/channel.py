"""What may happen to messages between a speaker and a hearer."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qoslab.agents.message import FloatArray, Message

__all__ = ["Channel", "Link"]


@dataclass(frozen=True)
class Channel:
    """Noise, loss and delay, alike and independent on every arc.

    Attributes:
        noise: Standard deviation of Gaussian noise on every number that is heard.
        loss: Probability that a message does not arrive; the hearer then goes on with the last one that did.
        delay: Rounds between saying and hearing.
    """

    noise: float = 0.0
    loss: float = 0.0
    delay: int = 0

    @property
    def ideal(self) -> bool:
        """Whether everything arrives at once and unchanged."""
        return self.noise == 0 and self.loss == 0 and self.delay == 0


class Link:
    """The arcs of a network with a channel on each: what was last heard on every one of them.

    Where an arc has not carried a message yet, the hearer puts what it says itself in its place, that is, keeps
    the weight for itself.

    Args:
        hearers: Agent at the end of each arc, shape (arcs,).
        speakers: Agent at its start, shape (arcs,).
        channel: What happens on the way.
        rng: Source of noise and losses.
    """

    def __init__(
        self,
        hearers: NDArray[np.int64],
        speakers: NDArray[np.int64],
        channel: Channel,
        rng: np.random.Generator,
    ) -> None:
        self._hearers, self._speakers = hearers, speakers
        self._channel, self._rng = channel, rng
        self._way: deque[tuple[dict[str, FloatArray], np.ndarray]] = deque()
        self._last: dict[str, FloatArray] = {}
        self._known = np.zeros(len(speakers), bool)

    def carry(self, message: Message) -> dict[str, FloatArray]:
        """One round: what each arc brings to its hearer, first axis (arcs,)."""
        said = {name: value[self._speakers] for name, value in message.items()}
        if self._channel.noise > 0:
            for name in said:
                said[name] = said[name] + self._channel.noise * self._rng.standard_normal(said[name].shape)
        arrives = np.ones(len(self._speakers), bool)
        if self._channel.loss > 0:
            arrives = self._rng.random(len(self._speakers)) >= self._channel.loss
        self._way.append((said, arrives))
        if len(self._way) > self._channel.delay:
            self._arrive(*self._way.popleft())
        return {name: self._heard(name, value) for name, value in message.items()}

    def _arrive(self, said: dict[str, FloatArray], arrives: np.ndarray) -> None:
        for name, value in said.items():
            last = self._last.setdefault(name, np.zeros_like(value))
            last[arrives] = value[arrives]
        self._known |= arrives

    def _heard(self, name: str, value: FloatArray) -> FloatArray:
        heard = value[self._hearers]
        if name in self._last:
            heard[self._known] = self._last[name][self._known]
        return np.asarray(heard)
