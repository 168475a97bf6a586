"""Columns of times, numeric or ISO 8601, as whole nanoseconds after the first; with polars, column-wise."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ISO", "iso_ns", "number_unit", "plausible_iso"]

ISO = (
    r"^\s*(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9})\d*)?)?)?"
    r"\s*(Z|z|UTC|[+-]\d{2}:?\d{2})?\s*$"
)
"""A date, or a date and a time of day with up to nanoseconds and a zone (Rust's regex: linear time)."""

_EPOCHS = ((1e17, 1e-9, "nanoseconds"), (1e14, 1e-6, "microseconds"), (1e11, 1e-3, "milliseconds"))


def plausible_iso(text: str) -> bool:
    """Whether a value looks like a date, so that its column is read as one."""
    return len(text) >= 8 and text[:4].isdigit() and text[4:5] == "-"


def number_unit(largest: float) -> tuple[float, str]:
    """The unit of numeric times that nobody named, by their magnitude.

    Args:
        largest: The largest absolute value of the column.

    Returns:
        Seconds in one unit, and the unit in words. Times since 1970 differ by a factor of 1000 between units,
        and any of the years 1973 to 5138 tells them apart; everything smaller counts as seconds.
    """
    for bound, unit, words in _EPOCHS:
        if largest >= bound:
            return unit, words
    return 1.0, "seconds"


def iso_ns(column: str) -> pl.Expr:
    """Nanoseconds since 1970 (UTC where a zone is given) of a text column; null where it is no date.

    Args:
        column: Name of a text column.

    Returns:
        An Int64 expression.
    """
    import polars as pl

    text = pl.col(column)
    part = [text.str.extract(ISO, group) for group in range(1, 7)]
    day = part[0].str.to_date("%Y-%m-%d", strict=False).cast(pl.Int64)
    hour, minute, second = (item.cast(pl.Int64, strict=False).fill_null(0) for item in part[1:4])
    fraction = part[4].str.pad_end(9, "0").cast(pl.Int64, strict=False).fill_null(0)
    zone = part[5].str.replace(":", "", literal=True)
    sign = pl.when(zone.str.starts_with("-")).then(-1).otherwise(1)
    offset = zone.str.slice(1, 2).cast(pl.Int64, strict=False) * 60 + zone.str.slice(3, 2).cast(
        pl.Int64, strict=False
    )
    seconds = day * 86_400 + hour * 3600 + minute * 60 + second - (sign * offset).fill_null(0) * 60
    valid = (hour <= 23) & (minute <= 59) & (second <= 60)
    return pl.when(valid).then(seconds * 1_000_000_000 + fraction)
