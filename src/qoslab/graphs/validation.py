"""What may be wrong with a network, all of it at once."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from qoslab.core.errors import Problem
from qoslab.graphs.demands import demand_problems

if TYPE_CHECKING:
    from qoslab.graphs.network import Network

__all__ = ["RESERVED", "clean_name", "clean_text", "network_problems"]

RESERVED = frozenset({"id", "pos", "x", "y", "lon", "lat", "longitude", "latitude"})
"""Names a node attribute may not have: the network file uses them for identifiers and positions."""

# XML 1.0 cannot carry these, and no person can read them.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_SHOWN = 20


def clean_text(text: str) -> bool:
    """Whether every file format can carry a text: no control characters but tab and line feed."""
    return _CONTROL.search(text) is None


def clean_name(text: str) -> bool:
    """Whether a text can be an identifier: not empty, on one line, no blank at either end."""
    return bool(text) and text == text.strip() and "\n" not in text and "\t" not in text and clean_text(text)


def _node_problems(network: Network) -> Iterator[Problem]:
    for name, count in Counter(network.nodes).items():
        if not clean_name(name):
            hint = "it must not be empty, hold control characters, or begin or end with a blank"
            yield Problem(field="nodes", message=f"{name!r} cannot be an identifier", hint=hint)
        if count > 1:
            yield Problem(field="nodes", message=f"node {name!r} stands {count} times")
    if network.position.shape != (network.n, 2):
        message = f"has the shape {network.position.shape}, not ({network.n}, 2)"
        yield Problem(field="position", message=message)
    elif np.isinf(network.position).any():
        yield Problem(field="position", message="is infinite for some node")
    elif network.geographic and (np.abs(network.position) > (180.0, 90.0)).any():
        hint = "longitude first; planar positions in km are marked as such"
        message = "lies beyond 180 degrees of longitude or 90 of latitude"
        yield Problem(field="position", message=message, hint=hint)


def _is_attribute(value: Any) -> bool:
    if isinstance(value, str):
        return clean_text(value)
    return value is None or isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def _attribute_problems(network: Network) -> Iterator[Problem]:
    for name, column in network.attributes.items():
        field = f"attributes.{name}"
        if name.lower() in RESERVED or not clean_name(name):
            yield Problem(field=field, message="this name cannot be used for an attribute of nodes")
        if len(column) != network.n:
            yield Problem(field=field, message=f"has {len(column)} values for {network.n} nodes")
        if not all(map(_is_attribute, column)):
            yield Problem(
                field=field, message="holds a value that is no text, finite number, truth value or None"
            )


def _end_problems(network: Network) -> Iterator[Problem]:
    inside = [(end >= 0) & (end < network.n) for end in (network.tail, network.head)]
    for k in np.flatnonzero(~(inside[0] & inside[1]))[:_SHOWN]:
        message = f"{network.tail[k]} - {network.head[k]} names a node outside 0..{network.n - 1}"
        yield Problem(field=f"links[{k}]", message=message)
    for k in np.flatnonzero(inside[0] & (network.tail == network.head))[:_SHOWN]:
        message = f"node {network.nodes[network.tail[k]]!r} is linked to itself"
        yield Problem(field=f"links[{k}]", message=message)
    if inside[0].all() and inside[1].all():
        yield from _parallel_problems(network)


def _parallel_problems(network: Network) -> Iterator[Problem]:
    low, high = network.tail, network.head
    if not network.directed:
        low, high = np.minimum(low, high), np.maximum(low, high)
    key = low * network.n + high
    order = np.argsort(key, kind="stable")
    repeated = order[1:][key[order][1:] == key[order][:-1]]
    for k in np.sort(repeated)[:_SHOWN]:
        message = f"a second link between {network.nodes[low[k]]!r} and {network.nodes[high[k]]!r}"
        yield Problem(field=f"links[{k}]", message=message)


def _column_problems(network: Network) -> Iterator[Problem]:
    for field in ("length_km", "capacity", "delay_s", "weight"):
        column = getattr(network, field)
        if column.shape != (network.m,):
            message = f"has the shape {column.shape} for {network.m} links"
            yield Problem(field=field, message=message)
            continue
        bad = np.isnan(column) | np.isinf(column) if field == "weight" else (column < 0) | np.isinf(column)
        what = "finite" if field == "weight" else "finite and not negative"
        for k in np.flatnonzero(bad)[:_SHOWN]:
            yield Problem(field=f"links[{k}].{field}", message=f"{column[k]:g} is not {what}")


def network_problems(network: Network) -> list[Problem]:
    """Everything that is wrong with a network, at most twenty of a kind."""
    problems = list(_node_problems(network)) + list(_attribute_problems(network))
    if network.tail.shape != network.head.shape:
        message = f"{len(network.tail)} tails and {len(network.head)} heads"
        return [*problems, Problem(field="links", message=message)]
    problems += list(_end_problems(network)) + list(_column_problems(network))
    return problems + demand_problems(network.demands, dict(enumerate(network.nodes)))
