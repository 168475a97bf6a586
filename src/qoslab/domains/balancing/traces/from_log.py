"""`qoslab balancing from-log`: a study file from an access log or a trace of one's own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qoslab.core.errors import BadInput, Problem
from qoslab.domains.balancing.traces.accesslog import read_log
from qoslab.domains.balancing.traces.demand import Demand, describe
from qoslab.domains.balancing.traces.estimates import Estimate
from qoslab.domains.balancing.traces.infer import Inference, infer
from qoslab.domains.balancing.traces.requests import LogReport
from qoslab.domains.balancing.traces.scenario_file import study_from_inference, study_from_trace
from qoslab.domains.balancing.traces.workload import read_trace

__all__ = ["Imported", "ImportedServer", "from_log"]

Reals = NDArray[np.float64]
_TABLES = frozenset({".csv", ".tsv", ".parquet", ".pq"})
_ROWS_AS_TEXT = 1_000_000


@dataclass(frozen=True)
class ImportedServer:
    """A server as a log shows it: its cores with the fewest and the most that fit, and its relative speed.

    Attributes:
        name: Its name in the log.
        cores: Cores, the best guess.
        cores_low: The fewest that cannot be told from the best guess.
        cores_high: The most that cannot be told from it.
        busy: Share of the time during which it held a request.
        speed: Speed of a core, relative to the mean over the servers.
    """

    name: str
    cores: int
    cores_low: int
    cores_high: int
    busy: float
    speed: Estimate


@dataclass(frozen=True)
class Imported:
    """What `from-log` wrote, and what it found.

    Attributes:
        study: The study file.
        requests_file: The file of the requests beside it.
        requests: How many requests it holds.
        rate_per_s: Mean rate, 1/s.
        gap_cv: Coefficient of variation of the times between arrivals.
        discipline: How the servers work; None where the input does not tell.
        servers: The servers; none where the input does not tell them.
        work_s: Mean work of a request, s of a core of speed 1; None where unknown.
        work_scv: Its squared coefficient of variation; None likewise.
        load: Arriving work over capacity; None likewise.
        lines_read: Lines of a log that gave a request; None for a trace.
        lines_damaged: Lines that could not be read; None for a trace.
        format: The format that a log was read by; None for a trace.
        damaged: The first damaged lines: number, reason, text.
        warnings: What speaks against all this.
        notes: How it was found.
        said: The head of the study file, in words.
    """

    study: Path
    requests_file: Path
    requests: int
    rate_per_s: Estimate
    gap_cv: float
    discipline: str | None
    servers: tuple[ImportedServer, ...]
    work_s: Estimate | None
    work_scv: float | None
    load: Estimate | None
    lines_read: int | None
    lines_damaged: int | None
    format: str | None
    damaged: tuple[tuple[int, str, str], ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    said: str = field(repr=False)

    def in_words(self) -> str:
        """What was found, how reading went, and what to do next."""
        lines = [self.said]
        if self.lines_read is not None and self.lines_damaged is not None:
            of = self.lines_read + self.lines_damaged
            lines.append(f"{self.lines_read} of {of} lines read by the format {self.format}")
            lines += [f"  line {number}: {why}: {shown}" for number, why, shown in self.damaged]
        lines.append(f"wrote {self.study} and {self.requests_file}; next: qoslab run {self.study}")
        return "\n".join(lines)


def from_log(
    file: Path,
    /,
    *,
    format: str | None = None,
    out: Path | None = None,
    time: str | None = None,
    size: str | None = None,
    rows: int | None = None,
    skip_bad: bool = False,
) -> Imported:
    """Write a study that replays an access log of HAProxy or nginx, or a trace of your own.

    From a log it infers the servers' cores and relative speeds, the sizes of requests and the load, and writes
    into the study how sure each is. Beside the study it puts a file of the requests. Nothing is overwritten.

    Args:
        file: The log (plain, .gz, .bz2 or .xz), or a CSV or Parquet file with a row per request.
        format: A known log format, the format string from the proxy's configuration, or `trace`; found by itself
            where it is left out.
        out: The study file to write; by default the input's name with `.toml`, in the current folder.
        time: Column of arrival times of a trace.
        size: Column of sizes of a trace.
        rows: Read this many rows at most.
        skip_bad: Leave out rows of a trace that cannot be used.

    Returns:
        What was written and found.
    """
    file = Path(file)
    out = out or Path(file.name.split(".")[0] + ".toml")
    is_trace = format == "trace" or (format is None and file.suffix.lower() in _TABLES)
    if is_trace:
        trace = read_trace(file, time=time, size=size, rows=rows, skip_bad=skip_bad)
        try:
            demand = describe(trace.arrival_s, start_s=trace.start_s)
        except ValueError as error:
            raise BadInput(Problem(message=str(error), path=file)) from None
        name = "size" if trace.size_kind == "work" else "size_s"
        data = _data_path(out, len(trace))
        text = study_from_trace(trace, demand, file.name, data)
        _write_both(out, text, data, trace.arrival_s, trace.size, name)
        return _imported(
            out, data, text, len(trace), demand, (*trace.warnings, *demand.warnings), trace.notes
        )
    if time is not None or size is not None or skip_bad:
        message = "--time, --size and --skip-bad belong to traces (CSV, Parquet), not to logs"
        raise BadInput(Problem(message=message, path=file))
    requests = read_log(file, log_format=format, rows=rows)
    found = infer(requests)
    sized = len(found.size_s) > 0
    arrivals = found.arrival_s if sized else requests.arrival_s
    data = _data_path(out, len(arrivals))
    text = study_from_inference(found, file.name, data)
    _write_both(out, text, data, arrivals, found.size_s if sized else None, "size_s")
    return _imported(
        out, data, text, len(arrivals), found.demand, found.warnings, found.notes, found, requests.report
    )


def _data_path(out: Path, rows: int) -> Path:
    return out.with_name(f"{out.stem}.requests.{'csv' if rows <= _ROWS_AS_TEXT else 'parquet'}")


def _write_both(out: Path, text: str, data: Path, time_s: Reals, size: Reals | None, name: str) -> None:
    """Write the requests and the study, or neither."""
    for path in (out, data):
        if path.exists():
            _refuse(path)
    if not out.parent.is_dir():
        message = f"there is no folder {str(out.parent)!r}"
        raise BadInput(message)
    _place(data, lambda path: _write_requests(path, data.suffix, time_s, size, name))
    try:
        _place(out, lambda path: _write_text(path, text))
    except BaseException:
        data.unlink(missing_ok=True)
        raise


def _place(target: Path, write: Callable[[Path], None]) -> None:
    """Write a new file whole or not at all; an existing one stays."""
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=".new-")
    os.close(handle)
    try:
        write(Path(name))
        # A link, unlike a rename, fails where the name is taken.
        os.link(name, target)
        target.chmod(0o644)
    except FileExistsError:
        _refuse(target)
    except OSError as error:
        message = f"{str(target)!r} cannot be written: {error.strerror or error}"
        raise BadInput(message) from None
    finally:
        Path(name).unlink(missing_ok=True)


def _refuse(path: Path) -> None:
    message = f"{str(path)!r} exists; nothing was written"
    raise BadInput(Problem(message=message, hint="give another name with --out"))


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _write_requests(path: Path, suffix: str, time_s: Reals, size: Reals | None, name: str) -> None:
    import polars as pl

    columns = {"time_s": np.round(time_s, 9)} | ({} if size is None else {name: size})
    frame = pl.DataFrame(columns)
    if suffix == ".csv":
        frame.write_csv(path)
    else:
        frame.write_parquet(path)


def _imported(
    out: Path,
    data: Path,
    text: str,
    count: int,
    demand: Demand,
    warnings: tuple[str, ...],
    notes: tuple[str, ...],
    found: Inference | None = None,
    report: LogReport | None = None,
) -> Imported:
    known = found is not None and found.work_s is not None
    return Imported(
        study=out,
        requests_file=data,
        requests=count,
        rate_per_s=demand.rate_per_s,
        gap_cv=demand.gap_cv,
        discipline=found.discipline if found is not None and known else None,
        servers=_servers(found) if found is not None else (),
        work_s=None if found is None else found.work_s,
        work_scv=None if found is None else found.work_scv,
        load=None if found is None else found.load,
        lines_read=None if report is None else report.read,
        lines_damaged=None if report is None else report.damaged,
        format=None if report is None else report.format,
        damaged=() if report is None else report.samples,
        warnings=warnings,
        notes=notes,
        said=text.split("[study]")[0].replace("# ", "").replace("#\n", "\n").strip(),
    )


def _servers(found: Inference) -> tuple[ImportedServer, ...]:
    return tuple(
        ImportedServer(one.name, one.cores, one.cores_low, one.cores_high, one.busy, speed)
        for one, speed in zip(found.servers, found.speeds, strict=True)
    )
