"""Memories of nodes and whose they are: against brute force, by hand, and against links that say the same."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qoslab import Study
from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.assignment import allocated
from qoslab.domains.entanglement.checking import check
from qoslab.domains.entanglement.links import single_pair_rate
from qoslab.domains.entanglement.methods.reactive_central import ReactiveCentral
from qoslab.domains.entanglement.methods.shortest_path import ShortestPath
from qoslab.domains.entanglement.model import run
from qoslab.domains.entanglement.protocol import PathPlan, Plan
from qoslab.domains.entanglement.scenario import EntanglementScenario
from qoslab.domains.entanglement.world import World, make_world, widths

WEIGHTS = st.lists(st.sampled_from([0.5, 1.0, 2.0, 3.5, 7.0]), min_size=1, max_size=4)


def hub(
    memories: int | None, lengths: tuple[float, ...] = (20.0, 20.0), **changes: Any
) -> EntanglementScenario:
    """Users A, B, ... around R, which has so many memories; users have ten for their link."""
    users = "ABCDEF"[: len(lengths)]
    raw: dict[str, Any] = {
        "network": {
            "links": [
                {"source": u, "target": "R", "length_km": km} for u, km in zip(users, lengths, strict=True)
            ]
        },
        "links": {"pairs": 10},
        "node_overrides": [{"node": "R", "hardware": {"memories": memories}}],
        "requests": [{"source": "A", "target": users[-1]}],
        "horizon_s": 0.2,
    }
    return EntanglementScenario.model_validate(raw | changes)


def world_of(scenario: EntanglementScenario) -> World:
    return make_world(scenario, Seed(), Context())


def pairs_of(scenario: EntanglementScenario) -> dict[str, int]:
    """Memories of each link by its user."""
    world = world_of(scenario)
    names = world.network.nodes
    ends = zip(world.network.tail, world.network.head, world.links, strict=True)
    return {"".join(sorted({names[a], names[b]} - {"R"})): link.pairs for a, b, link in ends}


@given(WEIGHTS, st.integers(0, 6))
def test_shares_are_the_least_squares(weights: list[float], more: int) -> None:
    """Of all ways to hand out whole memories, one each at least, the least sum of squares over weights."""
    total = len(weights) + more
    ways = [way for way in product(range(1, total + 1), repeat=len(weights)) if sum(way) == total]
    cost = [sum(n * n / w for n, w in zip(way, weights, strict=True)) for way in ways]
    found = allocated(total, weights)
    assert sum(found) == total
    assert sum(n * n / w for n, w in zip(found, weights, strict=True)) == pytest.approx(min(cost))


def test_shares_by_hand() -> None:
    assert allocated(5, [1.0, 1.0]) == [3, 2]
    assert allocated(8, [1.0, 1.0, 1.0]) == [3, 3, 2]
    assert allocated(10, [3.0, 1.0]) == [7, 3]
    assert allocated(6, [1.0, 0.0]) == [5, 1]
    assert allocated(6, [0.0, 0.0]) == [3, 3]
    assert allocated(1, [1.0, 1.0]) == [1, 0]
    assert allocated(-2, [1.0]) == [0]


def test_a_node_assigns_all_that_it_has() -> None:
    assert pairs_of(hub(5)) == {"A": 3, "B": 2}
    assert pairs_of(hub(11, (20.0, 20.0, 20.0))) == {"A": 4, "B": 4, "C": 3}
    assert pairs_of(hub(None)) == {"A": 10, "B": 10}
    # What a user has for its link is a limit, and what is then left goes to the others.
    short = [{"source": "A", "target": "R", "hardware": {"pairs": 2}}]
    assert pairs_of(hub(11, link_overrides=short)) == {"A": 2, "B": 9}


def test_both_ends_of_a_link_count() -> None:
    """A-B-C-D with 4 memories each: B and C spend theirs alike; A and D cannot use more than B and C leave."""
    raw = {
        "network": {
            "links": [{"source": a, "target": b, "length_km": 10.0} for a, b in ("AB", "BC", "CD")],
        },
        "nodes": {"memories": 4},
        "requests": [{"source": "A", "target": "D"}],
    }
    assert [each.pairs for each in world_of(EntanglementScenario.model_validate(raw)).links] == [2, 2, 2]
    raw["node_overrides"] = [{"node": "C", "hardware": {"memories": 2}}]
    assert [each.pairs for each in world_of(EntanglementScenario.model_validate(raw)).links] == [3, 1, 1]


def test_policies_by_hand() -> None:
    lengths = (10.0, 10.0, 40.0)

    def of(policy: str, **changes: Any) -> dict[str, int]:
        return pairs_of(hub(12, lengths, memory={"assignment": policy}, **changes))

    assert of("equal") == {"A": 4, "B": 4, "C": 4}
    assert of("length") == {"A": 2, "B": 2, "C": 8}
    # By the mean time to a pair, so that all links make about as many.
    world = world_of(hub(12, lengths))
    times = [1 / single_pair_rate(each) for each in world.view.timings]
    assert list(of("time").values()) == allocated(12, times)
    assert times[2] > 5 * times[0]
    # Only A-R and R-C are on a way; B's link gets the one that it must have.
    assert of("demand") == {"A": 6, "B": 1, "C": 5}
    wanted = [
        {"source": "A", "target": "B", "rate_per_s": 30.0},
        {"source": "B", "target": "C", "rate_per_s": 10.0},
    ]
    assert of("demand", requests=wanted) == dict(zip("ABC", allocated(12, [30.0, 40.0, 10.0]), strict=True))
    jobs = [
        {"source": "A", "target": "B", "jobs": {"arrivals_per_s": 10.0, "pairs": 3}},
        {"source": "B", "target": "C", "rate_per_s": 10.0},
    ]
    assert of("demand", requests=jobs) == of("demand", requests=wanted)
    assert of("links", links={"pairs": 4}) == {"A": 4, "B": 4, "C": 4}


@given(st.integers(0, 10**6), st.integers(2, 7), st.sampled_from(["equal", "length", "time", "demand"]))
def test_nothing_is_spent_twice_and_nothing_is_left_that_two_could_use(
    seed: int, n: int, policy: str
) -> None:
    rng = np.random.default_rng(seed)
    names = "ABCDEFG"[:n]
    links = [
        {"source": names[rng.integers(0, b)], "target": names[b], "length_km": float(rng.uniform(1, 50))}
        for b in range(1, n)
    ]
    degree = {name: sum(name in (each["source"], each["target"]) for each in links) for name in names}
    memories = {name: degree[name] + int(rng.integers(0, 9)) for name in names if rng.random() < 0.7}
    raw = {
        "network": {"links": links},
        "links": {"pairs": 5},
        "node_overrides": [{"node": name, "hardware": {"memories": each}} for name, each in memories.items()],
        "requests": [{"source": names[0], "target": names[-1]}],
        "memory": {"assignment": policy},
    }
    world = world_of(EntanglementScenario.model_validate(raw))
    left, own = dict(memories), world.network.nodes
    for a, b, link in zip(world.network.tail, world.network.head, world.links, strict=True):
        for name in (own[a], own[b]):
            if name in left:
                left[name] -= link.pairs
    assert min(left.values(), default=0) >= 0
    for a, b, link in zip(world.network.tail, world.network.head, world.links, strict=True):
        totals = [name for name in (own[a], own[b]) if name in left]
        limited = len(totals) < 2 and link.pairs == 5
        assert link.pairs >= 1
        assert limited or (not totals and link.pairs == 5) or min(left[name] for name in totals) == 0


@pytest.mark.parametrize("multiplexing", ["buffer_space", "statistical"])
@pytest.mark.parametrize("method", [ShortestPath(), ReactiveCentral()])
def test_runs_are_those_of_links_that_say_the_same(multiplexing: str, method: Any) -> None:
    memory = {"multiplexing": multiplexing, "assignment": "length"}
    assigned = hub(9, (10.0, 20.0), memory=memory)
    overrides = [
        {"source": "A", "target": "R", "hardware": {"pairs": 3}},
        {"source": "B", "target": "R", "hardware": {"pairs": 6}},
    ]
    said = hub(None, (10.0, 20.0), memory=memory, link_overrides=overrides)
    assert pairs_of(assigned) == pairs_of(said) == {"A": 3, "B": 6}
    found = [next(iter(run(each, method, [Seed()], Context()))) for each in (assigned, said)]
    assert found[0].metrics == found[1].metrics
    assert found[0].counters == found[1].counters
    assert found[0].metrics["rate_per_s"] > 0


def shared(pairs: int, requests: tuple[dict[str, Any], ...], **memory: Any) -> World:
    """A chain A-B-C whose links have so many memories, for several requests from A to C."""
    raw = {
        "network": {"links": [{"source": a, "target": b, "length_km": 10.0} for a, b in ("AB", "BC")]},
        "links": {"pairs": pairs},
        "requests": [{"source": "A", "target": "C"} | each for each in requests],
        "memory": memory,
    }
    return world_of(EntanglementScenario.model_validate(raw))


def paths(count: int, **width: tuple[int, ...]) -> Plan:
    """One path per request, some with widths of their own."""
    return Plan(tuple(PathPlan(place, (0, 1, 2), width=width.get(f"p{place}", ())) for place in range(count)))


def test_remainders_are_handed_out_in_the_order_of_the_plan() -> None:
    """Two paths over 5 memories: 3 and 2, on both hops alike; MQNS's rules leave one idle."""
    assert [share for _, share in widths(shared(5, ({}, {})), paths(2))] == [[3, 3], [2, 2]]
    assert [share for _, share in widths(shared(8, ({}, {}, {})), paths(3))] == [[3, 3], [3, 3], [2, 2]]
    assert [share for _, share in widths(shared(6, ({}, {})), paths(2))] == [[3, 3], [3, 3]]
    assert [share for _, share in widths(shared(5, ({}, {}), compat="mqns"), paths(2))] == [[2, 2], [2, 2]]


