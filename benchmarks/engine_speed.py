"""The engine: its bare event loop against C++ and heapq, its draws against NumPy's, and what starting it costs.

The model is the one of the engine's tests: M/M/1 queues side by side at load 0.8, a policy that routes at random, the
moments of the sojourn times. All loops serve the same customers where they draw from the same streams.

    python -m benchmarks.engine_speed
"""

from __future__ import annotations

import importlib
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from heapq import heappop, heappush
from pathlib import Path
from typing import IO, Any

import numpy as np

from benchmarks.common import Spread, child, cpu_s, interleaved, judge, ratio, show, spread
from qoslab.engine import streams
from qoslab.engine.kernel import compiled, kernel

LOAD = 0.8
SIZES = (1, 8, 64, 1024)
CUSTOMERS = 500_000
PLAIN_CUSTOMERS = 10_000
DRAWS = 2_000_000
ROUNDS = 7
HERE = Path(__file__).parent
MODELS = HERE.parent / "tests" / "engine" / "models"

Figures = dict[str, list[float]]


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="qoslab-bench-") as scratch, _kernels_in(Path(scratch) / "cache"):
        starts(Path(scratch))
        sys.path.insert(0, str(MODELS))
        per_event = loops(Path(scratch))
        draws(per_event)


@contextmanager
def _kernels_in(cache: Path) -> Iterator[None]:
    """Keep compiled kernels in a folder of this run's own, empty at first."""
    before = os.environ.get("QOSLAB_CACHE")
    os.environ["QOSLAB_CACHE"] = str(cache)
    try:
        yield
    finally:
        os.environ.pop("QOSLAB_CACHE")
        if before is not None:
            os.environ["QOSLAB_CACHE"] = before


# Starting: each figure comes from fresh processes, whose whole CPU time counts, the interpreter's included.

START = """
from queues import ROUTE, any_server, queues, run
from qoslab.engine.kernel import compiled
compiled(run)(queues(64, 1), 0.8, 1000, ROUTE.pointer(any_server))
"""
POLICY = """
import time
begun = time.process_time()
from mine import shortest_of_three
compiled(run)(queues(64, 1), 0.8, 1000, ROUTE.pointer(shortest_of_three))
print(time.process_time() - begun)
"""
MINE = '''
from queues import ROUTE
from qoslab.engine.streams import integers


@ROUTE.policy
def shortest_of_three(view, choices, now):
    """Policy {number}: nobody has compiled it before."""
    best = integers(choices, view.length.shape[0])
    for _ in range(2):
        other = integers(choices, view.length.shape[0])
        best = other if view.length[other] < view.length[best] else best
    return best
'''


