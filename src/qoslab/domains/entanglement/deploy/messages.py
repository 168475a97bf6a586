"""What the laboratory and a controller tell each other: one JSON object per line, nodes by name."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from qoslab.core.errors import BadInput, Problem
from qoslab.core.located import validate
from qoslab.core.scenario import Part
from qoslab.domains.entanglement.protocol import (
    Fusion,
    PathPlan,
    Plan,
    Purification,
    Purify,
    Segment,
    Swap,
    View,
)

__all__ = ["PROTOCOL", "Hello", "line_of", "orders_of", "parsed", "plan_message", "plan_of", "state_message"]

PROTOCOL = 1
"""Version of the messages."""


Limit = Annotated[float, Field(gt=0)] | None


class Hello(Part):
    """The controller's first line."""

    protocol: Literal[1] = Field(description="version of the messages")
    decides: bool = Field(
        default=False, description="whether it is asked in every slot, or plans paths alone"
    )
    knows_hops: int | None = Field(
        None,
        ge=0,
        description="how many links away the pairs are that a node must have heard of, where nodes decide for "
        "themselves; left out: the centre decides",
    )

    @model_validator(mode="after")
    def _nodes_decide(self) -> Hello:
        if self.knows_hops is not None and not self.decides:
            message = "knows_hops belongs to decides = true"
            raise ValueError(message)
        return self


class PurificationAnswer(Part):
    """How pairs of a path are made better."""

    scheme: Literal["bbpssw", "dejmps"] = Field("bbpssw", description="which circuit")
    schedule: Literal["nested", "pumping"] = Field("nested", description="which pairs are taken together")
    enough: float = Field(
        1.0, gt=0.25, le=1, description="fidelity from which a link's pair is purified no more"
    )


class SegmentAnswer(Part):
    """Joined pairs of a path that are purified."""

    first: int = Field(ge=0, description="place on the path of its left node")
    last: int = Field(ge=2, description="place on the path of its right node")
    rounds: int = Field(ge=1, le=8, description="rounds of purification")


class PathAnswer(Part):
    """One path."""

    request: int = Field(ge=0, description="place of the request")
    nodes: tuple[str, ...] = Field(min_length=2, description="names from source to target")
    ranks: tuple[int, ...] = Field(
        (), description="order of swapping, one per node; empty: as soon as possible"
    )
    width: tuple[int, ...] = Field((), description="memories, one per hop; empty: a share of all")
    rounds: tuple[Annotated[int, Field(ge=0, le=8)], ...] = Field(
        (), description="rounds of purification, one number per hop; empty: none"
    )
    purification: PurificationAnswer = Field(PurificationAnswer(), description="how rounds are done")
    segments: tuple[SegmentAnswer, ...] = Field((), description="joined pairs that are purified")
    cutoff_s: Limit | tuple[Limit, ...] = Field(
        None,
        description="age at which a link's waiting pair is dropped, for all hops or one per hop; null: never",
    )
    wait_s: tuple[Limit, ...] = Field(
        (),
        description="longest wait for a swap of each repeater's pair to the left, then to the right, two per "
        "repeater, null for no limit; empty: no limits",
    )


class MemoriesAnswer(Part):
    """How many memories of a link try."""

    source: str = Field(description="name of one end")
    target: str = Field(description="name of the other")
    pairs: int = Field(ge=0, description="pairs of memories")


class PlanAnswer(Part):
    """The answer to `plan`."""

    seq: int = Field(description="number of the message that is answered")
    paths: tuple[PathAnswer, ...] = Field((), description="paths to install")
    memories: tuple[MemoriesAnswer, ...] = Field(
        (), description="links of which only some memories try, in runs in slots; all memories of all others"
    )


class SwapAnswer(Part):
    """One swap."""

    node: str = Field(description="name of the node")
    pairs: tuple[int, int] = Field(description="numbers of the two pairs")
    request: int = Field(-1, ge=-1, description="place of the request; -1 for a stock")


class FusionAnswer(Part):
    """One fusion."""

    node: str = Field(description="name of the node")
    pairs: tuple[int, ...] = Field(min_length=2, description="numbers of the pairs")
    request: int = Field(ge=0, description="place of the request")


class PurifyAnswer(Part):
    """One round of purification."""

    kept: int = Field(description="number of the pair that stays")
    spent: int = Field(description="number of the pair that is measured")
    scheme: Literal["bbpssw", "dejmps"] = Field("bbpssw", description="which circuit")


class OrdersAnswer(Part):
    """The answer to `decide`."""

    seq: int = Field(description="number of the message that is answered")
    purify: tuple[PurifyAnswer, ...] = Field(
        (), description="rounds of purification to do before all else, in this order"
    )
    fusions: tuple[FusionAnswer, ...] = Field((), description="fusions to do before the swaps, in this order")
    swaps: tuple[SwapAnswer, ...] = Field((), description="swaps to do now, in this order")


