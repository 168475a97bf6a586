"""From what a file says to a network: unknown nodes, self loops, parallel links, positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from qoslab.core.errors import BadInput, did_you_mean
from qoslab.graphs.csr import FloatArray
from qoslab.graphs.demands import Demands, make_demands
from qoslab.graphs.formats.draft import Draft, LinkRow
from qoslab.graphs.network import LINK_FIELDS, Attribute, LinkField, Network
from qoslab.graphs.validation import clean_name

__all__ = ["Parallel", "Positions", "Reading", "SelfLoops", "assemble"]

SelfLoops = Literal["refuse", "drop"]
Parallel = Literal["refuse", "first", "merge"]
Positions = Literal["auto", "lonlat", "planar"]

_SHOWN = 20


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How to read what a file leaves open.

    Attributes:
        directed: Overrides what the file says; None believes it, and takes a list of links as undirected.
        self_loops: What to do with a link from a node to itself.
        parallel: What to do with two links between the same nodes: refuse them, keep the first, or merge
            them: capacities and weights add up, the shortest length and delay stay. A link that an undirected
            list states once in each direction with the same values is one link, whatever stands here.
        positions: Whether positions are longitude and latitude; `auto` believes the file, and where that does
            not say takes positions that fit on the globe as such.
    """

    directed: bool | None = None
    self_loops: SelfLoops = "refuse"
    parallel: Parallel = "refuse"
    positions: Positions = "auto"


def _names(draft: Draft) -> list[str]:
    if draft.lists_nodes:
        return [node.name for node in draft.nodes]
    seen = dict.fromkeys(node.name for node in draft.nodes)
    for link in draft.links:
        seen.setdefault(link.source)
        seen.setdefault(link.target)
    names = list(seen)
    # Numbered nodes keep their numbers as indices, wherever a list mentions them first.
    return sorted(names, key=int) if all(_numbered(name) for name in names) else names


def _numbered(name: str) -> bool:
    return name.isascii() and name.isdigit() and len(name) < 16 and (name == "0" or name[0] != "0")


def _check_names(draft: Draft) -> None:
    first: dict[str, int | None] = {}
    for node in draft.nodes:
        if not clean_name(node.name):
            draft.wrong(node.line, "node", f"{node.name!r} cannot be the identifier of a node")
        elif node.name in first:
            where = "" if first[node.name] is None else f" (first in line {first[node.name]})"
            draft.wrong(node.line, "node", f"node {node.name!r} stands twice{where}")
        first.setdefault(node.name, node.line)
    if not draft.lists_nodes:
        named = set(first)
        for link in draft.links:
            for end in (link.source, link.target):
                if end not in named and not clean_name(end):
                    draft.wrong(link.line, "link", f"{end!r} cannot be the identifier of a node")
                named.add(end)


def _index(draft: Draft, place: dict[str, int], name: str, line: int | None, where: str) -> int:
    found = place.get(name, -1)
    if found < 0:
        hint = did_you_mean(name, place) if len(draft.problems) < _SHOWN else None
        draft.wrong(line, where, f"there is no node {name!r}", hint)
    return found


def _merge(first: LinkRow, second: LinkRow) -> LinkRow:
    values: dict[LinkField, float] = {}
    for key in LINK_FIELDS:
        both = [row.values[key] for row in (first, second) if key in row.values]
        if key == "weight":
            values[key] = first.values.get(key, 1.0) + second.values.get(key, 1.0)
        elif both:
            values[key] = sum(both) if key == "capacity" else min(both)
    return first._replace(values=values)


def _links(draft: Draft, place: dict[str, int], reading: Reading, *, directed: bool) -> list[LinkRow]:
    kept: dict[tuple[int, int], LinkRow] = {}
    for k, link in enumerate(draft.links):
        a = _index(draft, place, link.source, link.line, f"links[{k}].source")
        b = _index(draft, place, link.target, link.line, f"links[{k}].target")
        if a < 0 or b < 0:
            continue
        if a == b:
            if reading.self_loops == "refuse":
                message = f"node {link.source!r} is linked to itself"
                draft.wrong(link.line, f"links[{k}]", message, "self_loops = 'drop' leaves such links out")
            continue
        pair = (a, b) if directed or a < b else (b, a)
        if pair in kept:
            _settle(draft, kept, pair, link, reading)
        else:
            kept[pair] = link
    return list(kept.values())


