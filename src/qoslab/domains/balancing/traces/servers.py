"""Servers behind a log: their discipline, cores, service times and relative speeds.

Requests do not know how full a server is before they reach it. So under the right discipline and number of
cores the service times that follow from the log are independent of the number of requests found on arrival; too
few cores make requests that found many look small, too many make them look big. The best guess is the one whose
service times depend least on it, and all those that cannot be told from it are named.

This is our own method. It asks that balancers do not look at sizes, that all requests of a server are in the
log, and that a server serves either in turn or by sharing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from qoslab.domains.balancing.traces.estimates import Estimate
from qoslab.domains.balancing.traces.flights import busy, fifo_service, found, mean_in_flight, shared_service
from qoslab.domains.balancing.traces.requests import Requests

__all__ = ["Discipline", "Fit", "ServerGuess", "fit_server", "guess_servers", "speeds"]

Reals = NDArray[np.float64]
Discipline = Literal["fifo", "ps"]
_MODELS: dict[Discipline, Callable[[Reals, Reals, int], Reals]] = {"fifo": fifo_service, "ps": shared_service}

FEWEST = 200
"""Requests of a server below which nothing is said of it."""
_PROBED = 40_000
_MOST_CORES = 256
_REJECTED = 6.63
"""99 % quantile of chi-square with one degree of freedom, for one guess against the best."""
_UNLIKELY = 13.8
"""99.9 % quantile of chi-square with two degrees of freedom, for the best guess by itself."""
_IMPOSSIBLE = 0.005
_Z = 1.96


@dataclass(frozen=True)
class Fit:
    """How well a number of cores explains a server under one discipline.

    Attributes:
        cores: The number of cores.
        score: Sum of the squared, standardised rank correlations of service time and of its spread with the
            number of requests found; about 2 where the guess is right; infinite where it is impossible.
        impossible: Share of service times that came out negative.
    """

    cores: int
    score: float
    impossible: float


@dataclass(frozen=True)
class ServerGuess:
    """One server as the log shows it.

    Attributes:
        name: Its name in the log.
        requests: How many of its requests could be used.
        cores: Cores, the best guess.
        cores_low: The fewest that cannot be told from the best guess.
        cores_high: The most that cannot be told from it.
        most_found: The most requests that one found there.
        busy: Share of the time during which it held a request.
        in_flight: Requests there, mean over time.
        service_s: Service times under the best guess, s, in the order of arrival, shape (requests,).
        rows: Which requests of the log these are, shape (requests,).
        warnings: What speaks against all this.
    """

    name: str
    requests: int
    cores: int
    cores_low: int
    cores_high: int
    most_found: int
    busy: float
    in_flight: float
    service_s: Reals
    rows: NDArray[np.int64]
    warnings: tuple[str, ...]


def fit_server(start: Reals, end: Reals, discipline: Discipline, tick_s: float = 0.0) -> list[Fit]:
    """Try numbers of cores on one server.

    Args:
        start: Arrivals at the server, s, not decreasing, shape (k,).
        end: Ends, s, shape (k,).
        discipline: Which discipline to undo.
        tick_s: What times are rounded to, s: service times that are negative by less than three ticks are possible.

    Returns:
        The tried numbers in increasing order. More cores than requests were ever there are not tried: they
        explain the log as well as that number.
    """
    start, end = start[:_PROBED], end[:_PROBED]
    seen = found(start, end)
    most = min(int(seen.max()) + 1, _MOST_CORES)
    tried: dict[int, Fit] = {}

    def at(cores: int) -> Fit:
        if cores not in tried:
            tried[cores] = _fit(_MODELS[discipline](start, end, cores), seen, cores, tick_s)
        return tried[cores]

    grid = sorted({min(most, round(1.6**k)) for k in range(14)} | {1, most})
    best = min((at(cores) for cores in grid), key=lambda fit: fit.score)
    while True:
        near = [best.cores + step for step in (-2, -1, 1, 2) if 1 <= best.cores + step <= most]
        better = min((at(cores) for cores in near), key=lambda fit: fit.score, default=best)
        if better.score >= best.score:
            return [tried[cores] for cores in sorted(tried)]
        best = better


def _fit(service: Reals, seen: NDArray[np.int64], cores: int, tick_s: float) -> Fit:
    impossible = float(np.mean(service < -3 * tick_s - 1e-9))
    if impossible > _IMPOSSIBLE:
        return Fit(cores, np.inf, impossible)
    if seen.max() == 0:
        return Fit(cores, 0.0, impossible)
    spread = np.abs(service - np.median(service))
    score = sum(len(seen) * _rank_correlation(column, seen) ** 2 for column in (service, spread))
    return Fit(cores, score, impossible)


def _rank_correlation(first: NDArray[np.generic], second: NDArray[np.generic]) -> float:
    """Spearman's rank correlation; 0 where one of them never changes."""
    a, b = _ranks(first), _ranks(second)
    spread = float(a.std() * b.std())
    return float(np.mean((a - a.mean()) * (b - b.mean()))) / spread if spread > 0 else 0.0


def _ranks(values: NDArray[np.generic]) -> Reals:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2
    return np.asarray(middle[inverse], np.float64)


