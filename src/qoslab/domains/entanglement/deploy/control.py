"""A controller in a process of its own steers the simulated network over loopback; simulated time waits for it.

The laboratory listens, one controller connects. Each of its answers has a budget of wall-clock time; when that is over
the slot passes without swaps, and an answer that comes later is thrown away.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem
from qoslab.core.located import read_toml, validate
from qoslab.core.outcome import Outcome
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.deploy.messages import (
    Hello,
    line_of,
    orders_of,
    parsed,
    plan_message,
    plan_of,
    state_message,
)
from qoslab.domains.entanglement.model import run
from qoslab.domains.entanglement.protocol import Fusion, Plan, Purify, Swap, View
from qoslab.domains.entanglement.scenario import EntanglementScenario

__all__ = ["MOST_BYTES", "Line", "control", "serve"]

MOST_BYTES = 1 << 20
"""Longest line that a controller may send."""
_CHUNK = 1 << 16


class Line:
    """A connection that carries lines.

    Args:
        connection: The socket.
        budget_s: Longest wait for an answer, wall-clock s.
        most_bytes: Longest line.
    """

    def __init__(self, connection: socket.socket, budget_s: float, most_bytes: int = MOST_BYTES) -> None:
        self.connection, self.budget_s, self.most_bytes = connection, budget_s, most_bytes
        self.seq = 0
        self.late = 0
        self._held = b""

    def ask(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """The answer to a message, or None when the budget is over.

        Raises:
            BadInput: The controller went away, or sent what is no answer.
        """
        end = time.monotonic() + self.budget_s
        self._send(message)
        while (line := self._line(end)) is not None:
            answer = parsed(line)
            seq = answer.get("seq")
            if seq == message["seq"]:
                return answer
            if not isinstance(seq, int) or isinstance(seq, bool) or not 0 < seq < message["seq"]:
                text = f"answer to message {seq!r}, where {message['seq']} was asked last"
                raise BadInput(Problem(message=text, field="controller.seq"))
        self.late += 1
        return None

    def next_seq(self) -> int:
        """The number of the next message."""
        self.seq += 1
        return self.seq

    def hello(self) -> Hello:
        """The controller's first line.

        Raises:
            BadInput: There is none in time, or it is wrong.
        """
        line = self._line(time.monotonic() + self.budget_s)
        if line is None:
            message = f"the controller said nothing for {self.budget_s:g} s"
            raise BadInput(
                Problem(message=message, field="controller", hint='it begins with {"protocol": 1}')
            )
        return validate(Hello, parsed(line))

    def tell(self, message: dict[str, Any]) -> None:
        """Send a message that wants no answer; who has gone away misses it."""
        try:
            self._send(message)
        except BadInput:
            return

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self.connection.settimeout(self.budget_s)
            self.connection.sendall(line_of(message))
        except OSError as error:
            text = f"the controller does not take messages: {error}"
            raise BadInput(Problem(message=text, field="controller")) from None

    def _line(self, end: float) -> bytes | None:
        while b"\n" not in self._held:
            if len(self._held) > self.most_bytes:
                text = f"the controller sent a line of more than {self.most_bytes} bytes"
                raise BadInput(Problem(message=text, field="controller"))
            left = end - time.monotonic()
            if left <= 0:
                return None
            try:
                self.connection.settimeout(left)
                chunk = self.connection.recv(_CHUNK)
            except TimeoutError:
                return None
            except OSError as error:
                raise BadInput(
                    Problem(message=f"the controller went away: {error}", field="controller")
                ) from None
            if not chunk:
                raise BadInput(Problem(message="the controller went away", field="controller"))
            self._held += chunk
        line, _, self._held = self._held.partition(b"\n")
        return line


@dataclass(frozen=True)
class _Planning:
    """A method whose plan comes over a line."""

    line: Line = field(repr=False)

    def plan(self, view: View, rng: np.random.Generator, context: Context) -> Plan:  # noqa: ARG002
        answer = self.line.ask(plan_message(view, self.line.next_seq()))
        if answer is None:
            message = f"the controller gave no plan within {self.line.budget_s:g} s"
            raise BadInput(Problem(message=message, field="controller"))
        return plan_of(answer, view)


@dataclass(frozen=True)
class _Deciding(_Planning):
    """The same, asked again in every slot; `knows_hops` as in `protocol.Deciding`."""

    knows_hops: int | None = None

    def decide(
        self,
        view: View,
        rng: np.random.Generator,  # noqa: ARG002
        context: Context,  # noqa: ARG002
    ) -> Sequence[Purify | Fusion | Swap]:
        answer = self.line.ask(state_message(view, self.line.next_seq()))
        return [] if answer is None else orders_of(answer, view)


def serve(
    scenario: EntanglementScenario,
    connection: socket.socket,
    seeds: Sequence[Seed],
    *,
    budget_s: float = 1.0,
    context: Context | None = None,
) -> tuple[list[Outcome], int]:
    """Run a scenario for each seed under the controller at the other end of a connection.

    Args:
        scenario: The scenario.
        connection: The controller's connection; it is not closed.
        seeds: The trials' seeds.
        budget_s: Longest wait for each answer, wall-clock s.
        context: Services of the laboratory.

    Returns:
        An outcome per seed, and how many answers came too late.

    Raises:
        BadInput: The controller sent what cannot be; it is told, too.
    """
    line = Line(connection, budget_s)
    try:
        hello = line.hello()
        method = _Deciding(line, hello.knows_hops) if hello.decides else _Planning(line)
        outcomes = []
        for outcome in run(scenario, method, seeds, context or Context()):
            outcomes.append(outcome)
            line.tell({"type": "outcome", "metrics": dict(outcome.metrics)})
    except BadInput as error:
        line.tell({"type": "error", "message": "; ".join(each.message for each in error.problems)})
        raise
    line.tell({"type": "end"})
    return outcomes, line.late


def control(
    path: Path, *, port: int = 7117, seeds: int = 1, budget_s: float = 1.0, wait_s: float = 60.0
) -> list[dict[str, Any]]:
    """Let a process of your own steer the simulated network, over JSON lines on loopback.

    Args:
        path: Study file; its scenario is run, its methods are not.
        port: Port on 127.0.0.1 to listen on; 0 for any that is free.
        seeds: Runs.
        budget_s: Longest wait for an answer of the controller, s; a slot without one passes without swaps.
        wait_s: Longest wait for the controller to connect, s.
    """
    _check(port, seeds, budget_s, wait_s)
    document = read_toml(path)
    table = document.tree.get("scenario")
    if not isinstance(table, dict):
        raise BadInput(document.problem((), "there is no [scenario] table to run"))
    scenario = validate(EntanglementScenario, table, document, ("scenario",), context={"base": path.parent})
    with _listening(port) as listener:
        listener.settimeout(wait_s)
        print(
            f"waiting for a controller on 127.0.0.1:{listener.getsockname()[1]}", file=sys.stderr, flush=True
        )
        try:
            connection, _ = listener.accept()
        except TimeoutError:
            message = f"no controller connected within {wait_s:g} s"
            raise BadInput(Problem(message=message, field="wait_s")) from None
    with connection:
        runs = [Seed(0, "control", "", k) for k in range(seeds)]
        outcomes, late = serve(scenario, connection, runs, budget_s=budget_s)
    return [{"run": k, **outcome.metrics, "late_answers": late} for k, outcome in enumerate(outcomes)]


def _check(port: int, seeds: int, budget_s: float, wait_s: float) -> None:
    problems = []
    if not 0 <= port < 65536:
        problems.append(Problem(message=f"{port} is no port", field="port"))
    if seeds < 1:
        problems.append(Problem(message="must be at least 1", field="seeds"))
    for name, value in (("budget_s", budget_s), ("wait_s", wait_s)):
        if not 0 < value < float("inf"):
            problems.append(Problem(message=f"must be positive and finite, not {value:g}", field=name))
    if problems:
        raise BadInput(problems)


def _listening(port: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port), backlog=1)
    except OSError as error:
        message = f"cannot listen on 127.0.0.1:{port}: {error.strerror or error}"
        raise BadInput(Problem(message=message, field="port", hint="--port 0 takes a free one")) from None
