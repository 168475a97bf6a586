"""Which column of a person's own trace is the arrival time, and which the size."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["Named", "SizeKind", "find_response", "find_size", "find_time", "unit_of"]

SizeKind = Literal["service_s", "work"]
"""`service_s`: seconds of service on the server that did the work; `work`: amount in other units."""

_UNITS = {
    "s": 1.0, "sec": 1.0, "secs": 1.0, "seconds": 1.0,
    "ms": 1e-3, "msec": 1e-3, "millis": 1e-3, "milliseconds": 1e-3,
    "us": 1e-6, "usec": 1e-6, "micros": 1e-6, "microseconds": 1e-6,
    "ns": 1e-9, "nsec": 1e-9, "nanos": 1e-9, "nanoseconds": 1e-9,
}  # fmt: skip
# In order of preference: the first name that a file has is taken.
_TIME = (
    "arrival", "arrival_time", "arrival_timestamp", "time", "timestamp", "ts", "t", "datetime", "date_time",
    "start", "start_time", "starttime", "started_at", "received_at", "request_time_stamp", "submit_time",
    "submitted_at", "created_at", "date", "epoch", "unix_time", "@timestamp",
)  # fmt: skip
_SERVICE = (
    "service", "service_time", "servicetime", "processing_time", "processing", "exec_time", "execution_time",
    "cpu_time", "runtime", "run_time", "duration", "work_time", "busy", "busy_time",
)  # fmt: skip
_WORK = (
    "size", "work", "job_size", "cost", "demand", "weight", "bytes", "size_bytes", "tokens", "units", "length",
)  # fmt: skip
_COUNTS = frozenset({"bytes", "size_bytes", "tokens", "units"})
_RESPONSE = (
    "response_time", "responsetime", "latency", "sojourn", "sojourn_time", "elapsed", "request_time",
    "upstream_response_time", "total_time", "time_taken", "rtt", "ttfb",
)  # fmt: skip


@dataclass(frozen=True)
class Named:
    """A column that was recognised.

    Attributes:
        column: Its name as the file writes it.
        unit_s: Seconds in one unit where the name says so (`latency_ms`: 0.001); None where it does not.
        kind: For sizes, what they are.
    """

    column: str
    unit_s: float | None
    kind: SizeKind = "service_s"


def unit_of(column: str) -> float | None:
    """Seconds in one unit of a column by the end of its name, such as `_ms`; None where it does not say."""
    return _split(column)[1]


def find_time(columns: Sequence[str]) -> Named | None:
    """The column of arrival times by its name; None where no name is known."""
    return _find(columns, _TIME, "service_s")


def find_size(columns: Sequence[str]) -> Named | None:
    """The column of service times, or else of other sizes, by its name; None where no name is known.

    A size with a unit of time, such as `size_s` or `work_ms`, is a service time; `tokens_s` is none.
    """
    return _find(columns, _SERVICE, "service_s") or _find_timed(columns) or _find(columns, _WORK, "work")


def find_response(columns: Sequence[str]) -> Named | None:
    """A column of response times: they contain waiting, so they are no sizes."""
    return _find(columns, _RESPONSE, "service_s")


def _find_timed(columns: Sequence[str]) -> Named | None:
    timed = [column for column in columns if _split(column)[1] is not None]
    return _find(timed, [stem for stem in _WORK if stem not in _COUNTS], "service_s")


def _find(columns: Sequence[str], stems: Sequence[str], kind: SizeKind) -> Named | None:
    split = [(column, *_split(column)) for column in columns]
    for stem in stems:
        for column, name, unit in split:
            if name == stem or _plain(column) == stem:
                return Named(column, unit, kind)
    return None


def _plain(column: str) -> str:
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", column.strip()[:200])
    return re.sub(r"[\s\-.]+", "_", spaced).lower()


def _split(column: str) -> tuple[str, float | None]:
    name = re.sub(r"[(\[](\w+)[)\]]$", r"_\1", _plain(column)).replace("__", "_")
    stem, _, last = name.rpartition("_")
    return (stem, _UNITS[last]) if stem and last in _UNITS else (name, None)
