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

__all__ = ["Rule", "believe", "deviation", "exponent", "on_tick", "route", "wiring"]

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
DELTA, TRUST, OWN, DOUBT, WIDEN, APART, WEIGHTS = range(7)
OWN_RATE = 2 * PER_MEMORY
"""Row of the inputs with the rate while busy of the memory of 150 completions."""


@dataclass(frozen=True)
class Rule:
    """How inferred capacities become routes: argmin (active + delta) / w.

    log w_j = tau mu_j + own r_j, with mu_j the inferred logarithm of the capacity and r_j that of the own rate of
    completions while busy, both relative to the fleet; tau is what `exponent` says. Where the mean of the network's
    standard deviations is above `doubt`, all weights are equal, which is the local shortest queue.

    Attributes:
        delta: What is added to own requests in flight.
        trust: Factor of the exponent; the exponent itself without `widen`.
        own: Exponent of the own rate of completions.
        doubt: Mean standard deviation of log capacities above which nothing is believed.
        widen: Whether inferred differences are widened to what they are before the network draws them to the mean.
        apart: Spread over standard deviation of what is inferred at which the exponent has fallen to `trust`; 0 for no
            such fall.
    """

    delta: float = 0.25
    trust: float = 1.0
    own: float = 0.0
    doubt: float = 0.8
    widen: bool = True
    apart: float = 0.2


@kernel
def route(view: LocalView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """The least (own requests in flight + delta) / weight."""
    return least_per_weight(view.active, view.par[DELTA], view.weight, view.up, view.mem[SCORE], stream)


@kernel
def deviation(out: Table, j: int) -> float:
    """Standard deviation of the logarithm of a capacity, as the network says it, from e^-10 to e^3."""
    said = out[1, j]
    said = said if said < 3.0 else 3.0
    return math.exp(said if said > -10.0 else -10.0)


@kernel
def exponent(out: Table, par: Reals, up: Ints) -> float:
    """The exponent of inferred capacities, by how far they are told apart; 0 where nothing differs or no server is up.

    What is inferred is a posterior mean, drawn to the fleet's: its spread s over servers is smaller than that of the
    capacities. sqrt(1 + sigma^2 / s^2) times the distance from the fleet's mean has the spread that capacities are
    expected to have where sigma is right (constrained Bayes: Louis, JASA 79, 1984; Ghosh, JASA 87, 1992: his a
    with the sums H1 of variances and H2 of squared distances). Where s is small beside sigma differences are no more
    than noise, and the exponent goes to 0 with s / sigma: all weights equal.

    Args:
        out: mu and log sigma, shape (2, n).
        par: The policy's parameters.
        up: 1 where a server may be chosen, shape (n,).
    """
    fleet, mean, squares, variance = 0, 0.0, 0.0, 0.0
    for j in range(up.shape[0]):
        if up[j] == 1:
            sigma = deviation(out, j)
            fleet += 1
            mean += out[0, j]
            squares += out[0, j] * out[0, j]
            variance += sigma * sigma
    if fleet == 0:
        return 0.0
    squares -= mean * mean / fleet
    # What is left by rounding where all say the same is no difference.
    if squares <= 1e-12 * (fleet + mean * mean):
        return 0.0
    told = squares / variance
    wide = math.sqrt(1.0 + 1.0 / told)
    if par[APART] > 0.0:
        narrow = math.sqrt(told) / par[APART]
        wide = wide if wide < narrow else narrow
    return par[TRUST] * wide


@kernel
def believe(out: Table, inputs: Table, par: Reals, up: Ints, weight: Reals) -> float:
    """Turn what the network says into weights of geometric mean 1 over the servers that are up, of which there is one.

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
    tau = exponent(out, par, up) if par[WIDEN] > 0.0 else par[TRUST]
    for j in range(n):
        sigma = deviation(out, j)
        weight[j] = tau * out[0, j] + par[OWN] * inputs[OWN_RATE, j]
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


def _parameters(rule: Rule) -> Reals:
    return np.array([rule.delta, rule.trust, rule.own, rule.doubt, float(rule.widen), rule.apart])


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
        par=np.concatenate([_parameters(rule), flat(weights)]),  # type: ignore[arg-type]
        weight=np.ones(site.servers),
        mem=np.zeros((MEM_ROWS, site.servers)),
        box=box,
        tick_s=period_s,
        stagger=True,
    )