def guess_servers(requests: Requests) -> tuple[Discipline, list[ServerGuess], list[str]]:
    """Discipline, cores and service times of all servers of a log.

    Args:
        requests: The log; requests without a server or a response time are left out.

    Returns:
        The discipline (one for all servers), the servers with at least `FEWEST` usable requests, and warnings.
    """
    warnings: list[str] = []
    usable: list[tuple[int, NDArray[np.int64], Reals, Reals]] = []
    few = []
    for number, name in enumerate(requests.servers):
        rows = requests.of_server(number)
        if len(rows) < FEWEST:
            few.append(f"{name} ({len(rows)})")
            continue
        start = requests.arrival_s[rows] + requests.wait_s[rows]
        order = np.argsort(start, kind="stable")
        rows, start = rows[order], start[order]
        end = start + np.maximum(requests.response_s[rows], requests.timer_s / 2)
        usable.append((number, rows, start, end))
    if few:
        shown = ", ".join(few[:5]) + (f" and {len(few) - 5} more" if len(few) > 5 else "")
        warnings.append(f"fewer than {FEWEST} usable requests, so nothing is said of: {shown}")
    discipline, fits = _choose(usable, max(requests.clock_s, requests.timer_s), warnings)
    return (
        discipline,
        [_guess(requests, *one, discipline, fit) for one, fit in zip(usable, fits, strict=True)],
        warnings,
    )


def _choose(
    usable: list[tuple[int, NDArray[np.int64], Reals, Reals]], tick_s: float, warnings: list[str]
) -> tuple[Discipline, list[list[Fit]]]:
    """The discipline whose best numbers of cores explain all servers best."""
    fits = {
        model: [fit_server(start, end, model, tick_s) for _, _, start, end in usable] for model in _MODELS
    }
    score = {model: sum(min(fit.score for fit in one) for one in tried) for model, tried in fits.items()}
    if not usable:
        return "fifo", []
    chosen: Discipline = "fifo" if score["fifo"] <= score["ps"] else "ps"
    # Infinite where requests overtook each other in ways that serving in turn does not allow.
    if score["fifo"] < score["ps"] + _REJECTED and score["ps"] < score["fifo"] + _REJECTED:
        chosen = "fifo"
        warnings.append(
            "serving in turn and sharing explain the log equally well (servers were seldom crowded): in turn is taken"
        )
    return chosen, fits[chosen]


def _guess(
    requests: Requests,
    number: int,
    rows: NDArray[np.int64],
    start: Reals,
    end: Reals,
    discipline: Discipline,
    fits: list[Fit],
) -> ServerGuess:
    best = min(fits, key=lambda fit: fit.score)
    alike = [fit.cores for fit in fits if fit.score < best.score + _REJECTED]
    seen = int(found(start, end).max())
    load = busy(start, end)
    return ServerGuess(
        name=requests.servers[number],
        requests=len(rows),
        cores=best.cores,
        cores_low=min(alike),
        cores_high=max(alike),
        most_found=seen,
        busy=load,
        in_flight=mean_in_flight(start, end),
        service_s=np.maximum(_MODELS[discipline](start, end, best.cores), requests.timer_s / 2),
        rows=rows,
        warnings=tuple(_doubts(requests, rows, best, fits, alike, load, seen)),
    )


def _doubts(
    requests: Requests,
    rows: NDArray[np.int64],
    best: Fit,
    fits: list[Fit],
    alike: list[int],
    load: float,
    seen: int,
) -> list[str]:
    found_ = []
    if load > 0.95 and best.score > _UNLIKELY:
        found_.append(
            f"busy {load:.0%} of the time and no guess fits: service times cannot be told from waiting"
        )
    elif best.score > _UNLIKELY:
        found_.append(
            "service times depend on how full the server was whatever is assumed: it serves in another way, requests "
            "are missing from the log, or another resource is shared"
        )
    if max(alike) >= fits[-1].cores:
        found_.append(
            f"never crowded: it never held more than {seen + 1} requests, so it may have more cores"
        )
    coarse = float(np.mean(requests.response_s[rows] < 5 * requests.timer_s))
    if coarse > 0.2:
        found_.append(
            f"{coarse:.0%} of responses took less than 5 ticks of the log's timer ({requests.timer_s:g} s)"
        )
    return found_


def speeds(guesses: list[ServerGuess]) -> list[Estimate]:
    """Speeds relative to the mean over servers, by the ratio of geometric means of service times.

    A balancer that does not look at sizes gives all servers the same law of sizes, so the ratio of any scale of
    the service times is the ratio of speeds; the geometric mean is little disturbed by heavy tails.

    Args:
        guesses: The servers.

    Returns:
        One estimate for each, with mean 1; 95 % intervals by the normal law of the mean logarithm.
    """
    if not guesses:
        return []
    logs = [np.log(guess.service_s) for guess in guesses]
    level = np.array([one.mean() for one in logs])
    error = np.array([one.std(ddof=1) / np.sqrt(len(one)) for one in logs])
    speed = np.exp(level.mean() - level)
    scale = float(speed.mean())
    # The common level is estimated too: its error is shared by all.
    n = len(logs)
    half = _Z * np.sqrt(error**2 * (1 - 1 / n) ** 2 + (np.sum(error**2) - error**2) / n**2)
    return [
        Estimate(
            float(value / scale),
            float(value / scale * np.exp(-h)),
            float(value / scale * np.exp(h)),
            guess.requests,
            guess.warnings[0] if guess.warnings else "",
        )
        for value, h, guess in zip(speed, half, guesses, strict=True)
    ]
