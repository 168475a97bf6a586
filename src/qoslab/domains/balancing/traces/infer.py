"""What a log does not say: servers, sizes and load behind its requests, each with how sure it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qoslab.core.errors import BadInput
from qoslab.domains.balancing.traces.demand import Demand, describe
from qoslab.domains.balancing.traces.estimates import Estimate, batched
from qoslab.domains.balancing.traces.requests import Requests
from qoslab.domains.balancing.traces.servers import Discipline, ServerGuess, guess_servers, speeds

__all__ = ["Inference", "infer"]

Reals = NDArray[np.float64]
_HEAVY = 0.95


@dataclass(frozen=True)
class Inference:
    """A site as its log shows it.

    Attributes:
        demand: The arrivals.
        discipline: How the servers work.
        servers: The servers of which enough is known, in their natural order.
        speeds: The speed of a core of each, relative to the mean over them.
        work_s: Mean work of a request, in s of a core of speed 1; None where no server is known.
        work_scv: Squared coefficient of variation of the work; None likewise.
        load: Arriving work over capacity of the known servers; None likewise.
        arrival_s: Arrivals with known work, s after the first request of the log, shape (k,).
        size_s: Their work, s of a core of speed 1, shape (k,).
        notes: How all this was inferred.
        warnings: What speaks against it, the gravest first.
    """

    demand: Demand
    discipline: Discipline
    servers: tuple[ServerGuess, ...]
    speeds: tuple[Estimate, ...]
    work_s: Estimate | None
    work_scv: float | None
    load: Estimate | None
    arrival_s: Reals
    size_s: Reals
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def infer(requests: Requests) -> Inference:
    """Infer the servers, the sizes and the load behind an access log.

    Service times are what remains of response times when waiting and sharing are undone, under the discipline and
    the number of cores that make them independent of how full the server was (see `servers`).

    Args:
        requests: The log.

    Raises:
        BadInput: The log has fewer than two requests, or all came at one instant.
    """
    try:
        demand = describe(requests.arrival_s, start_s=requests.start_s, clock_s=requests.clock_s)
    except ValueError as error:
        raise BadInput(str(error)) from None
    discipline, guesses, warnings = guess_servers(requests)
    warnings = [*requests.report.warnings, *demand.warnings, *_not_served(requests), *warnings]
    if not guesses:
        warnings.insert(
            0, "no server has enough usable requests: only the arrivals could be taken from this log"
        )
        nothing = np.zeros(0)
        return Inference(
            demand,
            discipline,
            (),
            (),
            None,
            None,
            None,
            nothing,
            nothing,
            requests.report.notes,
            tuple(warnings),
        )
    speed = speeds(guesses)
    arrival, size = _sizes(requests, guesses, speed)
    for guess in guesses:
        warnings.extend(f"server {guess.name}: {words}" for words in guess.warnings)
    warnings.extend(_aliases(guesses))
    weak = "service times are uncertain, see the warnings" if any(guess.warnings for guess in guesses) else ""
    return Inference(
        demand=demand,
        discipline=discipline,
        servers=tuple(guesses),
        speeds=tuple(speed),
        work_s=batched(size, weak),
        work_scv=float(size.var() / size.mean() ** 2),
        load=_load(requests, guesses, weak),
        arrival_s=arrival,
        size_s=size,
        notes=(*requests.report.notes, *_notes(discipline)),
        warnings=tuple(warnings),
    )


def _sizes(requests: Requests, guesses: list[ServerGuess], speed: list[Estimate]) -> tuple[Reals, Reals]:
    """Arrivals at the balancer, and work: service time times the speed of the server that did it."""
    rows = np.concatenate([guess.rows for guess in guesses])
    work = np.concatenate([guess.service_s * one.value for guess, one in zip(guesses, speed, strict=True)])
    order = np.argsort(rows, kind="stable")
    return requests.arrival_s[rows[order]], work[order]


def _load(requests: Requests, guesses: list[ServerGuess], weak: str) -> Estimate:
    """Core seconds that were needed over core seconds there were, in 20 windows of time."""
    span = float(requests.arrival_s[-1])
    cores = sum(guess.cores for guess in guesses)
    needed = np.zeros(200)
    for guess in guesses:
        place = np.minimum((requests.arrival_s[guess.rows] / span * 200).astype(np.int64), 199)
        needed += np.bincount(place, guess.service_s, 200)
    found = batched(needed * 200 / span / cores, weak)
    return Estimate(
        found.value, found.low, found.high, sum(guess.requests for guess in guesses), found.warning
    )


def _not_served(requests: Requests) -> list[str]:
    found = []
    nobody = float(np.mean(requests.server < 0))
    failed = float(np.mean(requests.status >= 500))
    if nobody > 0.001:
        found.append(f"{nobody:.2%} of requests reached no server; they count as arrivals, not as work")
    if failed > 0.001:
        found.append(
            f"{failed:.2%} of requests were answered with a 5xx status; they are not used to infer service times"
        )
    return found


def _aliases(guesses: list[ServerGuess]) -> list[str]:
    heavy = [guess for guess in guesses if guess.busy > _HEAVY and guess.cores == 1]
    if not heavy:
        return []
    worst = max(heavy, key=lambda guess: guess.busy)
    return [
        f"servers were busy up to {worst.busy:.0%} of the time: hardly a request found one idle, so its service time "
        "rests on the discipline alone"
    ]


def _notes(discipline: Discipline) -> tuple[str, ...]:
    how = "in turn (FIFO)" if discipline == "fifo" else "all at once, sharing the cores (PS)"
    return (
        f"servers serve {how}: of serving in turn and sharing, this leaves service times that depend least on how "
        "many requests were found",
        "size of a request = its service time on the server that had it x that server's speed",
        "assumed: balancers do not look at sizes, and network time is small against service time",
        "assumed: all requests of a server stand in the log; where it is a sample, or other balancers send to the same "
        "servers, sizes come out too large and the load too low, and the log itself need not show it",
    )
