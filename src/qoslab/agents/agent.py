"""One agent alone: what it holds, what it has said and heard, and how it takes up again after a loss.

Nothing here sends anything; `qoslab.agents.local` and `qoslab.agents.ray` carry the frames.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qoslab.agents.channel import Channel, Inlet
from qoslab.agents.message import FAR, FloatArray, Message, MessageType, largest
from qoslab.agents.program import Own, Program
from qoslab.agents.schedule import Schedule
from qoslab.agents.weights import Weights
from qoslab.core.errors import BadInput, Problem

__all__ = ["Agent", "Seat", "seats"]


@dataclass(frozen=True)
class Seat:
    """An agent's place in the network: whom it hears, who hears it, and the weights that are its to choose.

    Attributes:
        agent: Which one.
        speakers: Whom it hears, rising.
        hearers: Who hears it, rising.
        taken: By part and round, the weight on what each speaker, and last it itself, says; shape
            (rounds, speakers + 1), or (1, speakers + 1) where it never changes. 0 where a link is down.
        given: By part and round, the factor on what it says to each hearer; shape (rounds, hearers) or
            (1, hearers). Column-stochastic weights are the speaker's to choose: it sends its value times the
            hearer's share. 0 where a link is down: the frame then holds nothing but zeros.
        inlet: What happens on the way to it; None where everything arrives at once and unchanged.
    """

    agent: int
    speakers: tuple[int, ...]
    hearers: tuple[int, ...]
    taken: dict[str, FloatArray]
    given: dict[str, FloatArray]
    inlet: Inlet | None = None


def seats(
    weights: Weights | Callable[[int], Weights],
    kind: MessageType,
    count: int = 1,
    channel: Channel | None = None,
    rng: np.random.Generator | None = None,
) -> list[Seat]:
    """The places of all agents of a network.

    Args:
        weights: The weights of each round; one object where they never change.
        kind: What is said.
        count: Rounds; matters where weights change.
        channel: What happens on the way. On one that is not ideal a speaker sends its plain value and the hearer
            puts the share on it, of column-stochastic weights too: for a message that never came it needs the share.
        rng: Source of noise and losses.

    Raises:
        BadInput: The channel is not ideal and the weights change.
    """
    plain = channel is not None and not channel.ideal
    if plain and not isinstance(weights, Weights):
        message = "noise, loss and delay are not offered together with links that come and go"
        raise BadInput(Problem(field="scenario.channel", message=message))
    plan = Schedule.of(weights, kind, count)
    found = []
    for i in range(plan.n):
        into, out = np.flatnonzero(plan.heads == i), np.flatnonzero(plan.tails == i)
        taken, given = {}, {}
        for part in kind.parts:
            share, kept = plan.share[part.name], plan.kept[part.name][:, i : i + 1]
            speaks = part.mixing == "column" and not plain
            taken[part.name] = np.hstack([plan.up[:, into] if speaks else share[:, into], kept])
            given[part.name] = share[:, out] if speaks else plan.up[:, out]
        speakers, hearers = map(int, plan.tails[into]), map(int, plan.heads[out])
        inlet = None
        if plain:
            assert channel is not None
            inlet = Inlet(channel, rng or np.random.default_rng(0), plan.arcs, plan.first[into])
        found.append(Seat(i, tuple(speakers), tuple(hearers), taken, given, inlet))
    return found


class Agent:
    """An agent's state and post: frames that are not yet safe with their hearers, and frames not yet used.

    A frame is the parts of one message in their declared order, as little-endian doubles: only what is of the
    declared type has bytes at all.

    Args:
        program: What agents do.
        own: What this one knows by itself; one row.
        seat: Its place.
        kind: What may be said.
        count: Rounds to work.

    Attributes:
        round: Rounds done.
        durable: Rounds that a loss of the agent would not undo.
        outbox: Frames by hearer and round.
    """

    def __init__(self, program: Program, own: Own, seat: Seat, kind: MessageType, count: int) -> None:
        self._program, self._own, self._kind, self._count = program, own, kind, count
        self.seat, self.round, self.durable = seat, 0, 0
        self.outbox: dict[int, dict[int, bytes]] = {j: {} for j in seat.hearers}
        self._inbox: dict[int, dict[int, bytes]] = {j: {} for j in seat.speakers}
        self._said: Message = {}
        self._far = False
        self._link = None if seat.inlet is None else seat.inlet.link()
        self.state = program.start(own)
        self._say()

    @property
    def done(self) -> bool:
        """Whether all rounds are worked."""
        return self.round >= self._count

    @property
    def ready(self) -> bool:
        """Whether everything that this round needs was heard."""
        return not self.done and all(self.round in box for box in self._inbox.values())

    @property
    def said(self) -> bytes:
        """The parts of this round's message as it leaves the agent, before shares for hearers are put on it."""
        parts = [self._said[part.name][0] for part in self._kind.parts]
        return b"".join(one.astype("<f8").tobytes() for one in parts)

    def receive(self, speaker: int, k: int, frame: bytes) -> None:
        """Take in what a speaker said in round k; what is over already, or came twice, is left.

        Raises:
            BadInput: The frame has not the declared size, or comes from somebody this agent does not hear.
        """
        if speaker not in self._inbox or len(frame) != self._kind.bytes:
            message = f"agent {self.seat.agent} got {len(frame)} bytes from {speaker}, not {self._kind.bytes}"
            raise BadInput(Problem(field="message", message=message + " from one whom it hears"))
        if k >= self.round:
            self._inbox[speaker][k] = frame

    def forget(self, hearer: int, durable: int) -> None:
        """A hearer's rounds before `durable` are safe: it will not ask for them again."""
        box = self.outbox[hearer]
        for k in [k for k in box if k < durable]:
            del box[k]

    def step(self) -> None:
        """Work one round; `ready` must hold.

        Raises:
            BadInput: What it would say next is not of the declared type, or its data gave no number.
        """
        k = self.round
        frames = [self._parts(self._inbox[j].pop(k)) for j in self.seat.speakers]
        heard = self._mix(self._carried(frames))
        self._look(heard)
        self.state = self._program.hear(self.state, heard, self._own, k)
        self.round += 1
        self._say()

    def _say(self) -> None:
        if self.done:
            return
        self._said = dict(self._program.say(self.state, self._own))
        self._kind.check(self._said, 1, f"round {self.round}", self.seat.agent)
        self._look(self._said)
        if not self._far:
            self._kind.check_numbers(self._said, f"round {self.round}", [self.seat.agent])
        given = {part.name: _turn(self.seat.given[part.name], self.round) for part in self._kind.parts}
        for at, hearer in enumerate(self.seat.hearers):
            parts = [_share(given[part.name][at], self._said[part.name][0]) for part in self._kind.parts]
            self.outbox[hearer][self.round] = b"".join(one.astype("<f8").tobytes() for one in parts)

    def _look(self, message: Message) -> None:
        """Note numbers past which a NaN is no fault of this agent's."""
        for value in message.values():
            self._far = self._far or largest(value) > FAR or bool(np.isinf(value).any())

    def _parts(self, frame: bytes) -> dict[str, FloatArray]:
        numbers, at, found = np.frombuffer(frame, "<f8"), 0, {}
        for part in self._kind.parts:
            size = int(np.prod(part.shape, dtype=np.int64))
            found[part.name] = numbers[at : at + size].reshape(part.shape)
            at += size
        return found

    def _carried(self, frames: list[dict[str, FloatArray]]) -> list[dict[str, FloatArray]]:
        """What the links make of the frames, which their speakers have said in this round."""
        if self._link is None or not frames:
            return frames
        said = {name: np.stack([*(one[name] for one in frames), own[0]]) for name, own in self._said.items()}
        heard = self._link.carry(said)
        return [{name: value[at] for name, value in heard.items()} for at in range(len(frames))]

    def _mix(self, frames: list[dict[str, FloatArray]]) -> Message:
        mixed: dict[str, FloatArray] = {}
        for part in self._kind.parts:
            weight = _turn(self.seat.taken[part.name], self.round)
            total = weight[-1] * self._said[part.name][0]
            for share, frame in zip(weight, frames, strict=False):
                total = total + _share(share, frame[part.name])
            mixed[part.name] = np.asarray(total, np.float64)[None]
        return mixed

    def save(self, file: Path) -> None:
        """Write all that a new process needs to go on from here; the file is whole or not there."""
        table: dict[str, Any] = {f"state/{name}": value for name, value in self.state.items()}
        for hearer, box in self.outbox.items():
            for k, frame in box.items():
                table[f"out/{hearer}/{k}"] = np.frombuffer(frame, np.uint8)
        if self._link is not None:
            table |= {f"link/{name}": value for name, value in self._link.table().items()}
        drawn = self._own.data.drawn() if hasattr(self._own.data, "drawn") else 0
        table["at"] = np.array([self.round, drawn])
        part = file.with_suffix(".part")
        with part.open("wb") as stream:
            np.savez(stream, **table)
        os.replace(part, file)
        self.durable = self.round

    def load(self, file: Path) -> None:
        """Go on from what was saved; a missing file leaves the agent at its start."""
        if not file.is_file():
            return
        with np.load(file, allow_pickle=False) as table:
            self.round, drawn = (int(value) for value in table["at"])
            self.state = {name[6:]: table[name] for name in table.files if name.startswith("state/")}
            self.outbox = {j: {} for j in self.seat.hearers}
            for name in table.files:
                if name.startswith("out/"):
                    _, hearer, k = name.split("/")
                    self.outbox[int(hearer)][int(k)] = table[name].tobytes()
            link = {name[5:]: table[name] for name in table.files if name.startswith("link/")}
        self.durable = self.round
        if hasattr(self._own.data, "seek"):
            self._own.data.seek(drawn)
        self._say()
        if self._link is not None and not self.done:
            self._link.restore(link)
            # An agent that hears nobody has never drawn, and never will.
            self._link.skip(self._said, self.round if self.seat.speakers else 0)


def _turn(table: FloatArray, k: int) -> FloatArray:
    """A round's row of a table that has one for every round, or one for all."""
    return np.asarray(table[k if len(table) > 1 else 0])


def _share(share: float, value: FloatArray) -> FloatArray:
    """The share of a value; of a link that is down nothing, whatever the value."""
    return share * value if share != 0 else np.zeros_like(value)
