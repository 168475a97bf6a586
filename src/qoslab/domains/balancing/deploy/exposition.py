"""What a steered backend looks like: a plain text for people, and Prometheus' text format on loopback."""

from __future__ import annotations

import os
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from qoslab.core.errors import BadInput, Problem
from qoslab.domains.balancing.deploy.scales import as_integers
from qoslab.domains.balancing.deploy.steering import Steering

__all__ = ["exposition", "serve", "view"]


def view(steering: Steering, size: os.terminal_size | None = None) -> str:
    """The servers with their weights, and the last notes.

    Args:
        steering: What is shown.
        size: The terminal that it is to fit on, the cursor's line below it included; None for no bounds.

    Returns:
        As many servers as fit, at least one, and how many more there are; all notes.
    """
    mode = "dry run" if steering.dry_run else f"{steering.writes} changes"
    guess = "uncertain: towards equal weights" if steering.controller.uncertain else "steering"
    head = [f"{steering.ledger.lines} log lines   {mode}   {guess}", ""]
    head.append(
        f"{'server':<24}{'state':>6}{'active':>8}{'weight':>8}{'wanted':>8}{'original':>10}{'failed':>8}"
    )
    rows, foot = _rows(steering), ["", *steering.notes] if steering.notes else []
    if size is not None:
        rest = size.lines - 1 - _height(head, size.columns) - _height(foot, size.columns)
        if len(rows) > 1 and _height(rows, size.columns) > rest:
            shown = max((rest - 1) // _height(rows[:1], size.columns), 1)
            rows = [*rows[:shown], f"... and {len(rows) - shown} more servers"]
    return "\n".join([*head, *rows, *foot])


def _rows(steering: Steering) -> list[str]:
    wanted = as_integers(steering.controller.weights)
    rows = []
    for server, weight, failed in zip(steering.servers, wanted, steering.ledger.failures, strict=True):
        state = "up" if server.up else "down"
        rows.append(
            f"{server.name[:23]:<24}{state:>6}{server.active:>8}{server.weight:>8}{weight:>8}"
            f"{steering.original[server.name]:>10}{int(failed):>8}"
        )
    return rows


def _height(lines: list[str], columns: int) -> int:
    """How many lines of a terminal these take, which breaks what is too long."""
    return sum(max(-(-len(line) // max(columns, 1)), 1) for line in lines)


def exposition(steering: Steering, backend: str) -> str:
    """Counters and gauges in Prometheus' text format."""
    ledger, place = steering.ledger, f'backend="{backend}"'
    single = (
        ("log_lines_total", "counter", "log lines taken in", ledger.lines),
        ("odd_lines_total", "counter", "datagrams that were no usable log line", ledger.odd),
        ("writes_total", "counter", "batches of weights set", steering.writes),
        ("lost_total", "counter", "times that the proxy did not answer", steering.lost),
        (
            "changes_found_total",
            "counter",
            "servers found to have changed",
            steering.controller.changes_found,
        ),
        ("log_gap", "gauge", "1 while log lines are missing", int(steering.log_gap)),
        ("agent_checks", "gauge", "1 once agent-checks were found: nothing is set", int(steering.agents)),
        ("left_alone", "gauge", "servers whose weight somebody else set", len(steering.hands_off)),
        ("refused", "gauge", "1 once the proxy refused weights: nothing is set", int(steering.refused)),
        ("uncertain", "gauge", "1 while equal weights are aimed at", int(steering.controller.uncertain)),
        ("dry_run", "gauge", "1 while nothing is set", int(steering.dry_run)),
    )
    lines: list[str] = []
    for name, kind, what, value in single:
        lines += [*_head(name, kind, what), f"qoslab_steer_{name}{{{place}}} {value}"]
    wanted = as_integers(steering.controller.weights)
    servers = steering.servers
    for name, what, values in (
        ("weight", "weight in force", [server.weight for server in servers]),
        ("wanted_weight", "weight that the controller wants", [int(w) for w in wanted]),
        ("active", "requests in flight", [server.active for server in servers]),
    ):
        lines += _head(name, "gauge", what)
        for server, value in zip(servers, values, strict=True):
            lines.append(f'qoslab_steer_{name}{{{place},server="{server.name}"}} {value}')
    return "\n".join(lines) + "\n"


def _head(name: str, kind: str, what: str) -> list[str]:
    return [f"# HELP qoslab_steer_{name} {what}", f"# TYPE qoslab_steer_{name} {kind}"]


def serve(port: int, text: Callable[[], str]) -> ThreadingHTTPServer:
    """Answer `GET /metrics` on 127.0.0.1 in a thread of its own.

    Raises:
        BadInput: The port cannot be had.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = 5.0

        def do_GET(self) -> None:
            found = self.path.partition("?")[0] == "/metrics"
            body = text().encode() if found else b"see /metrics\n"
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: the terminal belongs to the view."""

    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    except OSError as error:
        raise BadInput(Problem(message=f"port {port}: {error.strerror}", field="metrics_port")) from None
    Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server
