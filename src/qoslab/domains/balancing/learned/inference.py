# mypy: disable-error-code="no-any-return"
"""Blind inference of capacities as hooks of a policy: memories, the network, weights; all inside the simulator."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qoslab.domains.balancing.choosing import least_per_weight
from qoslab.domains.balancing.hooks import Site, Wiring
from qoslab.domains.balancing.learned.memories import INPUTS, MEMORIES, PER_MEMORY, ROWS
from qoslab.domains.balancing.learned.network import POOLED, ROOM, flat, step
from qoslab.domains.balancing.view import LocalView, area_of_open, busy_time
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream

__all__ = ["Rule", "believe", "on_tick", "route", "wiring"]

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]
Table = np.ndarray[tuple[int, int], np.dtype[np.float64]]

# Rows of `mem`.
SCORE = 0
BEFORE = 1
NEW = BEFORE + 3
REMEMBERED = NEW + 3
SEEN = REMEMBERED + ROWS
SPARE = SEEN + INPUTS
OUT = SPARE + ROOM
MEM_ROWS = OUT + 2

# Entries of `box`.
LENGTHS = 0
SINCE = LENGTHS + MEMORIES
SURE = SINCE + 1
CONTEXT = SURE + 1
BOX_SIZE = CONTEXT + POOLED

# Entries of `par`; the network's weights stand behind them.
DELTA, TRUST, OWN, DOUBT, WEIGHTS = range(5)
OWN_RATE = 2 * PER_MEMORY
"""Row of the inputs with the rate while busy of the memory of 150 completions."""


@dataclass(frozen=True)
class Rule:
    """How inferred capacities become routes: argmin (active + delta) / w.

    log w_j = trust mu_j + own r_j, with mu_j the inferred logarithm of the capacity and r_j that of the own rate of
    completions while busy, both relative to the fleet. Where the mean of the network's standard deviations is above
    `doubt`, all weights are equal, which is the local shortest queue.

    Attributes:
        delta: What is added to own requests in flight.
        trust: Exponent of the inferred capacity.
        own: Exponent of the own rate of completions.
        doubt: Mean standard deviation of log capacities above which nothing is believed.
    """

    delta: float = 0.25
    trust: float = 1.65
    own: float = 0.0
    doubt: float = 0.8


@kernel
def route(view: LocalView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """The least (own requests in flight + delta) / weight."""
    return least_per_weight(view.active, view.par[DELTA], view.weight, view.up, view.mem[SCORE], stream)


@kernel
def believe(out: Table, inputs: Table, par: Reals, up: Ints, weight: Reals) -> float:
    """Turn what the network says into weights of geometric mean 1 over the servers that are up.

    Args:
        out: mu and log sigma, shape (2, n).
        inputs: What the network saw, shape (24, n).
        par: The policy's parameters.
        up: 1 where a server may be chosen, shape (n,).
        weight: Overwritten, shape (n,).

    Returns:
        The mean standard deviation over servers that are up.
    """
    n = up.shape[0]
    fleet, doubt, level = 0, 0.0, 0.0
    for j in range(n):
        said = out[1, j]
        sigma = math.exp(said if said < 3.0 else 3.0)
        weight[j] = par[TRUST] * out[0, j] + par[OWN] * inputs[OWN_RATE, j]
        fleet += up[j]
        doubt += sigma if up[j] == 1 else 0.0
        level += weight[j] if up[j] == 1 else 0.0
    doubt /= fleet
    level /= fleet
    for j in range(n):
        log = weight[j] - level
        log = log if log < 6.0 else 6.0
        log = log if log > -6.0 else -6.0
        weight[j] = math.exp(log) if doubt <= par[DOUBT] else 1.0
    return doubt


@kernel
def on_tick(view: LocalView, stream: Stream, now: float) -> None:  # noqa: ARG001
    """Remember what happened since the last tick, ask the network, set the weights."""
    mem, box = view.mem, view.box
    fleet = 0
    for j in range(view.up.shape[0]):
        done, busy, area = view.done[j], busy_time(view, j, now), area_of_open(view, j, now)
        mem[NEW, j] = done - mem[BEFORE, j]
        mem[NEW + 1, j] = busy - mem[BEFORE + 1, j]
        mem[NEW + 2, j] = area - mem[BEFORE + 2, j]
        mem[BEFORE, j] = done
        mem[BEFORE + 1, j] = busy
        mem[BEFORE + 2, j] = area
        fleet += view.up[j]
    if fleet == 0:
        return
    inputs, out = mem[SEEN : SEEN + INPUTS], mem[OUT : OUT + 2]
    seen = step(
        view.par[WEIGHTS:],
        mem[REMEMBERED : REMEMBERED + ROWS],
        box[LENGTHS : LENGTHS + MEMORIES],
        mem[NEW : NEW + 3],
        view.up,
        now - box[SINCE],
        inputs,
        box[CONTEXT:],
        mem[SPARE : SPARE + ROOM],
        out,
    )
    box[SINCE] = now
    if seen > 0.0:
        box[SURE] = believe(out, inputs, view.par, view.up, view.weight)


def wiring(weights: Mapping[str, NDArray[np.generic]], rule: Rule, site: Site, period_s: float) -> Wiring:
    """The policy for a site.

    Args:
        weights: The network's, see `network.SHAPES`.
        rule: How inferred capacities become routes.
        site: The site; of it only the numbers of servers and balancers are used.
        period_s: Time between two inferences, s.
    """
    box = np.zeros(BOX_SIZE)
    box[-1] = np.log(site.balancers)
    return Wiring(
        route,
        on_tick=on_tick,
        par=np.concatenate([[rule.delta, rule.trust, rule.own, rule.doubt], flat(weights)]),  # type: ignore[arg-type]
        weight=np.ones(site.servers),
        mem=np.zeros((MEM_ROWS, site.servers)),
        box=box,
        tick_s=period_s,
        stagger=True,
    )