def test_paths_share_what_others_do_not_ask_for() -> None:
    plan = paths(3, p1=(1, 4))
    assert [share for _, share in widths(shared(7, ({}, {}, {})), plan)] == [[3, 2], [1, 4], [3, 1]]
    with pytest.raises(BadInput, match="needs at least one"):
        widths(shared(7, ({}, {}, {})), paths(3, p1=(6, 6)))
    with pytest.raises(BadInput, match="needs at least one"):
        widths(shared(2, ({}, {}, {})), paths(3))


@pytest.mark.parametrize("compat", ["none", "mqns"])
def test_what_no_path_asks_for_idles(compat: str) -> None:
    assert widths(shared(6, ({},), compat=compat), paths(1, p0=(1, 6))) == [([0, 1], [1, 6])]


def test_paths_share_by_demand() -> None:
    """Wants of 30 and 10 over 8 memories; two paths of one request halve its want."""
    wants = ({"rate_per_s": 30.0}, {"rate_per_s": 10.0})
    world = shared(8, wants, allocation="demand")
    assert [share for _, share in widths(world, paths(2))] == [[6, 6], [2, 2]]
    halves = Plan((*paths(2).paths, paths(1).paths[0]))
    assert [share[0] for _, share in widths(world, halves)] == allocated(8, [15.0, 10.0, 15.0])
    with pytest.raises(BadInput, match="request 1 does not say how much it wants"):
        widths(shared(8, ({"rate_per_s": 30.0}, {}), allocation="demand"), paths(2))


