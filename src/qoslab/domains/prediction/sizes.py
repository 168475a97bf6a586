"""How large tables may be, and what numbers may stand in them."""

from __future__ import annotations

__all__ = ["LARGEST", "MEASUREMENT", "MOST_VALUES", "SMALLEST", "too_large"]

LARGEST = 1e30
"""Largest measurement: float32 holds it, and sums of its squares are finite in float64."""

SMALLEST = 1e-30
"""Smallest measurement but zero, for the same reasons."""

MEASUREMENT = f"a measurement is 0, or from {SMALLEST:g} to {LARGEST:g}"

MOST_VALUES = 200_000_000
"""Values of a table with all its parameters: 1.6 GB, of which methods need several times as much."""


def too_large(parameters: int, users: int, services: int) -> str | None:
    """What is wrong with a table of that shape, if it would not fit into the memory of a usual machine."""
    values = parameters * users * services
    if values <= MOST_VALUES:
        return None
    shape = f"{users:,} users, {services:,} services and {parameters} parameter{'s' * (parameters > 1)}"
    return f"a table of {shape} has {values:,} values; at most {MOST_VALUES:,} are worked with"
