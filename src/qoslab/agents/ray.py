"""Agents as Ray actors: each holds its own data, and frames go from actor to actor.

The parent only starts actors, introduces them to each other and reads how far they came. An actor that is lost is
started again from its last checkpoint; its speakers send again what it lacks. Checkpoints and traces lie in a folder
that every machine of the cluster must see under the same path; on one machine it is a temporary one.
"""

from __future__ import annotations

import contextlib
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np

from qoslab.agents.agent import Agent, seats
from qoslab.agents.channel import Channel
from qoslab.agents.local import AgentsFail, Walk, Watch, play_taps, require_installed, works_of
from qoslab.agents.message import MessageType
from qoslab.agents.process import Work, open_tape
from qoslab.agents.program import Own, Program
from qoslab.agents.tap import Tap
from qoslab.agents.weights import Weights
from qoslab.core.cluster import start_cluster
from qoslab.core.errors import BadInput, MissingExtra, Problem

__all__ = ["hands_on_ray", "work_on_ray"]

_POLL_S = 0.05
_MOST_DEATHS = 5
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class _Actor:
    """What runs on the cluster: one agent, moved on by the frames that arrive."""

    def __init__(self, work: Work) -> None:
        self._work, seat = work, work.seat
        self._agent = Agent(work.program, work.own, seat, work.kind, work.count)
        self._saved = work.folder / f"{seat.agent}.npz"
        self._agent.load(self._saved)
        self._trace = os.open(work.folder / f"{seat.agent}.trace", os.O_WRONLY | os.O_CREAT, 0o600)
        self._tape = open_tape(work)
        self._others: dict[int, Any] = {}
        self._sent: dict[int, int] = {}
        self._problems: tuple[Problem, ...] = ()
        self._record()

    def pid(self) -> int:
        """The process, for those who watch."""
        return os.getpid()

    def durable(self) -> int:
        """Rounds that a loss would not undo."""
        return self._agent.durable

    def meet(self, others: Mapping[int, Any], needs: Mapping[int, int]) -> None:
        """Get to know neighbours, or know them anew, and send hearers all from the round that each needs."""
        self._others.update(others)
        for hearer, need in needs.items():
            self._agent.forget(hearer, need)
            self._sent[hearer] = need
        self._move()

    def receive(self, speaker: int, frames: Sequence[tuple[int, bytes]]) -> None:
        """Take in what a speaker said, and work on."""
        for k, frame in frames:
            self._agent.receive(speaker, k, frame)
        self._move()

    def forget(self, hearer: int, durable: int) -> None:
        """A hearer's rounds are safe."""
        self._agent.forget(hearer, durable)

    def state(self) -> tuple[int, tuple[Problem, ...]]:
        """Rounds done, and why no more can be."""
        return self._agent.round, self._problems

    def _move(self) -> None:
        if self._problems:
            return
        try:
            # Rounds that overflow are told by the parent as a divergence.
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                while self._agent.ready:
                    self._agent.step()
                    self._record()
                    if self._agent.done or self._agent.round % self._work.every == 0:
                        self._keep()
        except BadInput as error:
            self._problems = tuple(error.problems)
        self._send()

    def _send(self) -> None:
        for hearer, box in self._agent.outbox.items():
            if hearer not in self._others:
                continue
            # Rounds before the first that is kept are safe with the hearer.
            first = max(self._sent[hearer], min(box, default=0))
            frames: list[tuple[int, bytes]] = []
            while first + len(frames) in box:
                frames.append((first + len(frames), box[first + len(frames)]))
            if frames:
                self._sent[hearer] = first + len(frames)
                self._others[hearer].receive.remote(self._work.seat.agent, frames)

    def _keep(self) -> None:
        self._agent.save(self._saved)
        for speaker in self._work.seat.speakers:
            if speaker in self._others:
                self._others[speaker].forget.remote(self._work.seat.agent, self._agent.durable)

    def _record(self) -> None:
        row = np.ascontiguousarray(self._agent.state["x"][0], np.float64).tobytes()
        os.pwrite(self._trace, row, self._agent.round * len(row))
        if self._tape is not None and not self._agent.done:
            os.pwrite(self._tape, self._agent.said, self._agent.round * self._work.kind.bytes)


