"""Synchronous rounds on arrays, in one process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from qoslab.agents.channel import Channel, Link
from qoslab.agents.message import FAR, FloatArray, Message, MessageType, largest
from qoslab.agents.program import Own, Program, State
from qoslab.agents.tap import Tap
from qoslab.agents.weights import Weights
from qoslab.core.errors import BadInput, Problem

__all__ = ["Wire", "rounds"]


class Wire:
    """Carries messages of one type and mixes them for their hearers.

    Args:
        kind: What may be said.
        weights: The weights of each round; one object where they never change.
        channel: What happens on the way; on a wire that is not ideal the weights must not change.
        rng: Source of noise and losses.
        taps: Who listens.

    Attributes:
        messages: Messages sent so far: one per arc and round.
        bytes: Their size.

    Raises:
        BadInput: The channel is not ideal and the weights change.
    """

    def __init__(
        self,
        kind: MessageType,
        weights: Weights | Callable[[int], Weights],
        channel: Channel | None = None,
        rng: np.random.Generator | None = None,
        taps: Sequence[Tap] = (),
    ) -> None:
        self._kind, self._weights, self._taps = kind, weights, tuple(taps)
        self._link: Link | None = None
        self._arcs: tuple[Any, Any] | None = None
        self._last: dict[str, tuple[FloatArray, FloatArray]] = {}
        self._far = False
        self.messages = self.bytes = 0
        if channel is not None and not channel.ideal:
            if not isinstance(weights, Weights):
                message = "noise, loss and delay are not offered together with links that come and go"
                raise BadInput(Problem(field="scenario.channel", message=message))
            arcs = weights.network.arcs
            self._arcs = arcs.heads, arcs.tails
            self._link = Link(arcs.heads, arcs.tails, channel, rng or np.random.default_rng(0))

    def exchange(self, message: Message, k: int) -> Message:
        """Everybody says something, and hears: the weighted sums, row by row.

        Args:
            message: What each agent says, first axis (n,).
            k: 0-based number of the round.

        Raises:
            BadInput: The message is not of the declared type, or holds a NaN. Infinities pass, and once numbers past
                1e100 were said NaNs do, too: rounds that grow without bound are no fault of what is said.
        """
        weights = self._weights if isinstance(self._weights, Weights) else self._weights(k)
        self._kind.check(message, weights.network.n, f"round {k}")
        self._check_numbers(message, k)
        for tap in self._taps:
            tap.listen(message)
        arcs = len(weights.network.arcs.heads)
        self.messages += arcs if self._kind.parts else 0
        self.bytes += arcs * self._kind.bytes
        carried = self._link.carry(message) if self._link else None
        mixed: dict[str, FloatArray] = {}
        for part in self._kind.parts:
            matrix, said = weights.of(part.mixing), message[part.name]
            if carried is None:
                mixed[part.name] = self._product(part.name, matrix, said)
            else:
                mixed[part.name] = self._sum(matrix, said, carried[part.name])
        return mixed

    def _check_numbers(self, message: Message, k: int) -> None:
        for part in self._kind.parts:
            said = message[part.name]
            last = self._last.get(part.name)
            if self._far or (last is not None and last[0] is said):
                continue
            size = largest(said)
            self._far = size > FAR or (size != size and bool(np.isinf(said).any()))
            if size != size and not self._far:
                self._kind.check_numbers(message, f"round {k}", range(len(said)))

    def _product(self, name: str, matrix: Any, said: FloatArray) -> FloatArray:
        """The weighted sums; those of the last round where the very same read-only array is said again."""
        if said.flags.writeable or not said.flags.owndata or not isinstance(self._weights, Weights):
            return np.asarray(matrix @ said)
        last = self._last.get(name)
        if last is None or last[0] is not said:
            last = self._last[name] = said, np.asarray(matrix @ said)
        return last[1]

    def _sum(self, matrix: Any, said: FloatArray, carried: FloatArray) -> FloatArray:
        from scipy.sparse import csr_array

        assert self._arcs is not None
        hearers, speakers = self._arcs
        if not len(hearers):  # one agent alone, whose weight on itself is all there is
            return np.asarray(matrix @ said)
        share = np.asarray(matrix[hearers, speakers]).ravel()
        gather = csr_array((share, (hearers, np.arange(len(hearers)))), shape=(len(said), len(hearers)))
        own = matrix.diagonal().reshape(-1, *[1] * (said.ndim - 1))
        return np.asarray(own * said + gather @ carried)


def rounds(program: Program, own: Own, wire: Wire, count: int) -> Iterator[State]:
    """The states of all agents: at first, and after each of `count` rounds.

    Args:
        program: What agents do.
        own: What all n of them know.
        wire: How they reach each other.
        count: Number of rounds.
    """
    state = program.start(own)
    yield state
    for k in range(count):
        state = program.hear(state, wire.exchange(program.say(state, own), k), own, k)
        yield state
