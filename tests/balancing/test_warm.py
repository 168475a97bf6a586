"""Compiling in advance gives a run all its kernels, and shares what cases share."""

from __future__ import annotations

import subprocess
import sys

import pytest
from worlds import world

from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.balancing.methods.lsq import Lsq
from qoslab.domains.balancing.methods.random import Random
from qoslab.domains.balancing.model import Simulation, run, warm

PROGRAM = """
from numba.core.dispatcher import Dispatcher
from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.balancing.methods.lsq import Lsq
from qoslab.domains.balancing.methods.random import Random
from qoslab.domains.balancing.model import run, warm
from qoslab.domains.balancing.scenario import example
from qoslab.engine.compiler import _outer

def loaded():
    return {twin.__qualname__: len(twin.overloads) for twin in _outer.values() if isinstance(twin, Dispatcher)}

short = example()
mean = short.model_copy(update={"metrics": "mean"})
warm([(short, Lsq()), (mean, Lsq()), (short, Random()), (short, Lsq())], Context())
before = loaded()
assert sum(name.startswith("advance") for name in before) == 2, before
assert sum(name.startswith("fill") for name in before) == 1, before
for scenario, method in ((short, Lsq()), (mean, Lsq()), (short, Random()), (mean, Random())):
    list(run(scenario, method, [Seed()], Context()))
assert loaded() == before, (before, loaded())
assert set(before.values()) == {1}, before
"""


def test_a_run_finds_all_that_it_needs():
    """In a process of its own, where nothing was loaded before."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


LEARNER = """
from numba.core.dispatcher import Dispatcher
from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.balancing.methods.rlb_sac import RlbSac
from qoslab.domains.balancing.model import run, warm
from qoslab.domains.balancing.scenario import example
from qoslab.engine.compiler import _outer

def loaded():
    return {twin.__qualname__: len(twin.overloads) for twin in _outer.values() if isinstance(twin, Dispatcher)}

method = RlbSac(episodes=0, updates=1, hidden=4, batch=2)
warm([(example(), method)], Context())
before = loaded()
list(run(example(), method, [Seed()], Context()))
assert loaded() == before, (before, loaded())
assert sum(name.startswith("look") for name in before) == 1, before
"""


def test_what_learns_in_a_run_compiles_nothing_there():
    """In a process of its own; not only the event loop, what the learner looks with is there as well."""
    pytest.importorskip("torch", reason="needs the extra learn")
    done = subprocess.run([sys.executable, "-c", LEARNER], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_cases_that_differ_in_values_alone_are_looked_at_once(monkeypatch):
    looked = []
    monkeypatch.setattr(Simulation, "compile", lambda self: looked.append(self.variant))
    cases = [(world(load=load, requests=10), Lsq()) for load in (0.1, 0.2, 0.3)]
    cases += [(world(load=0.1, requests=10, timeout_s=1.0), Lsq()), (world(load=0.1), Random())]
    warm(cases, Context())
    assert [variant["GENERAL"] for variant in looked] == [False, True, False]


def test_one_that_fails_keeps_no_other_from_being_compiled(monkeypatch):
    looked = []
    monkeypatch.setattr(Simulation, "compile", lambda self: looked.append(self))

    class Broken(Lsq):
        def wire(self, site):
            message = "no wires"
            raise ValueError(message)

    with pytest.raises(ValueError, match="no wires"):
        warm([(world(load=0.5), Broken()), (world(load=0.5), Lsq())], Context())
    assert len(looked) == 1


def test_nothing_is_run():
    scenario = world(load=0.5, requests=100)
    simulation = Simulation(scenario, Lsq(), Seed())
    simulation.compile()
    assert simulation.now == 0.0
    simulation.finish()
    outcome = next(iter(run(scenario, Lsq(), [Seed()], Context())))
    assert simulation.world.tally.events.sum(axis=0)[1] == outcome.counters["finished"] == 100