def _settle(
    draft: Draft, kept: dict[tuple[int, int], LinkRow], pair: tuple[int, int], link: LinkRow, reading: Reading
) -> None:
    """Decide about a second link between the same nodes."""
    first = kept[pair]
    both_ways = (first.source, first.target) == (link.target, link.source)
    if both_ways and not draft.multigraph and first.values == link.values:
        return
    if reading.parallel == "merge":
        kept[pair] = _merge(first, link)
    elif reading.parallel == "refuse":
        message = f"a second link between {first.source!r} and {first.target!r}"
        if first.line is not None:
            message += f" (first in line {first.line})"
        hint = "parallel = 'first' keeps the first, parallel = 'merge' adds their capacities"
        if both_ways and first.values != link.values:
            hint = "its values differ from the other direction's: directed = true keeps both; or " + hint
        draft.wrong(link.line, "links", message, hint)


def _positions(draft: Draft, names: Sequence[str], reading: Reading) -> tuple[FloatArray, bool]:
    known = {node.name: node.position for node in draft.nodes if node.position is not None}
    nowhere = (np.nan, np.nan)
    position = np.array([known.get(name, nowhere) for name in names], np.float64).reshape(-1, 2)
    said = draft.geographic
    if said is None:
        said = next((node.geographic for node in draft.nodes if node.geographic is not None), None)
    outside = (np.abs(position) > (180.0, 90.0)).any()
    geographic = (not outside and bool(known)) if said is None else said
    if reading.positions != "auto":
        geographic = reading.positions == "lonlat"
    if geographic and outside:
        message = "some positions lie beyond 180 degrees of longitude or 90 of latitude"
        draft.wrong(None, "positions", message, "positions = 'planar' takes them as x and y in km")
    return position, geographic


def _attributes(draft: Draft) -> dict[str, list[Attribute]]:
    names = sorted({key for node in draft.nodes for key in node.attributes})
    return {key: [node.attributes.get(key) for node in draft.nodes] for key in names}


def _demands(draft: Draft, place: dict[str, int]) -> Demands:
    found: dict[tuple[int, int], float] = {}
    for row in draft.demands:
        a = _index(draft, place, row.source, row.line, "demands")
        b = _index(draft, place, row.target, row.line, "demands")
        words = f"{row.source!r} -> {row.target!r}"
        if a < 0 or b < 0:
            continue
        if a == b and row.volume:
            draft.wrong(row.line, "demands", f"{words} is a demand of a node to itself")
        if (a, b) in found:
            draft.wrong(row.line, "demands", f"{words} stands twice")
        if row.volume < 0:
            draft.wrong(row.line, "demands", f"{words} has the negative volume {row.volume:g}")
        if a != b:
            found[a, b] = row.volume
    return make_demands([a for a, _ in found], [b for _, b in found], list(found.values()))


def assemble(draft: Draft, reading: Reading) -> Network:
    """The network a draft states.

    Raises:
        BadInput: Everything found wrong, each with its file, line and field.
    """
    directed = bool(draft.directed) if reading.directed is None else reading.directed
    _check_names(draft)
    names = _names(draft)
    place = {name: i for i, name in enumerate(names)}
    links = _links(draft, place, reading, directed=directed)
    demands = _demands(draft, place)
    position, geographic = _positions(draft, names, reading)
    if draft.problems:
        raise BadInput(draft.problems)
    by_name = {node.name: node for node in draft.nodes}
    # Formats that do not list nodes may still have rows for lone ones; attributes need a row each.
    attributes = _attributes(draft) if len(by_name) == len(names) and draft.lists_nodes else {}
    return Network.from_links(
        names,
        [place[link.source] for link in links],
        [place[link.target] for link in links],
        directed=directed,
        length_km=[link.values.get("length_km", np.nan) for link in links],
        capacity=[link.values.get("capacity", np.nan) for link in links],
        delay_s=[link.values.get("delay_s", np.nan) for link in links],
        weight=[link.values.get("weight", 1.0) for link in links],
        position=position,
        geographic=geographic,
        attributes=attributes,
        demands=demands,
        name=draft.name,
    )
