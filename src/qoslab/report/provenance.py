"""Where the numbers of a report come from, in a few lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from qoslab.report.words import enumerate_words, fixed

if TYPE_CHECKING:
    import polars as pl

__all__ = ["provenance"]


def provenance(table: pl.DataFrame) -> list[tuple[str, str]]:
    """Machines, versions, commits, time spent and when, over all rows.

    Args:
        table: The table of results.

    Returns:
        Pairs of a name and what stands for it; what is unknown is left out.
    """
    rows = [
        ("versions", _versions(table)),
        ("commit", _distinct(table, "git")),
        ("host", _distinct(table, "host")),
        ("processor time", _seconds(table, "cpu_s")),
        ("trials' wall time", _seconds(table, "wall_s")),
        ("first trial ended", _edge(table, "finished_at", last=False)),
        ("last trial ended", _edge(table, "finished_at", last=True)),
        ("scenarios", _hashes(table, "scenario", "scenario_hash")),
        ("method fingerprints", _hashes(table, "method", "fingerprint")),
    ]
    return [(name, value) for name, value in rows if value]


def _distinct(table: pl.DataFrame, column: str) -> str:
    if column not in table.columns:
        return ""
    found = sorted(str(value) for value in table[column].drop_nulls().unique() if str(value))
    return enumerate_words(found, limit=6)


def _versions(table: pl.DataFrame) -> str:
    if "versions" not in table.columns:
        return ""
    told = []
    for text in sorted(str(value) for value in table["versions"].drop_nulls().unique()):
        try:
            parsed = json.loads(text)
        except ValueError:
            parsed = None
        pairs = parsed.items() if isinstance(parsed, dict) else ()
        told.append(", ".join(f"{name} {version}" for name, version in pairs) or text)
    # Rows of one fingerprint rest on the same source of ours, whatever its version; libraries may differ all the same.
    mixed = f"the table mixes {len(told)} sets of versions: " if len(told) > 1 else ""
    return mixed + "; ".join(told[:4]) + (f"; and {len(told) - 4} more" if len(told) > 4 else "")


def _seconds(table: pl.DataFrame, column: str) -> str:
    if column not in table.columns or table[column].null_count() == table.height:
        return ""
    total = float(table[column].sum())
    return f"{fixed(total, 1 if total < 100 else 0)} s"


def _edge(table: pl.DataFrame, column: str, *, last: bool) -> str:
    if column not in table.columns:
        return ""
    value = table[column].max() if last else table[column].min()
    return "" if value is None else str(value)


def _hashes(table: pl.DataFrame, name: str, column: str) -> str:
    """How many distinct hashes stand for how many names; each where they are few."""
    if column not in table.columns:
        return ""
    pairs = table.select(name, column).drop_nulls().unique(maintain_order=True)
    told = [f"{label} {str(value)[:12]}".strip() for label, value in pairs.iter_rows()]
    return enumerate_words(told, limit=8)
