"""Noise on what agents hold, as a switch of the scenario: accuracy and leakage against the formulas."""

import math

import numpy as np
import pytest
from pydantic import ValidationError

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.optimization.disclosure import private_targets
from qoslab.domains.optimization.eavesdropping import (
    innovation_leakage,
    scaled_quotient,
    scaled_state_quotient,
    state_leakage,
)
from qoslab.domains.optimization.methods.dextra import Dextra
from qoslab.domains.optimization.methods.extra import Extra
from qoslab.domains.optimization.methods.penalty_consensus import PenaltyConsensus
from qoslab.domains.optimization.methods.projected_subgradient import ProjectedSubgradient
from qoslab.domains.optimization.methods.push_diging import PushDiging
from qoslab.domains.optimization.methods.push_pull import PushPull
from qoslab.domains.optimization.methods.subgradient_push import SubgradientPush
from qoslab.domains.optimization.model import run
from qoslab.domains.optimization.privacy import made_private
from qoslab.domains.optimization.scenario import OptimizationScenario
from qoslab.domains.optimization.task import make_task

Q = [0.5, 1.0, 1.5, 2.0, 0.8, 1.2]


def world(problem=None, **changes):
    base = {
        "network": {"generate": {"model": "ring", "nodes": 6}},
        "problem": problem or {"kind": "quadratic", "curvatures": Q, "dimension": 200},
        "rounds": 600,
        "privacy": {"epsilon": 0.5},
    }
    return OptimizationScenario.model_validate(base | changes)


def only(scenario, method, seed=None):
    return next(iter(run(scenario, method, [seed or Seed()], Context()))).metrics


def test_agents_err_by_what_the_mechanism_costs_and_no_more():
    """Mean square error of an entry, s^2 sum q^2 / (sum q)^2, over 200 entries and 6 standard errors."""
    promised = private_targets(np.array(Q), 0.5).agents_error
    found = only(world(), PushPull(0.15))["error"] ** 2 / 200
    assert found == pytest.approx(promised, rel=6 * math.sqrt(2 / 200))
    none = only(world(privacy={"mechanism": "none"}), PushPull(0.15))
    assert none["error"] < 1e-9
    assert none == only(world(privacy=None), PushPull(0.15))


def test_each_agent_draws_its_own_noise_whatever_the_method():
    task = make_task(world(), Seed(), Context())
    first, again = made_private(task, 2.0, Seed()), made_private(task, 2.0, Seed())
    apart = first.costs.target - task.costs.target
    np.testing.assert_array_equal(apart, again.costs.target - task.costs.target)
    assert np.abs(np.corrcoef(apart) - np.eye(6)).max() < 0.35  # 1 / sqrt(200) = .07, 5 standard errors
    np.testing.assert_allclose(apart.std(axis=1), 2.0, rtol=0.3)
    np.testing.assert_array_equal(first.optimum, task.optimum)


@pytest.mark.parametrize(
    ("problem", "method"),
    [
        ({"kind": "rendezvous"}, ProjectedSubgradient()),
        ({"kind": "median"}, ProjectedSubgradient()),
        ({"kind": "dispatch"}, PenaltyConsensus()),
    ],
    ids=["rendezvous", "median", "dispatch"],
)
def test_positions_and_wishes_are_made_noisy_too(problem, method):
    small, large = (only(world(problem, privacy={"epsilon": e}), method) for e in (0.99, 0.05))
    plain = only(world(problem, privacy=None), method)
    assert plain["error"] < large["error"] / 5
    assert small["error"] != large["error"]


def test_costs_without_points_are_refused():
    with pytest.raises(BadInput, match="which these costs have not"):
        only(world({"kind": "logistic"}), Extra())
    with pytest.raises(ValidationError, match="epsilon"):
        world(privacy={"epsilon": 1.5})


def test_leakage_of_the_true_optimum():
    """Without noise the forms for x_T; with noise what is left unknown of x* and, of a target, s^2 / (1 + s^2)."""
    tapped = {"agent": 2, "interception": 1.0, "knows": "all but the targets"}
    problem = {"kind": "quadratic", "curvatures": Q, "dimension": 2}
    plain = only(world(problem, eavesdropper=tapped, privacy={"mechanism": "none"}), PushPull(0.15))
    assert plain["protection_of_states"] == pytest.approx(0.0, abs=1e-12)
    assert plain["protection_of_target"] == pytest.approx(0.0, abs=1e-6)
    noisy = only(world(problem, eavesdropper=tapped), PushPull(0.15))
    task = make_task(world(problem), Seed(), Context())
    error = noisy["error"] ** 2 / (task.optimum**2).sum()
    assert noisy["protection_of_states"] == pytest.approx(error, rel=1e-6)
    s2 = private_targets(np.array(Q), 0.5).noise ** 2
    assert noisy["protection_of_target"] == pytest.approx(s2 / (1 + s2), rel=1e-6)


