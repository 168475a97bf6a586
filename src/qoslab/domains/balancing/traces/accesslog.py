"""Access logs of HAProxy and nginx as requests with arrival, waiting, response time and server."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from qoslab.core.errors import BadInput, Problem, did_you_mean
from qoslab.domains.balancing.traces.logclock import Clock
from qoslab.domains.balancing.traces.logformat import LineFormat, compile_format
from qoslab.domains.balancing.traces.logpresets import NAMES, preset
from qoslab.domains.balancing.traces.requests import Draft, LogReport, Requests
from qoslab.domains.balancing.traces.sources import Limits, lines

__all__ = ["detect_format", "read_log"]

Row = Mapping[str, str | None]
_PROBED = 200
_SAMPLES = 5
_NAN = math.nan
_YEAR_3000 = 32_503_680_000.0


def read_log(
    path: str | Path,
    *,
    log_format: str | None = None,
    rows: int | None = None,
    damaged_share: float = 0.5,
    limits: Limits | None = None,
) -> Requests:
    """Read an access log, plain or compressed by gzip, bzip2 or xz.

    Args:
        path: The file.
        log_format: A name of `logpresets.NAMES`, or the format itself as it stands in the proxy's configuration
            (HAProxy `log-format` with %-variables, nginx `log_format` with $-variables); None to find it.
        rows: Read this many lines at most; None for all.
        damaged_share: Refuse the file where more than this share of its lines cannot be read.
        limits: Bounds on the file.

    Returns:
        The requests and a report of the reading.

    Raises:
        BadInput: The file cannot be read, no known format fits, the format has no time, or too many lines are
            damaged.
    """
    path = Path(path)
    form = detect_format(path, limits) if log_format is None else _named(log_format)
    reader = _reader(form)
    draft, number, damaged = Draft(), 0, 0
    samples: list[tuple[int, str, str]] = []
    tails: list[str] = []
    for number, raw, whole in islice(lines(path, limits), rows):
        text = raw.decode("utf-8", "replace")
        found = form.match(text) if whole else None
        if not text.strip():
            continue
        reason = (
            "the line is too long" if not whole else "the line has another form" if found is None else None
        )
        if found is not None:
            reason = _added(reader, found, draft)
            if number <= _PROBED:
                tails.append(form.unread(text))
        if reason is not None:
            damaged += 1
            if len(samples) < _SAMPLES:
                samples.append((number, reason, _shown(text)))
    read = len(draft.arrival)
    if read == 0 or damaged > damaged_share * (damaged + read):
        raise BadInput(_unreadable(path, form, damaged, read, samples))
    notes, warnings = _said(form, reader, draft, damaged, read)
    warnings = (*_left_unread(form, tails), *warnings)
    report = LogReport(form.text, number, read, damaged, tuple(samples), notes, warnings)
    return draft.finished(reader.clock_s, 1e-3, report)


def detect_format(path: Path, limits: Limits | None = None) -> LineFormat:
    """The known format that reads most of a file's first lines.

    Raises:
        BadInput: None reads half of them.
    """
    head = [raw.decode("utf-8", "replace") for _, raw, _ in islice(lines(path, limits), _PROBED)]
    head = [text for text in head if text.strip()]
    counts = [(sum(preset(name).match(text) is not None for text in head), name) for name in NAMES]
    most = max(count for count, _ in counts)
    if not head or 2 * most < len(head):
        quote = _shown(head[0]) if head else None
        hint = "give its format: --format " + "|".join(NAMES) + ", or the log_format string itself"
        message = "is empty" if not head else "no known log format reads its first lines"
        raise BadInput(Problem(message=message, path=path, line=1, quote=quote, hint=hint))
    return preset(next(name for count, name in counts if count == most))


@dataclass(frozen=True)
class _Reader:
    """How a format's variables become a request; `row` raises ValueError at impossible values."""

    row: Callable[[Row, Draft], None]
    clock_s: float
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def _named(text: str) -> LineFormat:
    if text in NAMES:
        return preset(text)
    if "$" in text:
        return compile_format(text, "nginx")
    if "%" in text:
        return compile_format(text, "haproxy")
    raise BadInput(
        Problem(message=f"{text!r} is no log format", field="format", hint=did_you_mean(text, NAMES))
    )