def work_on_ray(
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
    """Let one Ray actor per agent work `count` rounds; joins the cluster of `RAY_ADDRESS`, or starts one here.

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
        MissingExtra: Ray is not installed.
        BadInput: The program is not from an installed module, or the channel is not ideal and the weights change.
        AgentsFail: An agent dies again and again.
    """
    require_installed(program)
    with _cluster() as ray, tempfile.TemporaryDirectory(prefix="qoslab-") as name:
        folder = Path(name)
        places = seats(weights, kind, count, channel, rng)
        works = works_of(program, owns, places, kind, count, every, folder, taps)
        walk = _Crew(ray, works, folder).run(count, watch)
        play_taps(works, taps, len(walk.x) - 1)
        return walk


class _Hand:
    """What runs on the cluster for `hands_on_ray`."""

    def __init__(self, hold: Callable[[Any], None], given: list[Any]) -> None:
        # A reference within a list is not resolved on the way: an actor that is started again asks for it again.
        hold(_ray().get(given[0]))

    def work(self, function: Callable[[Any], Any], piece: Any) -> Any:
        return function(piece)


@contextlib.contextmanager
def hands_on_ray(
    count: int, hold: Callable[[Any], None], given: Any
) -> Iterator[Callable[[Callable[[Any], Any], Sequence[Any]], list[Any]]]:
    """Ray actors that hold something once and then work on pieces: a `map` over them, results in the pieces' order.

    An actor that is lost is started again, holds the same again, and works on its piece once more, up to five times.

    Args:
        count: Actors; piece i is worked on by actor i mod count.
        hold: Called once by each actor with `given`; a function of an installed module, like those mapped later.
        given: What they hold.

    Raises:
        MissingExtra: Ray is not installed.
    """
    with _cluster() as ray:
        settings = {"num_cpus": 0, "max_restarts": _MOST_DEATHS, "max_task_retries": _MOST_DEATHS}
        remote = ray.remote(_Hand).options(runtime_env=_environment(), **settings)
        held = ray.put(given)
        hands = [remote.remote(hold, [held]) for _ in range(count)]

        def spread(function: Callable[[Any], Any], pieces: Sequence[Any]) -> list[Any]:
            works = [hands[i % count].work.remote(function, piece) for i, piece in enumerate(pieces)]
            return list(ray.get(works))

        try:
            yield spread
        finally:
            for hand in hands:
                with contextlib.suppress(ray.exceptions.RayError):
                    ray.kill(hand, no_restart=True)


@contextlib.contextmanager
def _cluster() -> Iterator[Any]:
    """Ray, joined or started here for as long as it is used."""
    ray = _ray()
    mine = not ray.is_initialized()
    if mine:
        _begin(ray)
    try:
        yield ray
    finally:
        if mine:
            ray.shutdown()


def _environment() -> dict[str, Any]:
    return {"env_vars": {**_ONE_THREAD, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}}


def _begin(ray: Any) -> None:
    address = os.environ.get("RAY_ADDRESS")
    if address:
        ray.init(address=address, logging_level="error", log_to_driver=False)
        return
    start_cluster(ray)


class _Crew:
    """Starts the actors, starts again those that are lost, and reads how far each came."""

    def __init__(self, ray: Any, works: list[Work], folder: Path) -> None:
        self._ray, self._works, self._folder = ray, works, folder
        # Agents wait most of the time: no processor is set aside for any.
        self._remote = ray.remote(_Actor).options(num_cpus=0, max_restarts=0, runtime_env=_environment())
        self._pool: list[Any] = []
        self._deaths, self._reached = [0] * len(works), [-1] * len(works)
        self._restarts = 0

    def run(self, count: int, watch: Watch | None) -> Walk:
        try:
            self._pool = [self._remote.remote(work) for work in self._works]
            for agent in range(len(self._works)):
                self._introduce(agent, dict.fromkeys(self._works[agent].seat.hearers, 0))
            while True:
                found = self._look()
                problems = tuple(problem for _, more in found for problem in more)
                rounds = [done for done, _ in found]
                if problems or min(rounds) >= count:
                    return Walk(self._gather(min(rounds)), self._restarts, problems)
                if watch is not None:
                    watch(self._pids(), rounds)
                time.sleep(_POLL_S)
        finally:
            for actor in self._pool:
                with contextlib.suppress(self._ray.exceptions.RayError):
                    self._ray.kill(actor, no_restart=True)

    def _introduce(self, agent: int, needs: Mapping[int, int]) -> None:
        seat = self._works[agent].seat
        others = {j: self._pool[j] for j in {*seat.hearers, *seat.speakers}}
        self._pool[agent].meet.remote(others, dict(needs))

    def _look(self) -> list[tuple[int, tuple[Problem, ...]]]:
        """Rounds and problems of everybody; who does not answer any more is replaced."""
        asked = [actor.state.remote() for actor in self._pool]
        found = []
        for agent, answer in enumerate(asked):
            try:
                found.append(self._ray.get(answer))
            except self._ray.exceptions.RayError as error:
                found.append((self._replace(agent, error), ()))
        return found

    def _replace(self, agent: int, error: Exception) -> int:
        fresh = self._remote.remote(self._works[agent])
        try:
            durable = int(self._ray.get(fresh.durable.remote()))
        except self._ray.exceptions.RayError:
            durable = -1
        self._deaths[agent] = 1 if durable > self._reached[agent] else self._deaths[agent] + 1
        self._reached[agent] = max(durable, self._reached[agent])
        self._restarts += 1
        if self._deaths[agent] > _MOST_DEATHS:
            last = " ".join(str(error).strip().splitlines()[:1])
            message = f"agent {agent}'s actor was lost {self._deaths[agent]} times in round {max(durable, 0)}"
            message += f": {last}"
            raise AgentsFail(message)
        self._pool[agent] = fresh
        seat = self._works[agent].seat
        # It sends all that it kept; hearers leave what they have had.
        self._introduce(agent, dict.fromkeys(seat.hearers, 0))
        for speaker in seat.speakers:
            self._pool[speaker].meet.remote({agent: fresh}, {agent: durable} if durable >= 0 else {})
        for hearer in seat.hearers:
            self._pool[hearer].meet.remote({agent: fresh}, {})
        return durable

    def _pids(self) -> dict[int, int]:
        found = {}
        for agent, actor in enumerate(self._pool):
            with contextlib.suppress(self._ray.exceptions.RayError):
                found[agent] = int(self._ray.get(actor.pid.remote()))
        return found

    def _gather(self, count: int) -> Any:
        paths = []
        for i, work in enumerate(self._works):
            # On a copy: a program may measure, and so draw noise, when it starts.
            shape = work.program.start(deepcopy(work.own))["x"].shape[1:]
            record = np.fromfile(self._folder / f"{i}.trace", np.float64, (count + 1) * math.prod(shape))
            paths.append(record.reshape(count + 1, *shape))
        return np.stack(paths, axis=1)


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        what = "agents on Ray"
        raise MissingExtra(what, "ray") from None
    return ray
