"""Agents as processes of this machine: each holds its own data, and frames go over sockets between them.

A hearer dials its speakers, says which round it needs, and gets every frame from there on. A process that dies is
started again from its last checkpoint; its speakers send again what it lacks, its hearers dial again. The sockets
lie in a folder that only this user can enter.
"""

from __future__ import annotations

import importlib.machinery
import json
import math
import multiprocessing
import tempfile
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import numpy as np

from qoslab.agents.agent import Seat, seats
from qoslab.agents.channel import Channel
from qoslab.agents.message import FloatArray, MessageType
from qoslab.agents.process import Work, main
from qoslab.agents.program import Own, Program
from qoslab.agents.tap import Tap
from qoslab.agents.weights import Weights
from qoslab.core.errors import BadInput, Problem, QoslabError
from qoslab.core.method import method_name

__all__ = ["AgentsFail", "Walk", "Watch", "play_taps", "require_installed", "work_locally", "works_of"]

Watch = Callable[[Mapping[int, int], Sequence[int]], None]
"""Called again and again while agents work, with process ids by agent and the rounds each has done."""

_POLL_S = 0.02
_MOST_DEATHS = 5


class AgentsFail(QoslabError):
    """An agent's process dies again and again, without a round in between."""


@dataclass(frozen=True, eq=False)
class Walk:
    """What agents did.

    Attributes:
        x: The parts `x` of all states, shape (rounds + 1, n, ...); as far as all came where there are problems.
        restarts: How often an agent was started again.
        problems: Why an agent stopped: what it said was not of the declared type, or its data gave no number.
    """

    x: FloatArray
    restarts: int
    problems: tuple[Problem, ...] = ()


def work_locally(
    program: Program,
    owns: Sequence[Own],
    kind: MessageType,
    weights: Weights | Callable[[int], Weights],
    count: int,
    *,
    channel: Channel | None = None,
    rng: np.random.Generator | None = None,
    taps: Sequence[Tap] = (),
    every: int = 100,
    watch: Watch | None = None,
) -> Walk:
    """Let one process per agent work `count` rounds.

    Args:
        program: What agents do.
        owns: What each knows by itself, one row each.
        kind: What may be said.
        weights: Who hears whom, in each round; one object where that never changes.
        count: Rounds.
        channel: What happens on the way; each hearer does it to what it is sent, see `Inlet`.
        rng: Source of noise and losses.
        taps: Who listens; told when all rounds are worked.
        every: Rounds between two checkpoints of an agent.
        watch: Sees process ids and progress; may raise to stop all.

    Raises:
        BadInput: The program is not from an installed module, or the channel is not ideal and the weights change.
        AgentsFail: An agent dies again and again.
    """
    require_installed(program)
    with tempfile.TemporaryDirectory(prefix="qoslab-") as name:
        folder = Path(name)
        places = seats(weights, kind, count, channel, rng)
        works = works_of(program, owns, places, kind, count, every, folder, taps)
        walk = _Crew(works, folder).run(count, watch)
        play_taps(works, taps, len(walk.x) - 1)
        return walk


def play_taps(works: Sequence[Work], taps: Sequence[Tap], count: int) -> None:
    """Give taps what was recorded of the agents that they listen to."""
    if count < 1:
        return  # an agent stopped before anything was said
    for tap in taps:
        tapes = {i: (works[i].folder / f"{i}.said").read_bytes() for i in tap.agents}
        tap.play(tapes, works[0].kind, count)


def works_of(
    program: Program,
    owns: Sequence[Own],
    places: Sequence[Seat],
    kind: MessageType,
    count: int,
    every: int,
    folder: Path,
    taps: Sequence[Tap] = (),
) -> list[Work]:
    """What each agent is given; see `work_locally`. Its checkpoints and its trace lie in the folder."""
    tapped = {agent for tap in taps for agent in tap.agents}
    return [
        Work(program, own, seat, kind, count, every, folder, seat.agent in tapped)
        for own, seat in zip(owns, places, strict=True)
    ]


