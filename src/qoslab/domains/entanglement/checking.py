"""What a scenario asks of its network, looked at before anything runs: names, ways, and what can never arrive.

Only what no method could mend is a problem: a request is refused if no way between its users has links that make pairs,
repeaters whose swaps can succeed, and memories that keep a pair until both users can know of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem, did_you_mean
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.assignment import assigned_links
from qoslab.domains.entanglement.links import LinkTiming, link_timing
from qoslab.domains.entanglement.scenario import EntanglementScenario, LinkHardware, NodeHardware
from qoslab.domains.entanglement.world import make_world, widths
from qoslab.graphs.network import Network
from qoslab.graphs.shortest import Search, all_pairs
from qoslab.graphs.spec import NetworkTable, build

__all__ = ["check", "fit"]

_SEPARABLE = 0.5
"""Werner pairs of this fidelity or less are not entangled, and nothing that users can do makes them so."""


def check(scenario: EntanglementScenario) -> Iterator[Problem]:
    """The problems of a scenario whose network stands in it or in a file of its own.

    Of a network that every replication draws anew only the names are looked at; one from a dataset is not, as its file
    need not be here.

    Args:
        scenario: The scenario.
    """
    table = scenario.network
    if table.dataset is not None:
        return
    try:
        network = _network(table.model_dump_json())
    except BadInput as error:
        yield from (_at_network(problem) for problem in error.problems)
        return
    if network.directed:
        yield Problem(
            message="pairs have no direction, but the network is directed", field="network.directed"
        )
        return
    named = list(_unknown_names(scenario, network))
    yield from named
    yield from _without_effect(scenario)
    if named or table.random:
        return
    try:
        world = _World.of(scenario, network)
    except BadInput as error:
        yield from (_at_network(problem) for problem in error.problems)
        return
    try:
        assigned_links(scenario, network, world.nodes, world.links, world.timings)
    except BadInput as error:
        for each in error.problems:
            field = (each.field or "").removeprefix("scenario.")
            yield Problem(message=each.message, field=field, hint=each.hint)
        return
    for place in range(len(scenario.requests)):
        problem = _hopeless(scenario, world, place)
        if problem is not None:
            yield problem


def fit(scenario: EntanglementScenario, method: Any) -> Iterator[Problem]:
    """What of a method does not fit a scenario: ranks, cut-offs or waits for other hops, paths without a memory.

    Networks that every replication draws anew, or that come from a dataset, are not looked at.

    Args:
        scenario: The scenario.
        method: The method; one that plans is looked at where it is given `ranks` or wants them, cut-offs by hop or
            waits by side, and where memories may be too few for its paths.
    """
    table = scenario.network
    by_hop = isinstance(getattr(method, "cutoff_s", None), tuple)
    by_side = isinstance(getattr(method, "wait_s", None), tuple)
    wants = by_hop or by_side or bool(getattr(method, "ranks", ())) or getattr(method, "order", "") == "ranks"
    wants = wants or (hasattr(method, "plan") and _may_lack_memories(scenario))
    if not wants or table.random or table.dataset is not None:
        return
    world = make_world(scenario, Seed(), Context())
    view = world.view
    try:
        plan = method.plan(view, Seed().generator("method"), Context())
        paths = plan.paths
        if _may_lack_memories(scenario):
            widths(world, plan)
    except BadInput as error:
        for problem in error.problems:
            name = (problem.field or "").removeprefix("method.")
            name = "" if name.startswith("plan") else name  # a plan stands in no file, its method does
            yield Problem(message=problem.message, field=name, hint=problem.hint)
        return
    for path in paths:
        names = "-".join(view.network.nodes[node] for node in path.nodes)
        which = f"the path {names} of request {path.request}"
        if len(path.ranks) != len(path.nodes):
            yield Problem(message=f"{len(path.ranks)} ranks do not fit {which}: one each", field="ranks")
            return
        if by_hop and len(path.cutoffs_s()) != len(path.nodes) - 1:
            message = f"{len(path.cutoffs_s())} cut-offs do not fit the {len(path.nodes) - 1} hops of {which}"
            yield Problem(message=message, field="cutoff_s", hint="one number for all hops, or one each")
            return
        if by_side and len(path.wait_s) != 2 * len(path.nodes) - 4:
            message = f"{len(path.wait_s)} waits do not fit the {len(path.nodes) - 2} repeaters of {which}"
            yield Problem(message=message, field="wait_s", hint="one number for all, or two per repeater")
            return


def _without_effect(scenario: EntanglementScenario) -> Iterator[Problem]:
    """Policies that are asked for where nothing is left to them."""
    memory, nodes = scenario.memory, (scenario.nodes, *(each.hardware for each in scenario.node_overrides))
    if memory.assignment != "equal" and all(node.memories is None for node in nodes):
        message = f"{memory.assignment!r} assigns nothing: no node has a total of memories"
        yield Problem(message=message, field="memory.assignment", hint="give one: nodes.memories")
    if memory.allocation != "equal" and (memory.multiplexing != "buffer_space" or scenario.phases.for_all):
        why = "in slots" if scenario.phases.for_all else f"with multiplexing = {memory.multiplexing!r}"
        message = f"{memory.allocation!r} allocates nothing: {why} a link's memories serve any path"
        yield Problem(message=message, field="memory.allocation", hint="leave it out")


@lru_cache(maxsize=64)
def _network(table: str) -> Network:
    """The network of a table; grids of other values share it."""
    return build(NetworkTable.model_validate_json(table), Seed().generator("network"))


def _at_network(problem: Problem) -> Problem:
    """A problem of the network, in its own file where it has one, else at the table."""
    if problem.path is not None:
        return problem
    part = (problem.field or "").removeprefix("network").strip(".")
    return Problem(message=problem.message, field=f"network.{part}" if part else "network", hint=problem.hint)


def _unknown_names(scenario: EntanglementScenario, network: Network) -> Iterator[Problem]:
    named = [
        (f"node_overrides.{place}.node", each.node) for place, each in enumerate(scenario.node_overrides)
    ]
    for group in ("link_overrides", "requests"):
        for place, each in enumerate(getattr(scenario, group)):
            named += [(f"{group}.{place}.source", each.source), (f"{group}.{place}.target", each.target)]
    if scenario.phases.centre is not None:
        named.append(("phases.centre", scenario.phases.centre))
    known = set(network.nodes)
    unknown = [(field, name) for field, name in named if name not in known]
    for field, name in unknown:
        hint = did_you_mean(name, network.nodes)
        yield Problem(message=f"the network has no node {name!r}", field=field, hint=hint)
    if unknown:
        return
    ends = {frozenset(each) for each in zip(network.tail.tolist(), network.head.tolist(), strict=True)}
    for place, each in enumerate(scenario.link_overrides):
        if frozenset((network.index(each.source), network.index(each.target))) not in ends:
            message = f"there is no link between {each.source!r} and {each.target!r}"
            yield Problem(message=message, field=f"link_overrides.{place}")


def _may_lack_memories(scenario: EntanglementScenario) -> bool:
    """Whether paths that start as events come may leave one of them without a memory of a link that they share."""
    if scenario.memory.multiplexing != "buffer_space" or scenario.phases.for_all:
        return False
    totals = [each.memories for each in (scenario.nodes, *(of.hardware for of in scenario.node_overrides))]
    least = min(each.pairs for each in (scenario.links, *(of.hardware for of in scenario.link_overrides)))
    return any(total is not None for total in totals) or least < len(scenario.requests)


class _World(NamedTuple):
    """A network with its hardware.

    Attributes:
        network: The graph.
        nodes: What each node has.
        links: What each link has.
        timings: Success and timing of each link.
        delay_s: Least delay of news between any two nodes, s, shape (n, n).
    """

    network: Network
    nodes: list[NodeHardware]
    links: list[LinkHardware]
    timings: list[LinkTiming]
    delay_s: NDArray[np.float64]

    @classmethod
    def of(cls, scenario: EntanglementScenario, network: Network) -> _World:
        """The world of a scenario whose names are known.

        Raises:
            BadInput: A link has no length.
        """
        lengths = network.require("length_km")
        nodes = [scenario.nodes] * network.n
        for node in scenario.node_overrides:
            nodes[network.index(node.node)] = node.hardware
        place = {
            frozenset(each): link
            for link, each in enumerate(zip(network.tail.tolist(), network.head.tolist(), strict=True))
        }
        links = [scenario.links] * network.m
        for each in scenario.link_overrides:
            links[place[frozenset((network.index(each.source), network.index(each.target)))]] = each.hardware
        ends = zip(network.tail.tolist(), network.head.tolist(), lengths, links, strict=True)
        timings = [link_timing(float(km), link, nodes[tail], nodes[head]) for tail, head, km, link in ends]
        delays = all_pairs(network, np.array([timing.delay_s for timing in timings]))
        return cls(network, nodes, links, timings, delays)

    def least_age_s(self, link: int, source: int, target: int) -> float:
        """How old a link's pair is, at least, when both users of a request can know of a pair made with it, s."""
        timing = self.timings[link]
        tail, head = int(self.network.tail[link]), int(self.network.head[link])
        least = max(timing.notify_first_s, timing.notify_second_s)
        for node, notice in ((tail, timing.notify_first_s), (head, timing.notify_second_s)):
            if node not in (source, target):
                word = max(float(self.delay_s[node, source]), float(self.delay_s[node, target]))
                least = max(least, notice + self.nodes[node].swap_delay_s + word)
        return least

    def life_s(self, link: int) -> float:
        """When a link's pair is dropped, s after its creation."""
        ends = int(self.network.tail[link]), int(self.network.head[link])
        return min(self.nodes[node].coherence_s for node in ends)