def starts(scratch: Path) -> None:
    """A cold cache, a warm cache, a policy that is new and one that is not."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(scratch), str(MODELS)])}
    numbers = iter(range(1_000_000))

    def process(text: str) -> float:
        return child([sys.executable, "-c", text], environment).cpu_s

    def policy(*, new: bool) -> float:
        if new or not (scratch / "mine.py").exists():
            (scratch / "mine.py").write_text(MINE.format(number=next(numbers)))
        return float(child([sys.executable, "-B", "-c", START + POLICY], environment).output)

    cold = process(START)
    figures = interleaved(
        {
            "python": lambda: process("pass"),
            "numba": lambda: process("import numba"),
            "engine": lambda: process(START),
            "new": lambda: policy(new=True),
            "known": lambda: policy(new=False),
        },
        rounds=5,
    )
    show("engine: first start ever, all kernels compiled", f"{cold:.2f} s CPU")
    judge("engine: warm start, whole process", spread(figures["engine"]), ".2f", "s CPU", at_most=1.0)
    show("  of which Python alone", f"{spread(figures['python']):.2f} s CPU")
    show("  Python and `import numba` alone", f"{spread(figures['numba']):.2f} s CPU")
    judge("new user policy: read, checked, compiled", spread(figures["new"]), ".3f", "s CPU", at_most=0.5)
    show("policy compiled before", f"{spread(figures['known']):.3f} s CPU")


# The bare loop.


def loops(scratch: Path) -> dict[int, Spread]:
    """Every loop at every size.

    Returns:
        Nanoseconds per event of the engine's loop through a policy pointer, by the number of servers.
    """
    per_event = {}
    with ExitStack() as stack:
        program = _built(scratch)
        loop = stack.enter_context(Loop.of(program)) if program else None
        for servers in SIZES:
            figures = interleaved(_contestants(servers, loop), ROUNDS)
            _say_loops(servers, figures)
            per_event[servers] = spread(figures["engine"])
    return per_event


def _contestants(servers: int, loop: Loop | None) -> dict[str, Callable[[], float]]:
    """Loops that give nanoseconds of CPU per event; seeds go on from round to round, the same for all."""
    model: Any = importlib.import_module("queues")
    run, bare = (compiled(each, wraparound=False) for each in (model.run, model.run_at_random))
    wrapping = compiled(model.run_at_random)
    pointer = model.ROUTE.pointer(model.any_server)
    means: dict[int, float] = {}

    def engine(kernel: Any, *policy: Any) -> Callable[[], float]:
        seeds = iter(range(1_000_000))

        def once() -> float:
            seed = next(seeds)
            world = _touched(model.queues(servers, seed))
            seconds = cpu_s(lambda: kernel(world, LOAD, CUSTOMERS, *policy))
            _same(means, seed, float(world.sojourn[1]))
            return seconds / (2 * CUSTOMERS) * 1e9

        return once

    def cpp(kind: int) -> Callable[[], float]:
        seeds = iter(range(1_000_000))

        def once() -> float:
            assert loop is not None
            seed = next(seeds)
            seconds, events, mean = loop.run(kind, model.queues(servers, seed))
            _same(means, seed, mean)
            return seconds / events * 1e9

        return once

    def plain() -> float:
        return cpu_s(lambda: heapq_loop(servers, PLAIN_CUSTOMERS)) / (2 * PLAIN_CUSTOMERS) * 1e9

    contestants = {
        "engine": engine(run, pointer),
        "bare": engine(bare),
        "wrapping": engine(wrapping),
        "heapq": plain,
    }
    if loop is not None:
        contestants |= {"registers": cpp(0), "index": cpp(1), "priority_queue": cpp(2)}
    return contestants


def _touched(world: Any) -> Any:
    """The world with its pages in memory: the system's work for them is not the loop's."""
    world.since[:] = 0.0
    return world


def _same(means: dict[int, float], seed: int, mean: float) -> None:
    """See that every loop served the same customers; compilers may round sums in different ways.

    Raises:
        RuntimeError: They did not.
    """
    if not math.isclose(means.setdefault(seed, mean), mean, rel_tol=1e-9):
        message = f"two loops disagree on the mean sojourn time: {means[seed]} and {mean}"
        raise RuntimeError(message)


def _say_loops(servers: int, figures: Figures) -> None:
    title = f"{servers} server{'s' * (servers > 1)}, random routing"
    engine = figures["engine"]
    show(title, f"{1e3 / spread(engine).median:.1f} M events per CPU s, {spread(engine):.1f} ns per event")
    show("  the model's own policy, compiled in", f"{spread(figures['bare']):.1f} ns per event")
    show("  its time over that with negative indices", f"{ratio(figures['bare'], figures['wrapping']):.2f}")
    if "index" in figures:
        trees = min(figures["registers"], figures["index"], key=lambda times: spread(times).median)
        show("  C++, tournament tree, the faster of two", f"{spread(trees):.1f} ns per event")
        judge("  bare engine's time over it", ratio(figures["bare"], trees), ".2f", at_most=1.1)
        show("  time over it through a user's policy pointer", f"{ratio(engine, trees):.2f}")
        show("  C++, std::priority_queue", f"{spread(figures['priority_queue']):.1f} ns per event")
        show("  time over it through that pointer", f"{ratio(engine, figures['priority_queue']):.2f}")
    show("  Python's heapq", f"{spread(figures['heapq']):.0f} ns per event")
    show("  speed over it", f"{ratio(figures['heapq'], engine):.0f} x")


def heapq_loop(servers: int, customers: int) -> float:
    """The model as one would write it in Python without the engine; the mean sojourn time."""
    pending = [(random.expovariate(LOAD * servers), -1)]
    waiting: list[list[float]] = [[] for _ in range(servers)]
    arrived = served = 0
    total = 0.0
    while served < customers:
        now, server = heappop(pending)
        if server < 0:
            arrived += 1
            chosen = int(random.random() * servers)
            waiting[chosen].append(now)
            if len(waiting[chosen]) == 1:
                heappush(pending, (now + random.expovariate(1.0), chosen))
            if arrived < customers:
                heappush(pending, (now + random.expovariate(LOAD * servers), -1))
        else:
            total += now - waiting[server].pop(0)
            served += 1
            if waiting[server]:
                heappush(pending, (now + random.expovariate(1.0), server))
    return total / served


def _built(scratch: Path) -> Path | None:
    """The C++ loop, compiled; None, with the reason printed, where that cannot be."""
    compiler = shutil.which("g++")
    if compiler is None:
        show("C++ loop", "not run: there is no g++ here")
        return None
    program = scratch / "queue_loop"
    command = [compiler, "-O3", "-march=native", "-o", str(program), str(HERE / "queue_loop.cpp")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        show("C++ loop", f"not run: it does not compile: {done.stderr.strip().splitlines()[0]}")
        return None
    return program


class Loop:
    """The C++ loop in a process that lives on between rounds, as the engine does."""

    def __init__(self, to: IO[bytes], back: IO[bytes]) -> None:
        self._to, self._back = to, back
        bound, width, density = streams._EXP_BOUND, streams._EXP_WIDTH, streams._EXP_DENSITY
        to.write(bound.tobytes() + width.tobytes() + density.tobytes())

    @staticmethod
    @contextmanager
    def of(program: Path) -> Iterator[Loop]:
        with subprocess.Popen([str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            yield Loop(process.stdin, process.stdout)

    def run(self, kind: int, world: Any) -> tuple[float, int, float]:
        """CPU seconds, events and mean sojourn time, from the streams of a fresh world."""
        servers = world.seen.length.shape[0]
        states = np.vstack([world.arrivals, world.choices, world.services])
        asked = np.array([kind, servers, CUSTOMERS])
        self._to.write(asked.tobytes() + np.float64(LOAD).tobytes() + states.tobytes())
        self._to.flush()
        seconds, events, mean = self._back.readline().split()
        return float(seconds), int(events), float(mean)


# Draws inside a kernel: the engine's streams against numpy.random.Generator, which Numba compiles, too.


def draws(per_event: dict[int, Spread]) -> None:
    """Nanoseconds per draw, and what the difference makes of a whole run."""
    figures = interleaved(_ours() | _numpys(), ROUNDS)
    for law in ("uniform", "exponential", "normal", "integers"):
        ours = figures[f"ours {law}"]
        show(f"draw: {law}, our stream", f"{spread(ours):.2f} ns")
        for name in GENERATORS:
            theirs = figures[f"{name} {law}"]
            show(f"  Generator({name})", f"{spread(theirs):.2f} ns; ours over it {ratio(ours, theirs):.2f}")
    for name in GENERATORS:
        whole = ratio(figures["ours queue"], figures[f"{name} queue"])
        judge(f"M/M/1 by Lindley, time over Generator({name})'s", whole, ".2f", at_most=1.1)
    # Each event draws one exponential time, and every second one, an arrival, draws a choice.
    show("64 servers: draws of one event, ours", _per_event(figures, "ours", per_event[64]))
    for name in GENERATORS:
        show(f"  with Generator({name})", _per_event(figures, name, per_event[64]))


def _per_event(figures: Figures, whose: str, run: Spread) -> str:
    laws = {law: spread(figures[f"{whose} {law}"]).median for law in ("exponential", "integers")}
    time = laws["exponential"] + 0.5 * laws["integers"]
    return f"{time:.1f} ns, {time / run.median:.0%} of the time that the engine takes for the event"


GENERATORS = {"PCG64": np.random.PCG64, "SFC64": np.random.SFC64, "Philox": np.random.Philox}


def _ours() -> dict[str, Callable[[], float]]:
    from qoslab.engine.streams import exponential, integers, normal, stream, uniform

    def some_server(s: Any) -> int:
        return integers(s, 64)

    def summed(draw: Callable[[Any], float]) -> Any:
        def loop(s: Any, number: int) -> float:
            total = 0.0
            for _ in range(number):
                total += draw(s)
            return total

        return compiled(kernel(loop), cache=False)

    def lindley(arrivals: Any, services: Any, number: int) -> float:
        wait = total = 0.0
        for _ in range(number):
            wait = wait + exponential(services) * 0.8 - exponential(arrivals)
            wait = wait if wait > 0.0 else 0.0
            total += wait
        return total

    laws: dict[str, Any] = {"uniform": uniform, "exponential": exponential, "normal": normal}
    laws["integers"] = kernel(inline=True)(some_server)
    timed = {f"ours {law}": _timed(summed(draw), stream(1)) for law, draw in laws.items()}
    return timed | {"ours queue": _timed(compiled(kernel(lindley), cache=False), stream(1), stream(2))}


def _numpys() -> dict[str, Callable[[], float]]:
    import numba

    def uniform(g: Any, number: int) -> float:
        total = 0.0
        for _ in range(number):
            total += g.random()
        return total

    def exponential(g: Any, number: int) -> float:
        total = 0.0
        for _ in range(number):
            total += g.standard_exponential()
        return total

    def normal(g: Any, number: int) -> float:
        total = 0.0
        for _ in range(number):
            total += g.standard_normal()
        return total

    def integers(g: Any, number: int) -> float:
        total = 0.0
        for _ in range(number):
            total += g.integers(0, 64)
        return total

    def queue(arrivals: Any, services: Any, number: int) -> float:
        wait = total = 0.0
        for _ in range(number):
            wait = wait + services.standard_exponential() * 0.8 - arrivals.standard_exponential()
            wait = wait if wait > 0.0 else 0.0
            total += wait
        return total

    timed = {}
    for law in (uniform, exponential, normal, integers, queue):
        loop = numba.njit(law)
        for name, words in GENERATORS.items():
            pair = [np.random.Generator(words(seed)) for seed in (1, 2)]
            timed[f"{name} {law.__name__}"] = _timed(loop, *pair[: 2 if law is queue else 1])
    return timed


def _timed(loop: Any, *sources: Any) -> Callable[[], float]:
    """Nanoseconds of CPU per turn of a loop."""
    loop(*sources, 10)
    return lambda: cpu_s(lambda: loop(*sources, DRAWS)) / DRAWS * 1e9


if __name__ == "__main__":
    main()