def _reader(form: LineFormat) -> _Reader:
    return _haproxy(frozenset(form.names)) if form.dialect == "haproxy" else _nginx(frozenset(form.names))


def _haproxy(names: frozenset[str]) -> _Reader:
    """Times of HAProxy (configuration manual, section 8.4), in ms; -1 where a phase was not reached.

    A request is there when it has been received: %tr + %TR, or the accept date %t + %Tq of old formats. It waits
    %Tw in queues; %Tc is the connection, %Tr the time until the server's response headers.
    """
    clock = Clock()
    stamp = _needed(names, ("tr", "t", "trl", "trg", "Tl", "T", "Ts"), "haproxy")
    end = None if "Tr" in names else next((n for n in ("Ta", "Tt") if n in names), None)
    server = next((n for n in ("s", "si", "sp") if n in names), None)
    tcp = "Tr" not in names and "TR" not in names

    def row(found: Row, draft: Draft) -> None:
        ms = {n: _ms(found[n]) for n in ("TR", "Tq", "Tw", "Tc", "Tr", "Ta", "Tt") if n in names}
        begin = (
            float(found["Ts"] or "") + _fraction(found)
            if stamp == "Ts"
            else clock.seconds(found[stamp] or "")
        )
        begin += max(0.0, ms.get("TR", ms.get("Tq", 0.0)))
        wait = max(0.0, ms.get("Tw", _NAN)) + max(0.0, ms.get("Tc", 0.0))
        response = ms.get("Tr", _NAN)
        if end is not None:
            response = ms[end] - max(0.0, ms.get("TR", 0.0)) - wait if ms[end] >= 0 else _NAN
        if response < 0:
            response = _NAN
        name = found[server] if server else None
        name = None if name is None or name.startswith("<") or name in {"-", ""} else name
        queue = (
            max(0, int(found.get("bq") or -1)) + max(0, int(found.get("sq") or -1)) if "bq" in names else -1
        )
        _checked(begin, wait, response)
        draft.add(begin, wait, response, name, max(0, int(found.get("ST") or 0)), queue)

    notes = ["arrival = when the request was received; time at the server = Tr, until its response headers"]
    if tcp:
        notes = [
            "this is a log of connections (tcplog): the time at the server is the life of the connection"
        ]
    warnings = [] if server else ["the format names no server: speeds of servers cannot be inferred"]
    if "Tw" not in names:
        warnings.append("the format has no %Tw: when requests reached their server is not known")
    if stamp not in {"tr", "t"} and not (stamp == "Ts" and "ms" in names):
        warnings.append(f"%{stamp} counts whole seconds: use %tr")
    return _Reader(row, 1e-3 if stamp in {"tr", "t"} or "ms" in names else 1.0, tuple(notes), tuple(warnings))


def _nginx(names: frozenset[str]) -> _Reader:
    """Times of nginx: a line is written, and dated, at the end of its request; durations are in s."""
    clock = Clock()
    stamp = _needed(names, ("msec", "time_iso8601", "time_local"), "nginx")
    timed = "request_time" in names
    part = next((n for n in ("upstream_header_time", "upstream_response_time") if n in names), None)

    def row(found: Row, draft: Draft) -> None:
        ended = float(found["msec"] or "") if stamp == "msec" else clock.seconds(found[stamp] or "")
        total = float(found["request_time"] or "") if timed else _NAN
        times, tries = _last(found.get(part or ""))
        connect, _ = _last(found.get("upstream_connect_time"))
        name, _ = _last(found.get("upstream_addr"))
        draft.tries += tries > 1
        response = float(times) if times is not None else _NAN
        if connect is not None and times is not None:
            response = max(0.0, response - float(connect))
        # The rest of the request's time went before the last try: reading it, queueing, earlier tries.
        upstream, _ = _last(found.get("upstream_response_time"))
        wait = max(0.0, total - float(upstream)) if upstream is not None and timed else _NAN
        begin = ended - total if timed else ended
        _checked(begin, wait, response)
        draft.add(begin, wait, response, name, int(found.get("status") or 0), -1)

    notes = ["nginx dates a line at the end of its request: arrival = that time - $request_time"]
    warnings = []
    if not timed:
        warnings.append(
            "the format has no $request_time: arrivals are the ends of requests, and no service times exist"
        )
    if part is None:
        warnings.append("the format has no $upstream_response_time: service times cannot be inferred")
    if "upstream_addr" not in names:
        warnings.append("the format has no $upstream_addr: speeds of servers cannot be inferred")
    if stamp != "msec":
        warnings.append(
            f"${stamp} counts whole seconds: what happens within a second is unknown; add $msec to log_format"
        )
    return _Reader(row, 1e-3 if stamp == "msec" else 1.0, tuple(notes), tuple(warnings))


