"""What runs in an agent's process: one loop over its sockets."""

from __future__ import annotations

import json
import multiprocessing
import os
import selectors
import socket
import struct
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qoslab.agents.agent import Agent, Seat
from qoslab.agents.message import MessageType
from qoslab.agents.program import Own, Program
from qoslab.core.errors import BadInput

__all__ = ["Work", "main", "open_tape"]

_HELLO, _NUMBER = struct.Struct("<qqq"), struct.Struct("<q")
_CHUNK = 1 << 16
_REDIAL_S = 0.02


@dataclass(frozen=True)
class Work:
    """What an agent's process is given: nothing of the others' data.

    Attributes:
        program: What agents do.
        own: What this one knows, one row.
        seat: Its place.
        kind: What may be said.
        count: Rounds.
        every: Rounds between checkpoints.
        folder: Where sockets, checkpoints and traces lie.
        tapped: Whether all that it sends is recorded there too.
    """

    program: Program
    own: Own
    seat: Seat
    kind: MessageType
    count: int
    every: int
    folder: Path
    tapped: bool = False


def open_tape(work: Work) -> int | None:
    """The file on which a tapped agent's messages are recorded; None where nobody taps it."""
    if not work.tapped:
        return None
    return os.open(work.folder / f"{work.seat.agent}.said", os.O_WRONLY | os.O_CREAT, 0o600)


@dataclass(eq=False)
class _Line:
    """A connection: to a speaker, or from a hearer; `peer` is -1 until a hearer has said who it is."""

    link: socket.socket
    peer: int
    speaks: bool
    got: bytearray
    due: bytearray
    sent: int = 0


def main(work: Work) -> None:
    """Work all rounds, then go on sending again what is asked for until the parent ends the process."""
    try:
        # Rounds that overflow are told by the parent as a divergence.
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            _Loop(work).run()
    except BadInput as error:
        file = work.folder / f"{work.seat.agent}.json"
        said = [
            {
                "field": one.field,
                "message": one.message,
                "hint": one.hint,
                "path": None if one.path is None else str(one.path),
            }
            for one in error.problems
        ]
        part = file.with_suffix(".json-part")
        part.write_text(json.dumps(said))
        os.replace(part, file)


