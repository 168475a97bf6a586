"""What a file says, before anybody has judged it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from qoslab.core.errors import BadInput, Problem
from qoslab.graphs.network import Attribute, LinkField

__all__ = ["LINK_KEYS", "DemandRow", "Draft", "LinkRow", "NodeRow", "number"]

LINK_KEYS: Mapping[str, LinkField] = {
    "length_km": "length_km",
    "dist": "length_km",  # topohub, kilometres
    "capacity": "capacity",
    "LinkSpeedRaw": "capacity",  # Internet Topology Zoo, bit/s
    "delay_s": "delay_s",
    "weight": "weight",
}
"""Names under which files give the fields of a link; others (labels, notes) are not read."""


class NodeRow(NamedTuple):
    """A node as its file states it; `position` has its own keys taken out of the attributes."""

    name: str
    line: int | None
    attributes: dict[str, Attribute]
    position: tuple[float, float] | None = None
    geographic: bool | None = None


class LinkRow(NamedTuple):
    """A link as its file states it."""

    source: str
    target: str
    line: int | None
    values: dict[LinkField, float]


class DemandRow(NamedTuple):
    """A demand as its file states it."""

    source: str
    target: str
    volume: float
    line: int | None


@dataclass
class Draft:
    """A network as its file states it, with the line of every statement and the problems found so far.

    Attributes:
        path: The file; None for a network written out in the study or taken from a package.
        name: What the network is called.
        directed: What the file says; None where its format cannot say it.
        geographic: Whether positions are longitude and latitude; None where the file does not say.
        lists_nodes: Whether the file names its nodes apart from its links; other ends are then errors.
        multigraph: Whether the file says that parallel links are meant.
    """

    path: Path | None
    name: str = ""
    directed: bool | None = None
    geographic: bool | None = None
    lists_nodes: bool = False
    multigraph: bool = False
    nodes: list[NodeRow] = field(default_factory=list)
    links: list[LinkRow] = field(default_factory=list)
    demands: list[DemandRow] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, line: int | None, where: str | None, message: str, hint: str | None = None) -> None:
        """Note a problem and go on reading."""
        self.problems.append(Problem(path=self.path, line=line, field=where, message=message, hint=hint))

    def fail(self, line: int | None, message: str, hint: str | None = None) -> BadInput:
        """The error for a file that cannot be read any further, with all problems found before."""
        self.wrong(line, None, message, hint)
        return BadInput(self.problems)

    def link_values(self, found: Mapping[str, Any], line: int | None, where: str) -> dict[LinkField, float]:
        """The fields of a link among the keys that a file gives it."""
        values: dict[LinkField, float] = {}
        for key, value in found.items():
            if key not in LINK_KEYS or value is None or value == "":
                continue
            figure = number(value)
            if figure is None:
                self.wrong(line, f"{where}.{key}", f"{value!r} is no finite number")
            elif figure < 0 and key != "weight":
                self.wrong(line, f"{where}.{key}", f"{figure:g} is negative")
            else:
                values[LINK_KEYS[key]] = figure
        return values


def number(value: Any) -> float | None:
    """A finite number from what a file gives, or None; truth values are no numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and not (isinstance(value, str) and "_" in value) else None