def line_of(message: Mapping[str, Any]) -> bytes:
    """A message as its line."""
    return json.dumps(message, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def parsed(line: bytes) -> dict[str, Any]:
    """The object of a line.

    Raises:
        BadInput: It is none.
    """
    try:
        found = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        shown = line[:60].decode("utf-8", "replace")
        message = f"the controller sent a line that is no JSON object: {shown!r}"
        raise BadInput(Problem(message=message, field="controller"))
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def plan_message(view: View, seq: int) -> dict[str, Any]:
    """The whole network, its hardware and its requests."""
    network = view.network
    names = network.nodes
    links = [
        {
            "source": names[int(network.tail[link])],
            "target": names[int(network.head[link])],
            "length_km": _number(network.length_km[link]),
            "pairs": view.pairs[link],
            "at_once": view.links[link].at_once,
            "fidelity": timing.fidelity,
            "success": timing.success,
            "interval_s": timing.interval_s,
            "notify_s": [timing.notify_first_s, timing.notify_second_s],
            "delay_s": timing.delay_s,
        }
        for link, timing in enumerate(view.timings)
    ]
    nodes = [
        {
            "name": name,
            "swap_success": node.swap_success,
            "swap_delay_s": node.swap_delay_s,
            "gate_fidelity": node.gate_fidelity,
            "readout_fidelity": node.readout_fidelity,
            "coherence_s": node.coherence_s,
            "memories": node.memories,
        }
        for name, node in zip(names, view.hardware, strict=True)
    ]
    requests = [each.model_dump() for each in view.requests]
    return {"type": "plan", "seq": seq, "nodes": nodes, "links": links, "requests": requests}


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def state_message(view: View, seq: int) -> dict[str, Any]:
    """The pairs that live, and what was delivered."""
    names = view.network.nodes
    live = [
        {
            "pair": pair.ident,
            "ends": [names[pair.first], names[pair.second]],
            "fidelity": pair.fidelity,
            "age_s": pair.age_s,
            "rounds": pair.rounds,
            "cost": pair.cost,
        }
        for pair in view.live
    ]
    return {
        "type": "decide",
        "seq": seq,
        "now_s": view.now_s,
        "delivered": list(view.delivered),
        "waiting": list(view.waiting),
        "live": live,
    }


def plan_of(answer: Mapping[str, Any], view: View) -> Plan:
    """The plan in an answer.

    Raises:
        BadInput: A field is wrong, or a node or request does not exist.
    """
    told = validate(PlanAnswer, answer)
    for path in told.paths:
        _refuse_unknown(path.request, view, "paths.request")
    return Plan(tuple(_path_of(path, view) for path in told.paths), _memories_of(told.memories, view))


def _memories_of(told: Sequence[MemoriesAnswer], view: View) -> tuple[int, ...]:
    if not told:
        return ()
    network, memories = view.network, list(view.pairs)
    ends = zip(network.tail.tolist(), network.head.tolist(), strict=True)
    links = {frozenset(two): link for link, two in enumerate(ends)}
    for each in told:
        link = links.get(frozenset((network.index(each.source), network.index(each.target))))
        if link is None:
            message = f"there is no link between {each.source!r} and {each.target!r}"
            raise BadInput(Problem(message=message, field="memories"))
        memories[link] = each.pairs
    return tuple(memories)


def _path_of(told: PathAnswer, view: View) -> PathPlan:
    better = told.purification
    return PathPlan(
        told.request,
        tuple(view.network.index(name) for name in told.nodes),
        told.ranks,
        told.width,
        told.rounds,
        tuple(map(_limit, told.cutoff_s)) if isinstance(told.cutoff_s, tuple) else _limit(told.cutoff_s),
        Purification(better.scheme, better.schedule, better.enough),
        tuple(map(_limit, told.wait_s)),
        tuple(Segment(each.first, each.last, each.rounds) for each in told.segments),
    )


def _limit(told: float | None) -> float:
    return math.inf if told is None else told


def _refuse_unknown(request: int, view: View, field: str) -> None:
    if request >= len(view.requests):
        message = f"there is no request {request}; there are {len(view.requests)}"
        raise BadInput(Problem(message=message, field=field))


def orders_of(answer: Mapping[str, Any], view: View) -> list[Purify | Fusion | Swap]:
    """The rounds of purification, the fusions and the swaps in an answer.

    Raises:
        BadInput: A field is wrong, or a node or request does not exist.
    """
    told = validate(OrdersAnswer, answer)
    for field, orders in (("fusions", told.fusions), ("swaps", told.swaps)):
        for order in orders:
            _refuse_unknown(order.request, view, f"{field}.request")
    index = view.network.index
    return [
        *(Purify(each.kept, each.spent, each.scheme) for each in told.purify),
        *(Fusion(index(each.node), each.pairs, each.request) for each in told.fusions),
        *(Swap(index(each.node), *each.pairs, each.request) for each in told.swaps),
    ]
