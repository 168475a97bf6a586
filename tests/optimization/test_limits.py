"""The search for the last stable step, against limits that are known, and the limit of time inside it."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qoslab.core.context import Context, TimeLimitExceeded
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.optimization.asymptotics import Asymptotics, stability_limit
from qoslab.domains.optimization.limits import ABOUT, CLOSE, Limit, last_stable
from qoslab.domains.optimization.methods.dgd import Dgd
from qoslab.domains.optimization.methods.extra import Extra
from qoslab.domains.optimization.methods.penalty_consensus import PenaltyConsensus
from qoslab.domains.optimization.model import prepare
from qoslab.domains.optimization.scenario import OptimizationScenario
from qoslab.domains.optimization.settling import Settling, largest_step, require_settling
from qoslab.domains.optimization.stability import largest_stable, linear_round, require_stable
from qoslab.domains.optimization.steps import falling
from qoslab.domains.optimization.stepsizes import judged_steps
from qoslab.domains.optimization.task import make_task, own_of

OVER = Context(time_limit_s=0.0)


def world(nodes, problem):
    network = {"generate": {"model": "ring", "nodes": nodes}}
    return OptimizationScenario.model_validate({"network": network, "problem": problem, "rounds": 100})


def made(nodes, problem, decision="shared"):
    scenario = world(nodes, problem)
    task = make_task(scenario, Seed(), Context())
    return task, own_of(task, scenario, Seed(), decision)


SMOOTH = made(8, {"kind": "quadratic"})
COUPLED = made(16, {"kind": "qos", "cores": 4}, "own")
"""416 decisions and estimates: too many for all eigenvalues."""


def counted(growth):
    asked = []

    def ask(step):
        asked.append(step)
        return growth(step)

    return ask, asked


@settings(max_examples=200, deadline=None)
@given(
    limit=st.floats(-9, 9),
    start=st.floats(-5, 5),
    offset=st.floats(-1, 1),
    power=st.floats(0.5, 2),
    precision=st.sampled_from([0.05, 1e-3, 1e-6]),
)
def test_the_step_found_is_stable_and_one_a_precision_above_is_not(limit, start, offset, power, precision):
    limit, first = 10.0**limit, 10.0 ** (limit + start)
    # An eigenvalue offset - c s^power that leaves the unit circle at `limit`.
    growth, asked = counted(lambda s: max(abs(offset), (1.0 + offset) * (s / limit) ** power - offset))
    if offset < -0.9:
        return
    found = last_stable(growth, first, reach=2.0**40, precision=precision)
    assert growth(found) <= 1.0
    assert found <= limit * (1.0 + 1e-9)
    assert found >= limit * (1.0 - precision) * (1.0 - 1e-9)
    if power == 1.0 and start > 0:
        # Halves are jumped over: the way down takes a few steps, however far it is.
        assert len(asked) <= 6 + math.log2(1.0 / precision)


def test_a_step_far_beyond_costs_few_questions():
    growth, asked = counted(lambda s: abs(1.0 - s))
    assert last_stable(growth, 1e6, reach=2.0**40, precision=0.05) == pytest.approx(2.0, rel=0.05)
    assert len(asked) <= 9


@pytest.mark.parametrize(("growth", "first"), [(0.5, 1.0), (2.0, 1.0), (np.nan, 1.0), (np.inf, 3.0)])
def test_nothing_is_told_where_every_step_is_stable_or_none(growth, first):
    ask, asked = counted(lambda _: growth)
    assert last_stable(ask, first, reach=2.0**20, precision=0.05) is None
    assert 2 <= len(asked) <= 30
    assert all(2.0**-21 <= step / first <= 2.0**21 for step in asked)


def test_steps_that_overflow_count_as_unstable():
    found = last_stable(lambda s: np.nan if s > 1 else 0.5, 1e5, reach=2.0**40, precision=1e-3)
    assert found == pytest.approx(1.0, rel=1e-3)


def test_a_limit_shows_the_digits_that_are_known():
    told = [str(Limit(0.123456, about)) for about in (None, CLOSE, ABOUT)]
    assert told == ["0.123", "of about 0.123", "of about 0.12"]


def test_a_refusal_past_400_numbers_tells_the_limit_to_five_percent():
    task, method = COUPLED[0], PenaltyConsensus(step=5.0)
    near, last = Settling.at(method, task), falling(5.0, method.decay, method.power, 10)
    assert not near.dense
    rough, fine = near.limit(last, ABOUT), near.limit(last)
    assert (rough.about, fine.about) == (ABOUT, CLOSE)
    assert fine.step * 0.95 <= rough.step <= fine.step * 1.002
    with pytest.raises(BadInput, match=f"stability limit of about {rough.step:.2g} here"):
        require_settling(method, task, 5.0, 10)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: require_settling(PenaltyConsensus(step=5.0), COUPLED[0], 5.0, 10, OVER),
        lambda: largest_step(PenaltyConsensus(), COUPLED[0], 1.0, OVER),
        lambda: judged_steps(PenaltyConsensus(), *COUPLED, None, OVER),
        lambda: require_stable(Dgd(9.0, power=0.0), *SMOOTH, context=OVER),
        lambda: largest_stable(Dgd(9.0, power=0.0), *SMOOTH, 9.0, context=OVER),
        lambda: linear_round(Dgd(9.0, power=0.0), *SMOOTH, context=OVER),
        lambda: judged_steps(Extra(), *SMOOTH, None, OVER),
        lambda: stability_limit(Extra(), near_optimum(), OVER),
        lambda: prepare(Extra(9.0), SMOOTH[0], refuse=True, context=OVER),
    ],
)
def test_every_search_for_a_limit_keeps_to_the_limit_of_time(ask):
    with pytest.raises(TimeLimitExceeded):
        ask()


def near_optimum():
    task = SMOOTH[0]
    return Asymptotics.at(task.costs, task.optimum, task.weights)
