"""A policy of one function is a method like any other: from Python, from a user's file, with its parameters."""

import numpy as np
import pytest

from qoslab import Study
from qoslab.core.context import Context
from qoslab.core.registry import registry
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.methods.shortest_path import ShortestPath
from qoslab.domains.entanglement.model import run
from qoslab.domains.entanglement.policy import decider, planner
from qoslab.domains.entanglement.protocol import PathPlan, Plan, Swap
from qoslab.domains.entanglement.scenario import EntanglementScenario

CHAIN = {
    "network": {
        "links": [
            {"source": "A", "target": "R", "length_km": 20.0},
            {"source": "R", "target": "B", "length_km": 20.0},
        ]
    },
    "requests": [{"source": "A", "target": "B"}],
    "horizon_s": 0.5,
}
PLANNER = '''"""The shortest way, as one function."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from qoslab.domains.entanglement.policy import planner
from qoslab.domains.entanglement.protocol import PathPlan, Plan
from qoslab.graphs.shortest import shortest_path


@planner("mine", summary="the shortest way")
def mine(view, rng, context, *, cutoff_s: Annotated[float, Field(gt=0)] = 0.005):
    """Nodes of the shortest way."""
    ways = [
        shortest_path(view.network, view.network.index(each.source), view.network.index(each.target), "length_km")
        for each in view.requests
    ]
    return Plan(tuple(PathPlan(place, way.nodes, cutoff_s=cutoff_s) for place, way in enumerate(ways)))
'''
STUDY = """[study]
name = "one"
domain = "entanglement"
seeds = 2

[scenario]
network.links = [
  { source = "A", target = "R", length_km = 20.0 },
  { source = "R", target = "B", length_km = 20.0 },
]
requests = [{ source = "A", target = "B" }]
horizon_s = 0.5

[[method]]
id = "mine"
file = "mine.py"
cutoff_s = 0.002

[[method]]
id = "shortest_path"
cutoff_s = 0.002
"""


def test_a_function_in_a_users_file_is_a_method_with_parameters(tmp_path):
    (tmp_path / "mine.py").write_text(PLANNER)
    (tmp_path / "study.toml").write_text(STUDY)
    table = Study.from_file(tmp_path / "study.toml").run(out=tmp_path / "out").table
    rates = table.sort("replication").group_by("method", maintain_order=True).agg("rate_per_s")
    mine, registered = rates["rate_per_s"].to_list()
    assert mine == registered
    assert min(mine) > 0


def test_a_wrong_value_of_a_functions_parameter_is_refused_with_its_line(tmp_path):
    (tmp_path / "mine.py").write_text(PLANNER)
    (tmp_path / "study.toml").write_text(STUDY.replace("cutoff_s = 0.002", "cutoff_s = -1.0", 1))
    with pytest.raises(Exception, match="cutoff_s") as caught:
        Study.from_file(tmp_path / "study.toml").run(out=tmp_path / "out")
    assert "greater than 0" in str(caught.value)


def test_a_function_that_decides_orders_swaps():
    with registry.collecting():

        @decider("greedy", summary="swaps a pair with A and one with B", knows_hops=0)
        def greedy(view, rng, context, *, at: str = "R"):
            middle = view.network.index(at)
            held = {pair.first + pair.second - middle: pair.ident for pair in view.live}
            return [Swap(middle, held[0], held[2], 0)] if {0, 2} <= held.keys() else []

    outcome = next(iter(run(EntanglementScenario.model_validate(CHAIN), greedy(), [Seed()], Context())))
    assert outcome.metrics["rate_per_s"] > 0
    assert greedy.knows_hops == 0
    assert not greedy().plan(None, None, None).paths


def test_two_functions_are_two_methods():
    from qoslab.study.fingerprint import _class_digest

    with registry.collecting():
        first = planner("first", summary="one")(lambda view, rng, context: 1)
        second = planner("second", summary="another")(lambda view, rng, context: 2)
    assert _class_digest(first) != _class_digest(second)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda view: None, "view, rng, context"),
        (lambda view, rng, context, **more: None, "view, rng, context"),
        (lambda view, rng, context, *, width=1: None, "'width' needs a type"),
    ],
)
def test_a_function_that_cannot_be_a_policy_says_why(function, words):
    with pytest.raises(TypeError, match=words):
        planner("wrong", summary="wrong")(function)


def test_the_class_of_a_function_runs_like_the_method_it_repeats():
    with registry.collecting():

        @planner("chain", summary="the only way")
        def chain(view, rng, context):
            return Plan((PathPlan(0, (0, 1, 2)),))

    scenario = EntanglementScenario.model_validate(CHAIN)
    found, wanted = (
        next(iter(run(scenario, each, [Seed()], Context()))).metrics for each in (chain(), ShortestPath())
    )
    assert found["rate_per_s"] == wanted["rate_per_s"] > 0
    assert np.isfinite(found["fidelity"])
