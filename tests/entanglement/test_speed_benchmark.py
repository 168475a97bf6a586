"""The benchmark's networks and verdicts: else its figures would be of something other than it says."""

from typing import Any

import numpy as np
import pytest
from benchmarks import entanglement_speed
from benchmarks.common import judge, spread

from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.methods.shortest_path import ShortestPath
from qoslab.domains.entanglement.scenario import example
from qoslab.domains.entanglement.world import make_world, widths


def test_every_request_has_two_memories_of_its_own_on_each_link() -> None:
    scenario = entanglement_speed.random_network(64, 80, 6, 1.0, 0.005)
    world = make_world(scenario, Seed(), Context())
    assert (world.network.n, world.network.m, len(scenario.requests)) == (64, 80, 6)
    plan = ShortestPath().plan(world.view, np.random.default_rng(0), Context())
    shares = widths(world, plan)
    used = [link for links, _ in shares for link in links]
    assert len(used) > len(set(used))
    assert {memories for _, share in shares for memories in share} == {2}


def test_a_whole_run_tells_its_time_and_memory() -> None:
    """More than an interpreter with numpy needs, less than a minute and 1 GB."""
    (done,) = entanglement_speed.once(example(), 1)
    assert 0.1 < done.cpu_s < 60
    assert 30 * 1024 < int(done.output) < 1024**2


@pytest.mark.parametrize(
    ("bounds", "verdict"),
    [
        ({"at_least": 100.0}, "bound: at least 100: NOT MET"),
        ({"at_least": 2.0}, "bound: at least 2: met"),
        ({"at_most": 1.5}, "bound: at most 1.5: NOT MET"),
        ({"at_most": 2.0, "at_least": 2.0}, "bound: at most 2 and at least 2: met"),
    ],
)
def test_the_median_is_judged(bounds: Any, verdict: str, capsys: pytest.CaptureFixture[str]) -> None:
    judge("speed", spread([500.0, 2.0, 1.0]), "g", **bounds)
    assert verdict in capsys.readouterr().out
