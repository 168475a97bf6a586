"""Scenarios that cannot be: each is refused by `check` with its line, before anything runs."""

from itertools import pairwise
from pathlib import Path

import pytest

from qoslab import Study
from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.registry import registry
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.checking import check
from qoslab.domains.entanglement.methods.shortest_path import ShortestPath
from qoslab.domains.entanglement.model import run
from qoslab.domains.entanglement.scenario import EntanglementScenario, example

FILE = """[study]
name = "bad"
domain = "entanglement"
seeds = 1

[scenario]
network.links = [
  { source = "A", target = "R", length_km = 20.0 },
  { source = "R", target = "B", length_km = 20.0 },
  { source = "X", target = "Y", length_km = 5.0 },
]
requests = [
  { source = "A", target = "B", fidelity = 0.7 },
]
links.attenuation_db_per_km = 0.2
horizon_s = 0.1

[[method]]
id = "shortest_path"
order = "ranks"
ranks = [1, 0, 1]
"""


def problems(folder: Path, old: str, new: str) -> tuple:
    path = folder / "study.toml"
    assert FILE.count(old) >= 1
    path.write_text(FILE.replace(old, new))
    with pytest.raises(BadInput) as caught:
        Study.from_file(path)
    return caught.value.problems


def test_the_file_is_good_as_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text(FILE)
    assert len(Study.from_file(path).scenarios) == 1


@pytest.mark.parametrize(
    ("old", "new", "line", "field", "words"),
    [
        ('"B", fid', '"Q", fid', 13, "requests.0.target", "no node 'Q'"),
        ('"B", fid', '"Y", fid', 13, "requests.0", "no path between 'A' and 'Y'"),
        ("horizon_s", "nodes.coherence_s = 1e-4\nhorizon_s", 16, "nodes.coherence_s", "dropped at an age of 0.0001"),
        ("horizon_s", "nodes.swap_success = 0.0\nhorizon_s", 16, "nodes.swap_success", "swap at 'R' never"),
        ("horizon_s = 0.1", "horizon_s = 1e-4", 16, "horizon_s", "the run ends after 0.0001 s"),
        ("fidelity = 0.7", "fidelity = 1.0", 13, "requests.0.fidelity", "make a perfect pair"),
        ("per_km = 0.2", "per_km = 500.0", 7, "network", "an attempt between 'A' and 'R' never succeeds"),
        ("horizon_s", "links.initial_fidelity = 0.5\nhorizon_s", 13, "requests.0.fidelity", "none above 1/2"),
        ("horizon_s", 'phases.centre = "Z"\nhorizon_s', 16, "phases.centre", "no node 'Z'"),
        ("horizon_s", "node_overrides = [{ node = 'Z', hardware = {} }]\nhorizon_s", 16,
         "node_overrides.0.node", "no node 'Z'"),
        ("horizon_s", "link_overrides = [{ source = 'A', target = 'B', hardware = {} }]\nhorizon_s", 16,
         "link_overrides.0", "no link between 'A' and 'B'"),
        ("length_km = 20.0", "length_km = -2.0", 8, "network.links.0.length_km", "at least 0"),
        (", length_km = 5.0", "", 7, "network.length_km", "length_km is unknown for X - Y"),
        ("ranks = [1, 0, 1]", "ranks = [0, 1, 2]", 21, "ranks", "not allowed"),
        ("ranks = [1, 0, 1]", "ranks = [1]", 21, "ranks", "not allowed"),
        ("ranks = [1, 0, 1]", "ranks = [1, 0, 0, 1]", 21, "ranks", "4 ranks do not fit the path A-R-B of request 0"),
        ("ranks = [1, 0, 1]", "", 18, "ranks", "ranks belong to order"),
    ],
)  # fmt: skip
def test_each_fault_has_its_line(
    tmp_path: Path, old: str, new: str, line: int, field: str, words: str
) -> None:
    found = problems(tmp_path, old, new)
    assert (found[0].path, found[0].line) == (tmp_path / "study.toml", line)
    assert str(found[0].field).endswith(field)
    assert words in found[0].message


def test_a_topology_file_is_blamed_itself(tmp_path: Path) -> None:
    (tmp_path / "topology.csv").write_text("source,target,length_km\nA,R,20\nR,B,-5\n")
    links = FILE[FILE.index("network.links") : FILE.index("requests")]
    (found,) = problems(tmp_path, links, 'network.file = "topology.csv"\n')
    assert (found.path, found.line) == (tmp_path / "topology.csv", 3)


def test_a_scenario_from_python_is_looked_at_too() -> None:
    raw = example().model_dump(exclude_unset=True) | {"nodes": {"coherence_s": 1e-4}}
    scenario = EntanglementScenario.model_validate(raw)
    with pytest.raises(BadInput, match=r"scenario\.nodes\.coherence_s: nothing can be delivered"):
        Study(name="bad", domain="entanglement", scenario=scenario, methods=["shortest_path"], seeds=1)


def scenario(links: list, request: tuple[str, str], **more: object) -> EntanglementScenario:
    raw = {
        "network": {"links": [{"source": a, "target": b, "length_km": km} for a, b, km in links]},
        "requests": [{"source": request[0], "target": request[1]}],
    }
    return EntanglementScenario.model_validate(raw | more)


