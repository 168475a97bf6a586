"""Gradient tracking on a ring by DISROPT, in its own processes, and by us: the same numbers, and the time of a round.

    python -m benchmarks.disropt_peer --python PATH [--mpirun PATH]

DISROPT is GPL-3 and needs MPI. It is never imported or installed here: PATH is an interpreter of an environment of your
own that has it (`pip install disropt mpi4py`, and an MPI such as Open MPI), which runs `peers/disropt_tracking.py`;
problem and results go through files. On a ring every agent gives each of its two neighbours and itself a third, which
is doubly stochastic: push_diging is then plain gradient tracking, which is what DISROPT has.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.common import show
from qoslab.agents.message import FloatArray
from qoslab.core.context import Context
from qoslab.domains.optimization.instances import ring, work
from qoslab.domains.optimization.methods.push_diging import PushDiging
from qoslab.domains.optimization.problems.smooth import Quadratic
from qoslab.domains.optimization.task import Task, task_of

__all__ = ["Peer", "by_disropt", "by_us", "instance"]

SCRIPT = Path(__file__).parent / "peers" / "disropt_tracking.py"
STEP, ROUNDS, DIMENSION = 0.05, 500, 3
_LIMIT_S = 300


class Peer(NamedTuple):
    """What the agents' processes ended with.

    Attributes:
        x: Shape (n, p).
        wall_s: The longest time of any agent, without starting.
    """

    x: FloatArray
    wall_s: float


def instance(agents: int) -> Task:
    """Quadratic costs on a ring."""
    rng = np.random.default_rng(1)
    costs = Quadratic(None, rng.uniform(0.5, 2.0, agents), rng.standard_normal((agents, DIMENSION)))
    return task_of(ring(agents), costs)


def by_us(task: Task) -> Peer:
    """All agents in one process on arrays."""
    begun = time.perf_counter()
    trace = work(task, PushDiging(STEP), ROUNDS, Context())
    return Peer(trace.x, time.perf_counter() - begun)


def by_disropt(task: Task, python: str, launcher: Sequence[str]) -> Peer:
    """One MPI process per agent.

    Args:
        task: Quadratic costs on an undirected network with doubly stochastic column weights.
        python: An interpreter with DISROPT.
        launcher: The command that starts processes, which `-n AGENTS PROGRAM ...` is appended to.

    Raises:
        RuntimeError: The processes failed, or one of them left no result; with their own words.
    """
    costs = task.costs
    assert isinstance(costs, Quadratic)
    problem = {
        "weights": task.weights.column.toarray().tolist(),
        "curvatures": costs.curvature.tolist(),
        "targets": costs.target.tolist(),
        "step": STEP,
        "rounds": ROUNDS,
    }
    # More processes than processors are wanted: agents wait for each other most of the time.
    more = {
        "OMPI_MCA_rmaps_base_oversubscribe": "1",
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
    }
    with tempfile.TemporaryDirectory(prefix="qoslab-") as name:
        folder = Path(name)
        (folder / "problem.json").write_text(json.dumps(problem))
        command = [*launcher, "-n", str(task.n), python, str(SCRIPT), name]
        environment = os.environ | more | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_LIMIT_S, check=False
        )
        files = [folder / f"agent-{rank}.json" for rank in range(task.n)]
        if done.returncode or not all(file.is_file() for file in files):
            said = (done.stderr or done.stdout).strip()[-2000:]
            message = f"DISROPT's processes ended with {done.returncode}: {said}"
            raise RuntimeError(message)
        found = [json.loads(file.read_text()) for file in files]
    return Peer(np.array([one["x"] for one in found]), max(one["wall_s"] for one in found))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", help="an interpreter that has DISROPT and mpi4py")
    parser.add_argument("--mpirun", default="mpirun", help="the program that starts MPI processes")
    parser.add_argument("--agents", type=int, default=8, help="agents, each a process; at least 3")
    given = parser.parse_args()
    launcher = shutil.which(given.mpirun)
    if given.python is None or launcher is None:
        what = "--python names no interpreter" if given.python is None else f"{given.mpirun} is not installed"
        print(
            f"DISROPT was not run: {what}. An environment of its own has it: pip install disropt mpi4py, and an MPI"
        )
        return
    task = instance(given.agents)
    theirs, ours = by_disropt(task, given.python, [launcher]), by_us(task)
    apart = float(np.abs(theirs.x - ours.x).max())
    show("largest difference of any number after the last round", f"{apart:.1e}")
    show("DISROPT, wall time of a round", f"{1e6 * theirs.wall_s / ROUNDS:.0f} us")
    show("ours, arrays in one process", f"{1e6 * ours.wall_s / ROUNDS:.0f} us")
    show("DISROPT over ours", f"{theirs.wall_s / ours.wall_s:.0f}")
    if not apart < 1e-9:
        raise SystemExit(f"they do not agree: {apart}")


if __name__ == "__main__":
    main()
