"""What is measured: a name, a unit and which way is better."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

__all__ = ["Direction", "Metric", "unit_suffix"]

Direction = Literal["lower", "higher", "neither"]


@dataclass(frozen=True)
class Metric:
    """One named scalar that every run of a domain reports.

    Attributes:
        name: Identifier with its unit as a suffix where it has one, such as `response_time_p99_s`.
        unit: Unit in words for tables and axes; empty for a pure number.
        direction: Which way is better; "neither" for descriptions that are not judged.
        summary: One line for documentation and the report.
    """

    name: str
    unit: str
    direction: Direction
    summary: str

    @property
    def has_its_suffix(self) -> bool:
        """Whether the name ends in the unit, as every name with a unit does."""
        suffix = unit_suffix(self.unit)
        base = self.name.partition("[")[0]
        rate = re.search(r"_per_[a-z0-9]+$", base)
        return base.endswith(suffix) and (rate is None or not suffix or "_per_" in suffix)


def unit_suffix(unit: str) -> str:
    """What the name of a metric of this unit ends in: `s` gives `_s`, `1/s` gives `_per_s`, `Mbit/s` `_mbit_per_s`.

    Args:
        unit: The unit as tables show it; empty for a pure number, which has no suffix.
    """
    words = unit.replace("%", "percent").removeprefix("1/" if unit.startswith("1/") else "")
    words = ("per_" if unit.startswith("1/") else "") + words.replace("/", "_per_")
    plain = re.sub(r"[^a-z0-9_]+", "_", words.lower()).strip("_")
    return f"_{plain}" if plain else ""