def require_installed(program: Program) -> None:
    """Refuse a program whose class a fresh process cannot import: one from a user's file, or made in a function."""
    cls, where, name = type(program), None, ""
    for part in cls.__module__.split("."):
        name = f"{name}.{part}" if name else part
        found = importlib.machinery.PathFinder.find_spec(name, where)
        where = found.submodule_search_locations if found is not None else []
    if found is None or cls.__module__ == "__main__" or "<locals>" in cls.__qualname__:
        message = f"{method_name(program)} cannot be imported by a process of its own: it is from no installed module"
        hint = "agents = 'arrays'; or install the module"
        raise BadInput(Problem(field="scenario.agents", message=message, hint=hint))


class _Crew:
    """Starts the processes, starts again those that die, and reads how far each came."""

    def __init__(self, works: list[Work], folder: Path) -> None:
        self._works, self._folder = works, folder
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["qoslab.agents.process", type(works[0].program).__module__])
        self._pool: list[Any] = []
        self._deaths, self._reached = [0] * len(works), [-1] * len(works)
        self._restarts = 0
        # On copies: a program may measure, and so draw noise, when it starts.
        self._shapes = [work.program.start(deepcopy(work.own))["x"].shape[1:] for work in works]

    def run(self, count: int, watch: Watch | None) -> Walk:
        try:
            self._pool = [self._start(work) for work in self._works]
            while True:
                rounds = self._rounds()
                if min(rounds) >= count:
                    return Walk(self._gather(count), self._restarts)
                if watch is not None:
                    watch({i: one.pid for i, one in enumerate(self._pool)}, rounds)
                wait([one.sentinel for one in self._pool], _POLL_S)
                problems = self._replace()
                if problems:
                    return Walk(self._gather(min(self._rounds())), self._restarts, problems)
        finally:
            for one in self._pool:
                one.kill()
            for one in self._pool:
                one.join()
                one.close()

    def _start(self, work: Work) -> Any:
        process = self._context.Process(target=main, args=(work,), daemon=True)
        process.start()
        return process

    def _replace(self) -> tuple[Problem, ...]:
        """Start again who died; the reasons of one who stopped by itself."""
        for i, one in enumerate(self._pool):
            if one.is_alive():
                continue
            problems = self._complaint(i)
            if problems:
                return problems
            self._count_death(i, one.exitcode)
            one.join()
            one.close()
            self._pool[i] = self._start(self._works[i])
        return ()

    def _count_death(self, agent: int, code: int | None) -> None:
        reached = self._rounds()[agent]
        self._deaths[agent] = 1 if reached > self._reached[agent] else self._deaths[agent] + 1
        self._reached[agent] = max(reached, self._reached[agent])
        self._restarts += 1
        if self._deaths[agent] > _MOST_DEATHS:
            message = f"agent {agent}'s process died {self._deaths[agent]} times in round {max(reached, 0)}"
            raise AgentsFail(message + f", last with exit code {code}")

    def _complaint(self, agent: int) -> tuple[Problem, ...]:
        file = self._folder / f"{agent}.json"
        told = json.loads(file.read_text()) if file.is_file() else []
        return tuple(Problem(**one | {"path": Path(one["path"]) if one["path"] else None}) for one in told)

    def _rounds(self) -> list[int]:
        """Rounds on record. One who starts again records the same bytes again, so the record stands."""
        found = []
        for i, shape in enumerate(self._shapes):
            file = self._folder / f"{i}.trace"
            found.append(file.stat().st_size // (8 * math.prod(shape)) - 1 if file.is_file() else -1)
        return found

    def _gather(self, count: int) -> FloatArray:
        paths = []
        for i, shape in enumerate(self._shapes):
            file, size = self._folder / f"{i}.trace", (count + 1) * math.prod(shape)
            record = np.fromfile(file, np.float64, size) if file.is_file() else np.zeros(0)
            paths.append(record.reshape(count + 1, *shape))
        return np.stack(paths, axis=1)
