"""Newcomers rehearsed: users and services of the training are taken out, come again and tell most of their cells.

The spread of intervals is that of the method's errors; a newcomer is predicted from the factors alone, which err more,
or less. How much, once he is as well known as others, is counted on the cells that those who came again did not tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from qoslab.core.context import Context
from qoslab.domains.prediction.data import BoolArray, FloatArray
from qoslab.domains.prediction.deploy.analysis import analyse
from qoslab.domains.prediction.deploy.kept import KeptModel
from qoslab.domains.prediction.deploy.live import Live, Measurement
from qoslab.domains.prediction.deploy.strangers import SIDES, quantile, shares_of_ends

__all__ = ["rehearse"]

_PARTS = 10
"""Parts of the users, and of the services, one of which is taken out at a time."""

_TURNS = 4
"""How many of them are."""

_LEAST_CELLS = 200
"""Cells that a factor rests on, at least: those of one newcomer err alike."""

_BOUNDS = 0.5, 2.0
"""Bounds of these factors."""

_TOLD = 0.75
"""Share of their cells that they tell: with fewer they are known less well than those who stayed, and doubted more."""


@dataclass(frozen=True)
class _Gone:
    """Who is taken out, shape (users,) and (services,), and which known cells have a newcomer on a side, shape (n,)."""

    users: BoolArray
    services: BoolArray
    cells: Mapping[str, BoolArray]


def rehearse(
    model: KeptModel,
    logs: FloatArray,
    sweeps: int,
    rng: np.random.Generator,
    context: Context,
    begun: Callable[[str], None] = lambda _: None,
) -> FloatArray:
    """Factors on the intervals of newcomers who are as well known as others, shape (P, 3): users, services, both.

    Args:
        model: The model; its own such factors are not looked at.
        logs: Standardised logarithms of its known cells, shape (P, users, services), NaN elsewhere.
        sweeps: EM steps of each analysis.
        rng: Deals users, services and cells, and starts the analyses.
        context: Its time limit is kept.
        begun: Told each rehearsal as it begins.
    """
    sizes = len(model.about.users), len(model.about.services)
    parts = [rng.permutation(size) % _PARTS for size in sizes]
    needed: dict[str, list[FloatArray]] = {side: [np.empty((len(logs), 0))] for side in SIDES}
    for turn in range(_TURNS):
        context.check_time()
        begun(f"rehearsal of newcomers {turn + 1} of {_TURNS}")
        gone = _gone(model, parts[0] == turn, parts[1] == turn)
        small = _without(model, logs, gone, sweeps, rng, context)
        if small is None:
            continue
        for side, one in _come_again(model, Live(small), gone, rng, context):
            needed[side].append(one)
    level, found = model.about.level, np.ones((len(logs), 0))
    for side in SIDES:
        # Both is the last: with few such cells it is doubted as much as the worse of its sides.
        otherwise = found.max(axis=1, keepdims=True) if side == "both" else np.ones((len(logs), 1))
        cells = np.concatenate(needed[side], axis=1)
        one = quantile(cells, level, otherwise, least=_LEAST_CELLS, bounds=_BOUNDS)
        found = np.concatenate([found, one], axis=1)
    return found


def _gone(model: KeptModel, users: BoolArray, services: BoolArray) -> _Gone:
    by_user, by_service = users[model.arrays["known/users"]], services[model.arrays["known/services"]]
    cells = {"user": by_user & ~by_service, "service": ~by_user & by_service, "both": by_user & by_service}
    return _Gone(users, services, cells)


def _without(
    model: KeptModel,
    logs: FloatArray,
    gone: _Gone,
    sweeps: int,
    rng: np.random.Generator,
    context: Context,
) -> KeptModel | None:
    """The model had nobody measured those who are gone; None where too little is left."""
    arrays = model.arrays
    left = logs.copy()
    left[:, gone.users], left[:, :, gone.services] = np.nan, np.nan
    if (np.isfinite(left).sum(axis=(1, 2)) < 2).any():
        return None
    kept = ~(gone.cells["user"] | gone.cells["service"] | gone.cells["both"])
    spread = {f"spread/{side}": arrays[f"spread/{side}"].copy() for side in ("user", "service")}
    spread["spread/user"][:, gone.users] = spread["spread/service"][:, gone.services] = 1.0
    known = {f"known/{part}": arrays[f"known/{part}"][kept] for part in ("users", "services", "values")}
    factors = analyse(left, arrays["factors/points"].shape[1], sweeps, rng, context)
    nothing = {"newcomers": np.ones((len(logs), len(SIDES)))}
    return KeptModel(model.about, arrays | spread | known | factors | nothing)


def _come_again(
    model: KeptModel, live: Live, gone: _Gone, rng: np.random.Generator, context: Context
) -> Iterator[tuple[str, FloatArray]]:
    """By side, the factors that intervals would have needed to reach the cells that were not told, shape (P, n)."""
    about, arrays = model.about, model.arrays
    users, services, values = (arrays[f"known/{part}"] for part in ("users", "services", "values"))
    told = (gone.cells["user"] | gone.cells["service"]) & (rng.random(len(users)) < _TOLD)
    live.absorb(
        [
            Measurement(about.users[users[cell]], about.services[services[cell]], values[cell])
            for cell in rng.permutation(np.flatnonzero(told))
        ]
    )
    ends = live.intervals.quantiles(about.level)
    for side, cells in gone.cells.items():
        asked = np.flatnonzero(cells & ~told)
        for user in np.unique(users[asked]):
            context.check_time()
            mine = asked[users[asked] == user]
            found = live.parts(about.users[user], [about.services[place] for place in services[mine]])
            missed = live.intervals.logs(values[mine].T) - found.logs
            yield side, found.squares.needed(shares_of_ends(missed / found.spread, ends))
