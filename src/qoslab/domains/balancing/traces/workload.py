"""A platform engineer's own trace: when requests arrived, and how big they were."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from qoslab.core.errors import BadInput, Problem, did_you_mean
from qoslab.domains.balancing.traces.columns import SizeKind, find_response, find_size, find_time, unit_of
from qoslab.domains.balancing.traces.tables import Table, open_table
from qoslab.domains.balancing.traces.timestamps import iso_ns, number_unit, plausible_iso

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Trace", "read_trace"]

Reals = NDArray[np.float64]
TimeUnit = Literal["s", "ms", "us", "ns"]
_UNIT_S: dict[str, float] = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_SHOWN = 5


@dataclass(frozen=True)
class Trace:
    """Recorded requests in the order of their arrival.

    Attributes:
        arrival_s: Arrival times, s after the first, not decreasing, shape (k,).
        size: Sizes, not negative, shape (k,); None where the trace has none.
        size_kind: `service_s` where sizes are seconds of service, `work` where they are any other amount.
        flow: A number for each request, equal for requests of one flow, shape (k,); None where not asked for.
        start_s: Seconds since 1970 of the first arrival; None where the trace counts from its own zero.
        source: Where it comes from.
        notes: What was assumed, in words.
        warnings: What a reader must know before believing a result.
    """

    arrival_s: Reals
    size: Reals | None
    size_kind: SizeKind = "service_s"
    flow: NDArray[np.int64] | None = None
    start_s: float | None = None
    source: str = ""
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.arrival_s)

    @property
    def duration_s(self) -> float:
        """Time from the first to the last arrival, s."""
        return float(self.arrival_s[-1] - self.arrival_s[0]) if len(self) else 0.0


def read_trace(
    path: str | Path,
    *,
    time: str | None = None,
    size: str | Mapping[str, float] | None = None,
    flow: str | None = None,
    time_unit: TimeUnit | None = None,
    size_unit: TimeUnit | None = None,
    sizes: bool = True,
    rows: int | None = None,
    skip_bad: bool = False,
) -> Trace:
    """Read a CSV or Parquet file with a row per request; only the columns in use come into memory.

    Args:
        path: A `.csv`, `.tsv` or `.parquet` file.
        time: Column of arrival times: numbers, or dates and times of day as in ISO 8601; None to find it.
        size: Column of sizes, or columns and factors whose sum is the size in s; None to find it.
        flow: Column whose equal values belong to one flow; None for none.
        time_unit: Unit of numeric times; None to tell from the column's name, then from their magnitude.
        size_unit: Unit of service times; None to tell from the column's name, else seconds.
        sizes: False to leave sizes alone even where the file has some.
        rows: Read this many rows at most; None for all.
        skip_bad: Leave out rows that cannot be used, with a warning, instead of refusing the file.

    Returns:
        The trace, sorted by time.

    Raises:
        BadInput: The file cannot be read, a column is missing or not to be told, or rows cannot be used; the
            first rows are named by line and column.
    """
    table = open_table(Path(path), rows)
    plan = _plan(table, time, size, flow, time_unit, size_unit, sizes=sizes)
    frame = table.collect(plan.expressions())
    bad = frame.get_column("bad").to_numpy()
    if bad.any():
        frame = _without(frame, bad, table, plan, skip_bad=skip_bad)
    if frame.height == 0:
        raise BadInput(Problem(message="has no rows that can be used", path=table.path))
    return _trace(frame, table, plan)


@dataclass
class _Plan:
    """How each column is read."""

    time: str
    iso: bool
    unit_s: float
    size: tuple[tuple[str, float], ...]
    size_kind: SizeKind
    flow: str | None
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def expressions(self) -> list[pl.Expr]:
        import polars as pl

        if self.iso:
            when = iso_ns(self.time)
        else:
            # Whole numbers keep all their digits: nanoseconds since 1970 do not fit a float64.
            exact = pl.col(self.time).cast(pl.String).str.strip_chars().cast(pl.Int64, strict=False)
            when = exact if self.unit_s < 1.0 else _number(self.time)
        items = [when.alias("when")]
        bad = when.is_null() | when.cast(pl.Float64).is_infinite() | when.cast(pl.Float64).is_nan()
        if not self.iso and self.unit_s < 1.0:
            items.append(_number(self.time).alias("fraction"))
            bad = ~_number(self.time).is_finite().fill_null(value=False)
        if self.size:
            total = pl.sum_horizontal(_number(c) * f for c, f in self.size)
            parts = [_number(c) for c, _ in self.size]
            wrong = pl.any_horizontal(~p.is_finite().fill_null(value=False) | (p < 0) for p in parts)
            items.append(total.alias("size"))
            bad = bad | wrong.fill_null(value=True)
        if self.flow is not None:
            items.append(pl.col(self.flow).cast(pl.String).alias("flow"))
        return [*items, bad.fill_null(value=True).alias("bad")]


def _number(column: str) -> pl.Expr:
    import polars as pl

    return pl.col(column).cast(pl.String).str.strip_chars().cast(pl.Float64, strict=False)


def _plan(
    table: Table,
    time: str | None,
    size: str | Mapping[str, float] | None,
    flow: str | None,
    time_unit: str | None,
    size_unit: str | None,
    *,
    sizes: bool,
) -> _Plan:
    notes: list[str] = []
    columns = table.columns
    asked = [time, flow, *(size if isinstance(size, Mapping) else [size])]
    unknown = [name for name in asked if name is not None and name not in columns]
    if unknown:
        raise BadInput(
            Problem(message=f"has no column {name!r}", path=table.path, hint=did_you_mean(name, columns))
            for name in unknown
        )
    if time is None:
        found = find_time(columns)
        if found is None:
            hint = "name the column of arrival times; the file has: " + ", ".join(columns[:20])
            raise BadInput(
                Problem(message="has no column that looks like arrival times", path=table.path, hint=hint)
            )
        time = found.column
        notes.append(f"arrival times are taken from column {time!r}")
    iso, unit_s = _time_form(table, time, time_unit, notes)
    parts, kind = _size_form(table, size, size_unit, notes) if sizes else ((), "service_s")
    return _Plan(time, iso, unit_s, parts, kind, flow, notes)


def _time_form(table: Table, column: str, unit: str | None, notes: list[str]) -> tuple[bool, float]:
    first = table.first_value(column)
    if first is not None and plausible_iso(first):
        return True, 1e-9
    if unit is not None:
        return False, _UNIT_S[unit]
    named = unit_of(column)
    if named is not None:
        return False, named
    unit_s, words = number_unit(table.largest(column))
    notes.append(f"column {column!r} names no unit: its numbers are taken for {words}")
    return False, unit_s


def _size_form(
    table: Table, size: str | Mapping[str, float] | None, unit: str | None, notes: list[str]
) -> tuple[tuple[tuple[str, float], ...], SizeKind]:
    if isinstance(size, Mapping):
        return tuple(size.items()), "service_s"
    if size is None:
        found = find_size(table.columns)
        if found is None:
            response = find_response(table.columns)
            if response is not None:
                notes.append(
                    f"column {response.column!r} holds response times: they contain waiting, so they are not "
                    "taken for sizes"
                )
            return (), "service_s"
        notes.append(f"sizes are taken from column {found.column!r} ({found.kind})")
        size, kind = found.column, found.kind
    else:
        known = find_size([size])
        kind = known.kind if known else "service_s"
    if kind == "work":
        return ((size, 1.0),), kind
    factor = _UNIT_S[unit] if unit else unit_of(size)
    if factor is None:
        factor = 1.0
        notes.append(f"column {size!r} names no unit: its numbers are taken for seconds")
    return ((size, factor),), kind


def _without(
    frame: pl.DataFrame, bad: NDArray[np.bool_], table: Table, plan: _Plan, *, skip_bad: bool
) -> pl.DataFrame:
    import polars as pl

    count = int(bad.sum())
    where = np.flatnonzero(bad)[:_SHOWN]
    used = [plan.time, *(name for name, _ in plan.size)]
    problems = table.problems(where, used, time=plan.time)
    if not skip_bad:
        if count > len(problems):
            more = f"{count} of {frame.height} rows cannot be used; the first {len(problems)} are shown"
            problems = [
                *problems,
                Problem(message=more, path=table.path, hint="skip them with skip_bad (--skip-bad)"),
            ]
        raise BadInput(problems)
    first = problems[0]
    plan.warnings.append(
        f"{count} of {frame.height} rows were left out; the first at line {first.line}: {first.message}"
    )
    return frame.filter(~pl.col("bad"))


def _trace(frame: pl.DataFrame, table: Table, plan: _Plan) -> Trace:
    times, start_s = _seconds(frame, plan)
    size = frame.get_column("size").to_numpy().astype(np.float64) if plan.size else None
    flow = _flows(frame) if plan.flow else None
    back = int(np.count_nonzero(np.diff(times) < 0))
    if back:
        plan.warnings.append(
            f"{back} of {len(times)} requests stand before an earlier one: the trace was sorted by time"
        )
        order = np.argsort(times, kind="stable")
        times = times[order]
        size = size if size is None else size[order]
        flow = flow if flow is None else flow[order]
    times = times - times[0]
    plan.warnings.extend(_doubts(times, size))
    return Trace(
        times, size, plan.size_kind, flow, start_s, str(table.path), tuple(plan.notes), tuple(plan.warnings)
    )


def _seconds(frame: pl.DataFrame, plan: _Plan) -> tuple[Reals, float | None]:
    """Seconds after the earliest time, and that time since 1970 where the numbers are such."""
    when = frame.get_column("when")
    if "fraction" in frame.columns and when.null_count():
        real = frame.get_column("fraction").to_numpy()
        first = float(real.min())
        seconds = (real - first) * plan.unit_s
    else:
        raw = when.to_numpy()
        first = raw.min()
        seconds = (raw - first) * plan.unit_s
    start = float(first) * plan.unit_s
    return seconds.astype(np.float64), start if plan.iso or start > 1e8 else None


def _flows(frame: pl.DataFrame) -> NDArray[np.int64]:
    return frame.get_column("flow").rank("dense").fill_null(0).to_numpy().astype(np.int64)


def _doubts(times: Reals, size: Reals | None) -> Sequence[str]:
    found = []
    gaps = np.diff(times)
    if len(gaps):
        same = float(np.mean(gaps == 0))
        if same > 0.05:
            positive = gaps[gaps > 0]
            step = f"; its clock seems to tick every {positive.min():g} s" if len(positive) else ""
            found.append(
                f"{same:.0%} of requests arrive at the same instant as the one before{step}: bursts within a "
                "tick cannot be told from a coarse clock"
            )
    if size is not None:
        zeros = float(np.mean(size == 0))
        if zeros == 1.0:
            found.append("all sizes are zero")
        elif zeros > 0:
            found.append(f"{zeros:.2%} of sizes are zero")
    if len(times) < 1000:
        found.append(f"{len(times)} requests are few: tail percentiles of such a run say little")
    return found