def test_more_memories_are_not_wasted_any_more() -> None:
    """Nine memories for two requests give more than eight; before, the ninth was idle."""
    rates = []
    for pairs in (8, 9):
        raw = {
            "network": {"links": [{"source": a, "target": b, "length_km": 10.0} for a, b in ("AB", "BC")]},
            "links": {"pairs": pairs},
            "requests": [{"source": "A", "target": "C"}] * 2,
            "horizon_s": 1.0,
        }
        scenario = EntanglementScenario.model_validate(raw)
        seeds = [Seed(replication=place) for place in range(6)]
        rates.append(
            np.mean([o.metrics["rate_per_s"] for o in run(scenario, ShortestPath(), seeds, Context())])
        )
    assert rates[1] > 1.05 * rates[0]


FILE = """[study]
name = "few"
domain = "entanglement"
seeds = 1

[scenario]
network.links = [
  { source = "A", target = "R", length_km = 20.0 },
  { source = "R", target = "B", length_km = 20.0 },
]
nodes.memories = 2
requests = [{ source = "A", target = "B" }]
horizon_s = 0.1

[[method]]
id = "shortest_path"
"""


@pytest.mark.parametrize(
    ("old", "new", "field", "words"),
    [
        ("memories = 2", "memories = 1", "nodes.memories", "'R' has 1 memories for 2 links"),
        (
            "memories = 2",
            'memories = 2\nlinks.pairs = 2\nmemory.assignment = "links"',
            "nodes.memories",
            "'R' has 2 memories, and its links have 4 together",
        ),
        (
            "horizon_s",
            'node_overrides = [{ node = "R", hardware.memories = 1 }]\nhorizon_s',
            "node_overrides.0.hardware.memories",
            "'R' has 1 memories for 2 links",
        ),
        (
            'target = "B" }]\n',
            'target = "B" }, { source = "B", target = "A", rate_per_s = 3 }]\nmemory.assignment = "demand"\n',
            "memory.assignment",
            "request 0 does not say how much it wants",
        ),
    ],
)
def test_too_few_memories_are_told_with_their_line(
    old: str, new: str, field: str, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "study.toml"
    path.write_text(FILE)
    scenario = Study.from_file(path).scenarios[0].scenario
    assert not list(check(scenario))
    path.write_text(FILE.replace(old, new))
    with pytest.raises(BadInput) as caught:
        Study.from_file(path)
    (problem,) = caught.value.problems
    assert words in problem.message
    assert (problem.field or "").endswith(field)
    assert problem.line is not None
