"""The benchmark beside DISROPT: files go out and come back; a launcher with dense matrices stands in for MPI."""

import sys

import numpy as np
import pytest
from benchmarks import disropt_peer
from benchmarks.disropt_peer import ROUNDS, STEP, by_disropt, by_us, instance

STAND_IN = """
import json, sys
from pathlib import Path
import numpy as np
assert sys.argv[1] == "-n" and sys.argv[3:4] == ["python-of-the-peer"] and sys.argv[4].endswith("disropt_tracking.py")
folder = Path(sys.argv[5])
given = json.loads((folder / "problem.json").read_text())
w, q, c = (np.array(given[name]) for name in ("weights", "curvatures", "targets"))
assert len(w) == int(sys.argv[2])
assert np.allclose(w.sum(axis=0), 1) and np.allclose(w.sum(axis=1), 1)
x = np.zeros_like(c)
slope = q[:, None] * (x - c)
z = slope
for _ in range(given["rounds"]):
    x = w @ x - given["step"] * z
    fresh = q[:, None] * (x - c)
    z, slope = w @ z + fresh - slope, fresh
for rank, row in enumerate(x):
    if rank not in LOST:
        (folder / f"agent-{rank}.json").write_text(json.dumps({"x": row.tolist(), "wall_s": 1.0 + rank}))
"""


def launcher(tmp_path, lost=()):
    file = tmp_path / "launcher.py"
    file.write_text(f"LOST = {list(lost)}\n{STAND_IN}")
    return [sys.executable, str(file)]


def test_gradient_tracking_by_dense_matrices_is_push_diging_on_a_ring(tmp_path):
    task = instance(5)
    theirs = by_disropt(task, "python-of-the-peer", launcher(tmp_path))
    np.testing.assert_allclose(by_us(task).x, theirs.x, atol=1e-12)
    np.testing.assert_allclose(theirs.x, np.tile(task.optimum, (5, 1)), atol=1e-6)
    assert theirs.wall_s == 5.0
    assert STEP * ROUNDS > 1


def test_a_process_without_a_result_is_told(tmp_path):
    with pytest.raises(RuntimeError, match="DISROPT's processes ended with 0"):
        by_disropt(instance(3), "python-of-the-peer", launcher(tmp_path, lost=[1]))
    with pytest.raises(RuntimeError, match="AssertionError"):
        by_disropt(instance(3), "another", launcher(tmp_path))


def test_without_the_peer_it_says_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["disropt_peer"])
    disropt_peer.main()
    assert "pip install disropt mpi4py" in capsys.readouterr().out
