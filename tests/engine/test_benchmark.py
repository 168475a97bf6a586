"""The loops that the engine is measured against do the same work: else their ratios would mean nothing."""

import random
import sys
from pathlib import Path

import pytest
import queues
from queues import ROUTE, any_server

from qoslab.engine.kernel import compiled

sys.path.append(str(Path(__file__).parents[2]))

from benchmarks import engine_speed


@pytest.fixture(scope="module")
def loop(tmp_path_factory):
    program = engine_speed._built(tmp_path_factory.mktemp("cpp"))
    if program is None:
        pytest.skip("no g++ here, or it knows no -march=native")
    with engine_speed.Loop.of(program) as running:
        yield running


@pytest.mark.parametrize("servers", [1, 3, 64])
@pytest.mark.parametrize("events", [0, 1, 2])
def test_the_cpp_loop_serves_the_engines_customers(loop, servers, events, monkeypatch):
    monkeypatch.setattr(engine_speed, "CUSTOMERS", 20_000)
    world = queues.queues(servers, 5)
    _, count, mean = loop.run(events, world)
    assert count == compiled(queues.run)(world, engine_speed.LOAD, 20_000, ROUTE.pointer(any_server))
    assert mean == pytest.approx(world.sojourn[1], rel=1e-9)


@pytest.mark.parametrize("servers", [1, 4])
def test_the_heapq_loop_has_the_mean_of_mm1(servers):
    """E[T] = 1 / (1 - load) = 5; the standard error is about 0.1, so 0.6 is six of them: error below 1e-8."""
    random.seed(1)
    assert engine_speed.heapq_loop(servers, 200_000) == pytest.approx(5.0, abs=0.6)
