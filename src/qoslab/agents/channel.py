"""What may happen to messages between a speaker and a hearer."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qoslab.agents.message import FloatArray, Message

__all__ = ["Channel", "Inlet", "Link"]


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


@dataclass(frozen=True, eq=False)
class Inlet:
    """The arcs that end at one agent, among those of the whole network.

    What happens on a network's arcs is drawn from one stream. An agent alone draws all of it, and keeps what is its
    own, so that it meets the very losses and noise that all agents on arrays meet.

    Attributes:
        channel: What happens on the way.
        rng: Source of noise and losses; nothing was drawn from it yet, and nothing is: links draw from a copy.
        arcs: Arcs of the whole network.
        rows: Which of them end here, in the order of their speakers.
    """

    channel: Channel
    rng: np.random.Generator
    arcs: int
    rows: NDArray[np.int64]

    def link(self) -> Link:
        """These arcs at their beginning: speakers are rows of a message, and the hearer is its last row."""
        count = len(self.rows)
        hearers, speakers = np.full(count, count), np.arange(count)
        return Link(hearers, speakers, self.channel, deepcopy(self.rng), among=(self.arcs, self.rows))


class Link:
    """The arcs of a network with a channel on each: what was last heard on every one of them.

    Where an arc has not carried a message yet, the hearer puts what it says itself in its place, that is, keeps
    the weight for itself.

    Args:
        hearers: Agent at the end of each arc, shape (arcs,).
        speakers: Agent at its start, shape (arcs,).
        channel: What happens on the way.
        rng: Source of noise and losses.
        among: How many arcs draws are made for, and which of them these are; just these by default.
    """

    def __init__(
        self,
        hearers: NDArray[np.int64],
        speakers: NDArray[np.int64],
        channel: Channel,
        rng: np.random.Generator,
        *,
        among: tuple[int, NDArray[np.int64]] | None = None,
    ) -> None:
        self._hearers, self._speakers = hearers, speakers
        self._arcs, self._rows = among or (len(speakers), np.arange(len(speakers)))
        self._channel, self._rng = channel, rng
        self._way: deque[tuple[dict[str, FloatArray], np.ndarray]] = deque()
        self._last: dict[str, FloatArray] = {}
        self._known = np.zeros(len(speakers), bool)

    def carry(self, message: Message) -> dict[str, FloatArray]:
        """One round: what each arc brings to its hearer, first axis (arcs,)."""
        said = {name: value[self._speakers] for name, value in message.items()}
        noise, arrives = self._draw({name: value.shape[1:] for name, value in said.items()})
        for name, disturbance in noise.items():
            said[name] = said[name] + disturbance
        self._way.append((said, arrives))
        if len(self._way) > self._channel.delay:
            self._arrive(*self._way.popleft())
        return {name: self._heard(name, value) for name, value in message.items()}

    def skip(self, message: Message, count: int) -> None:
        """Draw for the first rounds as if they had been carried; messages are of the kind given."""
        for _ in range(count):
            self._draw({name: value.shape[1:] for name, value in message.items()})

    def table(self) -> dict[str, np.ndarray]:
        """What is on the way and what was heard last, by name; `restore` takes it back."""
        found = {f"last/{name}": value for name, value in self._last.items()}
        for at, (said, arrives) in enumerate(self._way):
            found |= {f"way/{at}/said/{name}": value for name, value in said.items()}
            found[f"way/{at}/arrives"] = arrives
        return found | {"known": self._known}

    def restore(self, table: Mapping[str, np.ndarray]) -> None:
        """Go on from what `table` gave; draws are not part of it, see `skip`."""
        self._known = table["known"]
        self._last = {name[5:]: value for name, value in table.items() if name.startswith("last/")}
        self._way.clear()
        while f"way/{len(self._way)}/arrives" in table:
            start = f"way/{len(self._way)}/"
            parts = {name: value for name, value in table.items() if name.startswith(f"{start}said/")}
            said = {name.removeprefix(f"{start}said/"): value for name, value in parts.items()}
            self._way.append((said, table[f"{start}arrives"]))

    def _draw(self, shapes: Mapping[str, tuple[int, ...]]) -> tuple[dict[str, FloatArray], np.ndarray]:
        """Noise on each part, and which messages arrive: first for every arc, of which these are then taken."""
        noise: dict[str, FloatArray] = {}
        if self._channel.noise > 0:
            for name, shape in shapes.items():
                drawn = self._rng.standard_normal((self._arcs, *shape))
                noise[name] = self._channel.noise * drawn[self._rows]
        arrives = np.ones(len(self._rows), bool)
        if self._channel.loss > 0:
            arrives = self._rng.random(self._arcs)[self._rows] >= self._channel.loss
        return noise, arrives

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