def test_ranks_are_held_against_every_scenario_of_a_study() -> None:
    short, long = (
        scenario([(a, b, 10.0) for a, b in pairwise(names)], ("A", "B")) for names in ("ARB", "ARTB")
    )
    given = [("shortest_path", {"order": "ranks", "ranks": [1, 0, 1]})]
    with pytest.raises(BadInput, match="3 ranks do not fit the path A-R-T-B") as caught:
        Study(name="bad", domain="entanglement", scenario=[short, long], methods=given, seeds=1)
    assert len(caught.value.problems) == 1
    assert str(caught.value.problems[0].field).endswith("ranks")
    Study(name="good", domain="entanglement", scenario=short, methods=given, seeds=1)


SQUARE = [("A", "R", 20.0), ("R", "B", 20.0), ("A", "T", 20.0), ("T", "B", 20.0)]


def test_one_way_that_works_is_enough() -> None:
    idle = {"node": "R", "hardware": {"swap_success": 0.0}}
    forgets = {"node": "T", "hardware": {"coherence_s": 1e-4}}
    assert list(check(scenario(SQUARE, ("A", "B"), node_overrides=[idle]))) == []
    assert list(check(scenario(SQUARE, ("A", "B"), node_overrides=[forgets]))) == []
    (found,) = check(scenario(SQUARE, ("A", "B"), node_overrides=[idle, forgets]))
    assert (
        "between 'A' and 'T' is dropped" in found.message or "between 'T' and 'B' is dropped" in found.message
    )


def test_users_need_not_swap() -> None:
    idle = {"node": "A", "hardware": {"swap_success": 0.0}}
    assert list(check(scenario(SQUARE, ("A", "B"), node_overrides=[idle]))) == []


def test_networks_drawn_anew_are_looked_at_for_names_alone() -> None:
    raw = {
        "network": {"generate": {"model": "erdos_renyi", "nodes": 6, "mean_degree": 0.0}, "default_length_km": 5.0},
        "requests": [{"source": "0", "target": "5"}],
    }  # fmt: skip
    assert list(check(EntanglementScenario.model_validate(raw))) == []
    raw["requests"] = [{"source": "0", "target": "17"}]
    (found,) = check(EntanglementScenario.model_validate(raw))
    assert found.field == "requests.0.target"


def test_the_earliest_delivery_is_not_refused() -> None:
    """Question and answer of 20 km, 0.1 ms each, four delays of herald, then word over one link: 0.7 ms."""
    raw = example().model_dump(exclude_unset=True)
    links = ({"source": a, "target": b, "length_km": 20.0} for a, b in ("SR", "RD"))
    raw["network"] = {"links": tuple(links)}
    for horizon_s, refused in ((0.00071, False), (0.00069, True)):
        found = list(check(EntanglementScenario.model_validate(raw | {"horizon_s": horizon_s})))
        assert bool(found) == refused, horizon_s
    perfect = raw | {
        "links": {"initial_fidelity": 1.0},
        "requests": ({"source": "S", "target": "D", "fidelity": 1.0},),
    }
    assert not list(check(EntanglementScenario.model_validate(perfect | {"horizon_s": 0.1})))


def test_a_run_in_which_nothing_came_says_so() -> None:
    """The wanted fidelity is above the links', and nobody purifies; or the run ends before a swap's luck."""
    raw = example().model_dump(exclude_unset=True)
    poor = raw | {"requests": ({"source": "S", "target": "D", "fidelity": 0.999},)}
    short = raw | {"horizon_s": 0.0012}
    for case, name in ((poor, "delivered_nothing_useful"), (short, "delivered_nothing")):
        (outcome,) = run(EntanglementScenario.model_validate(case), ShortestPath(), [Seed()], Context())
        assert outcome.counters[name] == 1
        assert outcome.metrics["useful_rate_per_s"] == 0.0
    (outcome,) = run(EntanglementScenario.model_validate(raw), ShortestPath(), [Seed()], Context())
    assert outcome.counters["delivered_nothing"] == outcome.counters["delivered_nothing_useful"] == 0
    assert {name for name, _ in registry.domain("entanglement").caveats} <= set(outcome.counters)


def test_paths_without_a_memory_of_a_link_are_told_by_check(tmp_path: Path) -> None:
    """One pair of memories cannot serve two requests; two can, and nothing is said of policies that let them share."""
    two = '{ source = "A", target = "B", fidelity = 0.7 },\n  { source = "A", target = "R" },'
    one = '{ source = "A", target = "B", fidelity = 0.7 },'
    asap = FILE.replace('order = "ranks"\nranks = [1, 0, 1]\n', "").replace(one, two)
    path = tmp_path / "study.toml"
    path.write_text(asap)
    with pytest.raises(BadInput, match=r"A-R of request 1 has memories \[0\]") as caught:
        Study.from_file(path)
    assert (caught.value.problems[0].line, caught.value.problems[0].field) == (19, "method.shortest_path")
    for more in ("links.pairs = 2\n", 'memory.multiplexing = "statistical"\n', "phases.for_all = true\n"):
        path.write_text(asap.replace("horizon_s", f"{more}horizon_s"))
        Study.from_file(path)


@pytest.mark.parametrize(
    ("more", "field", "words"),
    [
        ('memory.assignment = "demand"\n', "memory.assignment", "no node has a total"),
        ('memory = { allocation = "demand", multiplexing = "time" }\n', "memory.allocation", "'time'"),
        ('memory.allocation = "demand"\nphases.for_all = true\n', "memory.allocation", "in slots"),
    ],
)
def test_policies_with_nothing_to_decide_are_refused(
    tmp_path: Path, more: str, field: str, words: str
) -> None:
    (problem,) = problems(tmp_path, "horizon_s", f"{more}horizon_s")
    assert (problem.field or "").endswith(field)
    assert words in problem.message