def _hopeless(scenario: EntanglementScenario, world: _World, place: int) -> Problem | None:
    """Why nobody can serve a request; None where somebody could.

    What cannot be part of a way is taken out of the network, one reason after another; the first that parts the users
    is told, with what it took out of their shortest way so far.
    """
    request, network = scenario.requests[place], world.network
    source, target = network.index(request.source), network.index(request.target)
    users = f"{request.source!r} and {request.target!r}"
    search, closed_arcs, closed_nodes = Search(network), set[int](), set[int]()
    way = search.path(source, target)
    if way is None:
        return Problem(message=f"there is no path between {users}", field=f"requests.{place}")
    for reason in _reasons(scenario, world, place, source, target):
        arcs = {int(arc) for arc in np.flatnonzero(np.isin(network.arcs.link, list(reason.links)))}
        taken = [arc for arc in way.arcs if arc in arcs], [node for node in way.nodes if node in reason.nodes]
        closed_arcs |= arcs
        closed_nodes |= reason.nodes
        found = search.path(source, target, closed_nodes=closed_nodes, closed_arcs=closed_arcs)
        if found is None:
            what = (
                reason.links[int(network.arcs.link[taken[0][0]])] if taken[0] else network.nodes[taken[1][0]]
            )
            message = f"nothing can be delivered to {users}: {reason.words.format(what)}"
            return Problem(message=message, field=reason.field, hint=reason.hint)
        way = found
    return None


