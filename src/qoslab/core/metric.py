"""What is measured: a name, a unit and which way is better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Direction", "Metric"]

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
