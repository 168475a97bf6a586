"""A node's keys: its position under any of the names in use, and what remains as attributes."""

from __future__ import annotations

import math
from typing import Any

from qoslab.graphs.formats.draft import Draft, NodeRow, number
from qoslab.graphs.network import Attribute
from qoslab.graphs.validation import RESERVED, clean_name, clean_text

__all__ = ["node_row"]

_PAIRS = (
    ("Longitude", "Latitude", True),
    ("longitude", "latitude", True),
    ("lon", "lat", True),
    ("x", "y", False),
)
"""Keys of a position, and whether they mean longitude and latitude."""


def _pair(
    draft: Draft, values: dict[str, Any], line: int | None, where: str
) -> tuple[Any, Any, bool | None] | None:
    if "pos" in values:
        pos = values.pop("pos")
        if isinstance(pos, list) and len(pos) == 2:
            return pos[0], pos[1], None
        if pos is not None:
            draft.wrong(line, f"{where}.pos", "is no pair of numbers")
        return None
    for first, second, geographic in _PAIRS:
        if first in values and second in values:
            return values.pop(first), values.pop(second), geographic
    return None


def _attribute(value: Any) -> Attribute:
    if isinstance(value, str):
        return value if clean_text(value) else None
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float) else None


def node_row(draft: Draft, name: str, line: int | None, values: dict[str, Any], where: str) -> NodeRow:
    """The row of a node; a value that is neither text, number nor truth value is not read.

    Neither is half a position, nor a second identifier among the attributes (the Topology Zoo has them).
    """
    pair = _pair(draft, values, line, where)
    position, geographic = None, None
    if pair is not None and pair[0] is not None and pair[1] is not None:
        x, y = number(pair[0]), number(pair[1])
        geographic = pair[2]
        if x is None or y is None:
            draft.wrong(line, f"{where}.pos", f"{pair[0]!r}, {pair[1]!r} is no pair of finite numbers")
        else:
            position = (x, y)
    attributes: dict[str, Attribute] = {
        key: found
        for key, value in values.items()
        if key.lower() not in RESERVED and clean_name(key) and (found := _attribute(value)) is not None
    }
    return NodeRow(name, line, attributes, position, geographic)
