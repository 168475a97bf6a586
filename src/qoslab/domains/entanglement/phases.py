# mypy: disable-error-code="no-any-return"
"""Common time slots of an external, a routing and an internal phase.

Links try in the external phase alone. In the internal phase nodes act on all that they have heard by then: swap,
purify, take. What they hear in another phase they act on when the next internal phase begins.
"""

from __future__ import annotations

import math

import numpy as np

from qoslab.core.errors import BadInput, Problem
from qoslab.domains.entanglement.chain import Chain, FloatArray, Physics
from qoslab.domains.entanglement.protocol import View
from qoslab.domains.entanglement.scenario import Phases
from qoslab.engine.kernel import kernel
from qoslab.graphs.shortest import all_pairs

__all__ = ["acting", "creation", "in_phases", "longest_delay", "opening", "refuse_short_phases", "slot_start"]

_ROUNDING = 1e-9
"""A share of an attempt: one that ends with its phase counts, whatever sums in floating point say."""


def longest_delay(view: View) -> float:
    """The longest delay between two nodes that are joined, s."""
    delays = all_pairs(view.network, np.array([timing.delay_s for timing in view.timings]))
    return float(delays[np.isfinite(delays)].max())


def in_phases(physics: Physics, phases: Phases, view: View) -> Physics:
    """Rules of a run in which planned paths keep to common phases, if the scenario wants so."""
    if phases.planned == "asynchronous":
        return physics
    news = longest_delay(view)
    act = phases.external_s + (news if phases.routing_s is None else phases.routing_s)
    length = act + (news if phases.internal_s is None else phases.internal_s)
    return physics._replace(
        sync=1, external_s=phases.external_s, act_s=act, length_s=length, clear=int(phases.clear)
    )


def refuse_short_phases(c: Chain, physics: Physics, span: FloatArray) -> None:
    """Refuse phases in which nothing can be delivered.

    Raises:
        BadInput: A slot is longer than the run, an attempt and its herald longer than the external phase, or, where
            memories are emptied, the way of a swap's word to a user or a round of purification than the internal one.
    """
    if physics.length_s > span[1]:
        message = f"one slot takes {physics.length_s:g} s, more than the run"
        raise BadInput(Problem(message=message, field="scenario.horizon_s", hint="the three phases together"))
    least = float((2.0 * np.diff(c.place_s) + c.notify_s.max(axis=1)).max())
    if least > physics.external_s:
        message = (
            f"the external phase is shorter than the {least:g} s of one attempt with its question and herald"
        )
        raise BadInput(Problem(message=message, field="scenario.phases.external_s"))
    inner = c.place_s[1:-1]
    word = float((np.maximum(inner, c.place_s[-1] - inner) + c.swap_s[1:-1]).max(initial=0.0))
    internal = physics.length_s - physics.act_s
    if physics.clear and word > internal * (1.0 + _ROUNDING):
        message = f"memories are emptied {internal:g} s after the first swaps, whose word takes {word:g} s to a user"
        raise BadInput(Problem(message=message, field="scenario.phases.internal_s"))
    asked = np.where((c.rounds > 0) & (c.fidelity < c.enough), 2.0 * np.diff(c.place_s), 0.0).max()
    for first, last in np.argwhere(c.segment):
        asked = max(asked, 2.0 * (c.place_s[last] - c.place_s[first]))
    if physics.clear and asked * (1.0 + _ROUNDING) >= internal:
        message = f"memories are emptied after {internal:g} s, and question and answer of purification take {asked:g} s"
        raise BadInput(Problem(message=message, field="scenario.phases.internal_s"))


@kernel(inline=True)
def slot_start(physics: Physics, now: float) -> float:
    """When the slot of a time began, s."""
    return math.floor(now / physics.length_s) * physics.length_s


@kernel
def opening(physics: Physics, now: float) -> float:
    """The first time from `now` on in an external phase, s."""
    start = slot_start(physics, now)
    return now if now < start + physics.external_s else start + physics.length_s


@kernel
def acting(physics: Physics, now: float) -> float:
    """The first time from `now` on in an internal phase, s."""
    return max(now, slot_start(physics, now) + physics.act_s)


@kernel
def creation(
    physics: Physics, begin: float, failed: float, interval_s: float, delay_s: float, notice_s: float
) -> float:
    """When the attempt after `failed` others succeeds, s, where both ends must know before the external phase ends.

    Attempts have no memory, so one geometric draw is spread over as many slots as it takes. In each later slot
    question and answer come first.

    Args:
        physics: Has the phases.
        begin: When the first attempt may begin, s.
        failed: Attempts that fail before.
        interval_s: Time between attempts, s.
        delay_s: Delay of the link, s.
        notice_s: From creation until both ends know, s.
    """
    start = slot_start(physics, begin)
    begin = max(begin, start + 2.0 * delay_s)
    room = start + physics.external_s - notice_s - begin
    here = 0.0
    if room >= -_ROUNDING * interval_s:
        here = math.floor(room / interval_s + _ROUNDING) + 1.0
    if failed < here:
        return begin + failed * interval_s
    failed -= here
    room = physics.external_s - notice_s - 2.0 * delay_s
    each = math.floor(room / interval_s + _ROUNDING) + 1.0
    slots = math.floor(failed / each)
    return start + (slots + 1.0) * physics.length_s + 2.0 * delay_s + (failed - slots * each) * interval_s