class _Reason(NamedTuple):
    """Why links or nodes cannot be part of a way.

    Attributes:
        words: The reason, with room for the link or node.
        field: The field that is to blame.
        links: Links that it takes out, with how each is spoken of.
        nodes: Repeaters that it takes out.
        hint: What would help.
    """

    words: str
    field: str
    links: dict[int, str]
    nodes: set[int]
    hint: str


def _reasons(
    scenario: EntanglementScenario, world: _World, place: int, source: int, target: int
) -> Iterator[_Reason]:
    network = world.network

    def between(link: int) -> str:
        tail, head = int(network.tail[link]), int(network.head[link])
        return f"{network.nodes[tail]!r} and {network.nodes[head]!r}"

    dead = {link: between(link) for link, each in enumerate(world.timings) if not each.success > 0.0}
    yield _Reason(
        "an attempt between {} never succeeds", "network", dead, set(), "shorter links, or less attenuation"
    )
    idle = {node for node, each in enumerate(world.nodes) if not each.swap_success > 0.0} - {source, target}
    yield _Reason("a swap at {!r} never succeeds", "nodes.swap_success", {}, idle, "")
    late = {}
    for link in range(network.m):
        life, least = world.life_s(link), world.least_age_s(link, source, target)
        if life <= least:
            late[link] = (
                f"{between(link)} is dropped at an age of {life:g} s, and they cannot know of it before {least:g} s"
            )
    yield _Reason("a pair between {}", "nodes.coherence_s", late, set(), "longer coherence, or shorter links")
    slow = {}
    for link in range(network.m):
        first = 2.0 * world.timings[link].delay_s + world.least_age_s(link, source, target)
        if first > scenario.horizon_s:
            slow[link] = f"{between(link)} is of use to them after {first:g} s at the earliest"
    words = f"a pair between {{}}, and the run ends after {scenario.horizon_s:g} s"
    yield _Reason(words, "horizon_s", slow, set(), "a longer horizon")
    if scenario.requests[place].fidelity == 1.0:
        mixed = {
            link: f"{between(link)} has {each.fidelity:.3g}"
            for link, each in enumerate(world.timings)
            if each.fidelity < 1.0
        }
        words = "a pair between {}, and no rounds of purification make a perfect pair of others"
        yield _Reason(words, f"requests.{place}.fidelity", mixed, set(), "a lower fidelity")
    if scenario.requests[place].fidelity > _SEPARABLE:
        poor = {
            link: f"{between(link)} has {each.fidelity:.3g}"
            for link, each in enumerate(world.timings)
            if each.fidelity <= _SEPARABLE
        }
        words = "a pair between {}, and none above 1/2 can be made of pairs of 1/2 or less"
        yield _Reason(words, f"requests.{place}.fidelity", poor, set(), "better links, or a lower fidelity")