@pytest.mark.parametrize(
    "method",
    [PushDiging(), Dextra(inertia=0.1), SubgradientPush(step=1e-9)],
    ids=["push_diging", "dextra", "gp"],
)
def test_an_eavesdropper_divides_what_agents_divide(method):
    """On a star column weights let y differ from 1: who hears x and y hears the decision."""
    world_of_leaves = world(
        {"kind": "quadratic", "dimension": 2},
        network={"generate": {"model": "star", "leaves": 5}},
        eavesdropper={"agent": 1, "interception": 1.0},
        privacy={"mechanism": "none"},
        rounds=1500,
        start="own",
    )
    found = only(world_of_leaves, method)
    task = make_task(world_of_leaves, Seed(), Context())
    where = task.optimum
    if isinstance(method, SubgradientPush):
        where = task.costs.target.mean(axis=0)  # steps of nearly nothing: the average of the starts
    left = ((where - task.optimum) ** 2).sum() / (task.optimum**2).sum()
    assert found["protection_of_states"] == pytest.approx(left, abs=1e-6)


def test_guesses_of_another_secret_by_simulation():
    """The best factor for 40,000 simulated interceptions does as the formula says, to 5 standard errors."""
    rng = np.random.default_rng(0)
    path = np.cumsum(rng.standard_normal((30, 2)), axis=0)
    secret, g = path[-1] + rng.standard_normal(2), 0.4
    sent = np.vstack([path[:1], np.diff(path, axis=0)])
    total = (rng.random((40_000, 30)) < g) @ sent
    best = (total @ secret).mean() / (total**2).sum(axis=1).mean()
    errors = ((secret - best * total) ** 2).sum(axis=1)
    found = scaled_quotient(path, g, secret) * (secret**2).sum()
    assert found == pytest.approx(errors.mean(), abs=5 * errors.std() / 200)
    last = path[-1]
    assert scaled_quotient(path, g, last) == pytest.approx(innovation_leakage(path, g).quotient, rel=1e-12)
    assert state_leakage(path, g, last) == state_leakage(path, g)


@pytest.mark.parametrize("g", [0.2, 0.7])
def test_the_best_factor_of_the_last_state_caught_is_the_best_of_all(g):
    """Every outcome of interceptions of six states: least squares of the secret on what was caught last."""
    path = np.column_stack([np.cos(np.arange(6.0)), 0.3 * np.arange(6.0)])
    for secret in (path[-1], np.array([2.0, -1.0])):
        # Nothing caught has no part in either sum.
        chance = g * (1 - g) ** np.arange(5.0, -1.0, -1.0)
        factors = np.linspace(-5.0, 5.0, 200_001)
        square, product = (chance * (path**2).sum(axis=1)).sum(), (chance * (path @ secret)).sum()
        errors = (secret**2).sum() - 2.0 * factors * product + factors**2 * square
        found = scaled_state_quotient(path, g, secret)
        assert found == pytest.approx(errors.min() / (secret**2).sum(), abs=1e-8)
        unscaled = state_leakage(path, g, secret) / (secret**2).sum()
        assert found < min(1.0, unscaled)
        at_one = errors[np.argmin(np.abs(factors - 1.0))] / (secret**2).sum()
        assert unscaled == pytest.approx(at_one, abs=1e-9)


def test_no_quotient_is_below_0():
    """A guess that is right but for rounding: 1 - (c^T s)^2 / (||c||^2 ||s||^2) of parallel vectors."""
    rng = np.random.default_rng(0)
    for state in rng.standard_normal((200, 1, 7)):
        for quotient in (scaled_state_quotient, scaled_quotient):
            assert 0.0 <= quotient(3.0 * state, 1.0, state[0]) < 1e-12


def test_one_state_and_one_innovation_are_the_same_message():
    """Of a path that never moves the first innovation is the state; all others tell nothing."""
    still = np.array([[1.0, 2.0]])
    secret = np.array([1.0, 1.0])
    assert scaled_state_quotient(still, 0.4, secret) == pytest.approx(scaled_quotient(still, 0.4, secret))
    assert scaled_state_quotient(np.zeros((3, 2)), 0.4, secret) == 1.0
