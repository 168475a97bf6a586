"""Gradient tracking by DISROPT, one MPI process per agent; run by an interpreter that has it, see `disropt_peer.py`.

    mpirun -n AGENTS python disropt_tracking.py FOLDER

Reads FOLDER/problem.json (weights, curvatures, targets, step, rounds) and writes FOLDER/agent-RANK.json (x, wall_s).
Nothing of qoslab is imported here.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from disropt.agents import Agent
from disropt.algorithms.gradient_tracking import GradientTracking
from disropt.functions import QuadraticForm, Variable
from disropt.problems import Problem
from mpi4py import MPI


def main(folder):
    rank = MPI.COMM_WORLD.Get_rank()
    given = json.loads((folder / "problem.json").read_text())
    weights = np.array(given["weights"])
    others = [j for j in np.flatnonzero(weights[rank]).tolist() if j != rank]
    agent = Agent(in_neighbors=list(others), out_neighbors=list(others), in_weights=weights[rank].tolist())
    target = np.array(given["targets"][rank]).reshape(-1, 1)
    x = Variable(len(target))
    # A quadratic form is y^T P y, without the half of our costs.
    agent.set_problem(
        Problem(QuadraticForm(x - target, 0.5 * given["curvatures"][rank] * np.eye(len(target))))
    )
    work = GradientTracking(agent=agent, initial_condition=np.zeros(target.shape))
    MPI.COMM_WORLD.Barrier()
    begun = time.perf_counter()
    work.run(iterations=given["rounds"], stepsize=given["step"])
    found = {"x": np.ravel(work.get_result()).tolist(), "wall_s": time.perf_counter() - begun}
    (folder / f"agent-{rank}.json").write_text(json.dumps(found))


main(Path(sys.argv[1]))