class _Loop:
    def __init__(self, work: Work) -> None:
        self._work, seat = work, work.seat
        self._agent = Agent(work.program, work.own, seat, work.kind, work.count)
        self._saved = work.folder / f"{seat.agent}.npz"
        self._agent.load(self._saved)
        self._trace = os.open(work.folder / f"{seat.agent}.trace", os.O_WRONLY | os.O_CREAT, 0o600)
        self._tape = open_tape(work)
        self._select = selectors.DefaultSelector()
        self._lines: list[_Line] = []
        self._missing = dict.fromkeys(seat.speakers, 0.0)
        address = work.folder / f"{seat.agent}.sock"
        address.unlink(missing_ok=True)
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(address))
        self._door.listen(len(seat.hearers) + 1)
        self._door.setblocking(False)  # noqa: FBT003
        self._select.register(self._door, selectors.EVENT_READ, None)
        parent = multiprocessing.parent_process()
        assert parent is not None
        self._parent = parent.sentinel
        self._select.register(self._parent, selectors.EVENT_READ, None)

    def run(self) -> None:
        self._record()
        while True:
            self._dial()
            while self._agent.ready:
                self._agent.step()
                self._record()
                if self._agent.done or self._agent.round % self._work.every == 0:
                    self._keep()
                if self._agent.round % 16 == 0:
                    break
            self._flush()
            timeout = 0.0 if self._agent.ready else (_REDIAL_S if self._missing else 1.0)
            for key, events in self._select.select(timeout):
                if key.fileobj is self._parent or key.fd == self._parent:
                    return
                if key.data is None:
                    self._answer()
                else:
                    self._serve(key.data, events)

    def _record(self) -> None:
        row = np.ascontiguousarray(self._agent.state["x"][0], np.float64).tobytes()
        os.pwrite(self._trace, row, self._agent.round * len(row))
        if self._tape is not None and not self._agent.done:
            os.pwrite(self._tape, self._agent.said, self._agent.round * self._work.kind.bytes)

    def _keep(self) -> None:
        """Save, then tell the speakers which rounds they may forget."""
        self._agent.save(self._saved)
        for line in self._lines:
            if line.speaks:
                line.due += _NUMBER.pack(self._agent.durable)

    def _dial(self) -> None:
        now = time.monotonic()
        for speaker, after in list(self._missing.items()):
            if now < after:
                continue
            link = socket.socket(socket.AF_UNIX)
            try:
                link.connect(str(self._work.folder / f"{speaker}.sock"))
            except OSError:
                link.close()
                self._missing[speaker] = now + _REDIAL_S
                continue
            del self._missing[speaker]
            hello = _HELLO.pack(self._work.seat.agent, self._agent.durable, self._work.kind.bytes)
            self._add(_Line(link, speaker, speaks=True, got=bytearray(), due=bytearray(hello)))

    def _answer(self) -> None:
        with suppress(BlockingIOError):
            link, _ = self._door.accept()
            self._add(_Line(link, -1, speaks=False, got=bytearray(), due=bytearray()))

    def _add(self, line: _Line) -> None:
        line.link.setblocking(False)  # noqa: FBT003
        self._lines.append(line)
        self._select.register(line.link, selectors.EVENT_READ, line)

    def _drop(self, line: _Line) -> None:
        self._select.unregister(line.link)
        line.link.close()
        self._lines.remove(line)
        if line.speaks:
            self._missing[line.peer] = time.monotonic() + _REDIAL_S

    def _serve(self, line: _Line, events: int) -> None:
        if events & selectors.EVENT_READ:
            try:
                said = line.link.recv(_CHUNK)
            except BlockingIOError:
                return
            except OSError:
                said = b""
            if not said:
                self._drop(line)
                return
            line.got += said
            self._read(line)

    def _read(self, line: _Line) -> None:
        if line.speaks:
            size = _NUMBER.size + self._work.kind.bytes
            while len(line.got) >= size:
                (k,) = _NUMBER.unpack_from(line.got)
                self._agent.receive(line.peer, k, bytes(line.got[_NUMBER.size : size]))
                del line.got[:size]
            return
        if line.peer < 0 and len(line.got) >= _HELLO.size:
            peer, need, size = _HELLO.unpack_from(line.got)
            del line.got[: _HELLO.size]
            if peer not in self._agent.outbox or size != self._work.kind.bytes:
                self._drop(line)
                return
            line.peer, line.sent = peer, need
            self._agent.forget(peer, need)
        while line.peer >= 0 and len(line.got) >= _NUMBER.size:
            (durable,) = _NUMBER.unpack_from(line.got)
            del line.got[: _NUMBER.size]
            self._agent.forget(line.peer, durable)

    def _flush(self) -> None:
        for line in list(self._lines):
            if line.peer >= 0 and not line.speaks:
                self._fill(line)
            if not line.due:
                self._want(line, selectors.EVENT_READ)
                continue
            try:
                del line.due[: line.link.send(line.due)]
            except BlockingIOError:
                pass
            except OSError:
                self._drop(line)
                continue
            more = selectors.EVENT_WRITE if line.due else 0
            self._want(line, selectors.EVENT_READ | more)

    def _fill(self, line: _Line) -> None:
        box: dict[int, bytes] = self._agent.outbox[line.peer]
        while line.sent in box:
            line.due += _NUMBER.pack(line.sent) + box[line.sent]
            line.sent += 1

    def _want(self, line: _Line, events: int) -> None:
        key: Any = self._select.get_key(line.link)
        if key.events != events:
            self._select.modify(line.link, events, line)