def _needed(names: frozenset[str], wanted: tuple[str, ...], dialect: str) -> str:
    for name in wanted:
        if name in names:
            return name
    sign = "%" if dialect == "haproxy" else "$"
    hint = "one of " + ", ".join(sign + name for name in wanted)
    raise BadInput(
        Problem(message="the log format has no time of the request", field="log_format", hint=hint)
    )


def _ms(text: str | None) -> float:
    """Milliseconds as seconds; negative where the phase was not reached."""
    return int(text or "-1") / 1000.0


def _fraction(found: Row) -> float:
    return int(found.get("ms") or 0) / 1000.0


def _last(text: str | None) -> tuple[str | None, int]:
    """The last of nginx's list over tries (`, `) and internal redirects (` : `), and how many there are."""
    if text is None:
        return None, 0
    items = text.replace(" : ", ", ").split(", ")
    return (None if items[-1] in {"-", ""} else items[-1]), len(items)


def _checked(begin: float, wait: float, response: float) -> None:
    if not 0 < begin < _YEAR_3000:
        message = "the time of the request is impossible"
        raise ValueError(message)
    if (wait == wait and wait > 1e7) or (response == response and response > 1e7):
        message = "a duration is longer than 100 days"
        raise ValueError(message)


def _added(reader: _Reader, found: Row, draft: Draft) -> str | None:
    try:
        reader.row(found, draft)
    except (ValueError, OverflowError) as error:
        return str(error)[:100]
    return None


def _shown(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text[:160])


def _unreadable(
    path: Path, form: LineFormat, damaged: int, read: int, samples: list[tuple[int, str, str]]
) -> list[Problem]:
    message = f"{damaged} of {damaged + read} lines cannot be read by the format {_shown(form.text)}"
    hint = "give the format these lines have: --format"
    problems = [Problem(message=message, path=path, hint=hint)]
    return problems + [Problem(message=why, path=path, line=line, quote=text) for line, why, text in samples]


def _left_unread(form: LineFormat, tails: list[str]) -> list[str]:
    """Says so where lines go on behind the last variable of the format: what is wanted may stand there."""
    found = [tail for tail in tails if tail]
    if not found:
        return []
    return [
        f"{len(found)} of the first {len(tails)} lines go on where the format {_shown(form.text)} ends; not read: "
        f"{_shown(found[0])}; name the whole format, as it stands in the proxy's configuration, with --format"
    ]


def _said(
    form: LineFormat, reader: _Reader, draft: Draft, damaged: int, read: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    notes, warnings = list(reader.notes), list(reader.warnings)
    if form.dialect == "haproxy" and "trl" not in form.names:
        notes.append("the log's times have no zone: hours of the day are those of the machine that wrote it")
    if damaged:
        warnings.append(f"{damaged} of {damaged + read} lines cannot be read and were left out")
    if draft.tries:
        warnings.append(f"{draft.tries} requests were tried on several servers: the last one counts")
    if reader.clock_s >= 1.0:
        warnings.append(
            "arrivals are known to the second only: requests in flight are blurred, and so is all below"
        )
    return tuple(notes), tuple(warnings)
