"""One slice of a study's table: a figure over one varied value holds the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

__all__ = ["hold_others"]


def hold_others(rows: pl.DataFrame, shown: str) -> tuple[pl.DataFrame, str]:
    """The rows where every varied scenario value but one is the table's first: a mean over them would mean nothing.

    Args:
        rows: A table of trials; varied scenario values are its columns before `method`.
        shown: The one that a figure has on its axis.

    Returns:
        The rows, and which values are held, such as `nodes = 10`; empty where nothing else varies.
    """
    import polars as pl

    held = []
    for name in rows.columns[: rows.columns.index("method")]:
        if name in ("scenario", shown) or rows[name].n_unique() < 2:
            continue
        first = rows[name][0]
        rows = rows.filter(pl.col(name).eq_missing(pl.lit(first, dtype=rows[name].dtype)))
        held.append(f"{name} = {first}")
    return rows, ", ".join(held)
