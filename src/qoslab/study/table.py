"""The table of results: one row per trial, made from the journal, kept as Parquet."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qoslab.core.seeds import Seed
from qoslab.study.files import write_whole
from qoslab.study.fingerprint import pair_digest, trial_digest
from qoslab.study.journal import Record, journals
from qoslab.study.store import Store

if TYPE_CHECKING:
    import polars as pl

__all__ = ["TABLE", "load_table", "make_table", "metric_columns", "rows", "save_table"]

TABLE = "trials.parquet"
_STAMP = "qoslab.journals"
_PLAN = "qoslab.plan"
_MISSING_RUN: Record = {"versions": "{}", "git": ""}


def rows(store: Store, plan: Record) -> Iterator[tuple[Record, Record, Record]]:
    """The rows of a plan's trials: record, scenario and method, in the order of the table.

    A row of other code, values or seeds than the plan's is left out: the table never mixes two studies.
    """
    study = plan["study"]
    for scenario in plan["scenarios"]:
        for method in plan["methods"]:
            pair = pair_digest(scenario["parts"], method["parts"])
            for replication in range(study["seeds"]):
                seed = Seed(study["seed"], study["name"], scenario["label"], replication)
                record = store.trials.get(trial_digest(pair, seed))
                if record is not None:
                    yield record, scenario, method


def make_table(store: Store) -> pl.DataFrame:
    """The table of the last plan that was run; its columns stand in `docs/concepts/studies.md`."""
    import polars as pl

    plan = store.plan
    if plan is None:
        return pl.DataFrame()
    found = list(rows(store, plan))
    records = [record for record, _, _ in found]
    columns: dict[str, pl.Series] = {"scenario": _texts(s["label"] for _, s, _ in found)}
    for name in _varied(plan["scenarios"]):
        columns[name] = _values([s["varied"].get(name) for _, s, _ in found])
    columns["method"] = _texts(m["label"] for _, _, m in found)
    columns["method_id"] = _texts(m["id"] for _, _, m in found)
    for name in _varied(plan["methods"]):
        columns[f"method.{name}"] = _values([m["varied"].get(name) for _, _, m in found])
    columns["replication"] = pl.Series([r["replication"] for r in records], dtype=pl.Int64)
    columns["seed_path"] = _texts(r["seed"] for r in records)
    columns["status"] = _texts(r["status"] for r in records)
    columns["reason"] = _texts(r["reason"] for r in records)
    columns |= _measured(plan, records)
    columns |= _provenance(store, found)
    return pl.DataFrame([series.alias(name) for name, series in columns.items()])


def save_table(store: Store, table: pl.DataFrame) -> None:
    """Keep the table as Parquet, with its plan and the sizes of the journals it was made from.

    Raises:
        DiskFull: There was no room; the table can be made again from the journal.
    """
    buffer = io.BytesIO()
    table.write_parquet(
        buffer, metadata={_STAMP: json.dumps(stamp(store.folder)), _PLAN: json.dumps(store.plan)}
    )
    write_whole(store.folder / TABLE, buffer.getvalue())


def load_table(folder: Path) -> tuple[pl.DataFrame, Record] | None:
    """The kept table and its plan; None where there is none, the journals have grown since, or it is damaged."""
    import polars as pl

    path = folder / TABLE
    if not path.is_file():
        return None
    try:
        kept = pl.read_parquet_metadata(path)
        if json.loads(kept.get(_STAMP, "null")) != stamp(folder):
            return None
        plan = json.loads(kept.get(_PLAN, "null"))
        return (pl.read_parquet(path), plan) if plan else None
    except (OSError, ValueError, pl.exceptions.PolarsError):
        return None


def stamp(folder: Path) -> dict[str, int]:
    """The sizes of all journals: as long as they stay, what was read from them stands."""
    return {path.name: path.stat().st_size for path in journals(folder)}


def metric_columns(declared: Sequence[str], names: Iterable[str]) -> list[str]:
    """The columns that hold metrics: each declared metric, followed by its members such as `mae[delay]`.

    Args:
        declared: The domain's metrics in their order.
        names: All names to choose from.
    """
    members: dict[str, set[str]] = {name: set() for name in declared}
    for name in set(names):
        base, bracket, _ = name.partition("[")
        if bracket and base in members:
            members[base].add(name)
    return [column for name in declared for column in (name, *sorted(members[name]))]


def _measured(plan: Record, records: Sequence[Record]) -> dict[str, pl.Series]:
    import polars as pl

    reported = {name for r in records for name in r["metrics"]}
    metrics = {
        name: pl.Series([r["metrics"].get(name) for r in records], dtype=pl.Float64)
        for name in metric_columns(plan["metrics"], reported)
    }
    names = sorted({name for r in records for name in r["counters"]})
    counters = {
        f"counter.{name}": pl.Series([r["counters"].get(name) for r in records], dtype=pl.Int64)
        for name in names
    }
    return metrics | counters


def _provenance(store: Store, found: Sequence[tuple[Record, Record, Record]]) -> dict[str, pl.Series]:
    import polars as pl

    records = [record for record, _, _ in found]
    runs = [store.runs.get(r["run"], _MISSING_RUN) for r in records]
    return {
        "scenario_hash": _texts(s["parts"]["scenario"] for _, s, _ in found),
        "fingerprint": _texts(r["fingerprint"] for r in records),
        "versions": _texts(run["versions"] for run in runs),
        "git": _texts(run["git"] for run in runs),
        "host": _texts(r["host"] for r in records),
        "cpu_s": pl.Series([r["cpu_s"] for r in records], dtype=pl.Float64),
        "wall_s": pl.Series([r["wall_s"] for r in records], dtype=pl.Float64),
        "finished_at": pl.Series([r["at"] for r in records], dtype=pl.String).str.to_datetime(
            time_unit="ms", time_zone="UTC"
        ),
    }


def _varied(cases: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(name for case in cases for name in case["varied"]))


def _texts(values: Iterator[str]) -> pl.Series:
    import polars as pl

    return pl.Series(list(values), dtype=pl.String)


def _values(values: list[Any]) -> pl.Series:
    """A column of grid values: numbers as numbers, all else as text."""
    import polars as pl

    known = [value for value in values if value is not None]
    for kind, dtype in ((bool, pl.Boolean), (int, pl.Int64), (int | float, pl.Float64), (str, pl.String)):
        if all(isinstance(v, kind) and (kind is bool or not isinstance(v, bool)) for v in known):
            return pl.Series(values, dtype=dtype, strict=False)
    return pl.Series([None if v is None else json.dumps(v) for v in values], dtype=pl.String)
