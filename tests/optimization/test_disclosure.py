"""An adversary that knows all but the targets, on any method with linear rounds: against forms worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.optimization.disclosure import disclosure, message_forms, private_targets
from qoslab.domains.optimization.instances import b1, c1, ring, work
from qoslab.domains.optimization.methods.admm import Admm
from qoslab.domains.optimization.methods.dextra import Dextra
from qoslab.domains.optimization.methods.dgd import Dgd
from qoslab.domains.optimization.methods.dual_decomposition import DualDecomposition
from qoslab.domains.optimization.methods.extra import Extra
from qoslab.domains.optimization.methods.frost import Frost
from qoslab.domains.optimization.methods.penalty_consensus import PenaltyConsensus
from qoslab.domains.optimization.methods.projected_subgradient import ProjectedSubgradient
from qoslab.domains.optimization.methods.push_diging import PushDiging
from qoslab.domains.optimization.methods.push_pull import PushPull
from qoslab.domains.optimization.methods.row_stochastic_tracking import RowStochasticTracking
from qoslab.domains.optimization.methods.subgradient_push import SubgradientPush
from qoslab.domains.optimization.model import run
from qoslab.domains.optimization.problems.smooth import Quadratic
from qoslab.domains.optimization.scenario import OptimizationScenario
from qoslab.domains.optimization.task import task_of

Q = np.array([0.5, 1.0, 1.5, 2.0, 0.8, 1.2])
EVERY = [
    Admm(),
    Dextra(),
    Dgd(),
    DualDecomposition(),
    Extra(),
    Frost(),
    ProjectedSubgradient(),
    PushDiging(),
    PushPull(),
    RowStochasticTracking(),
    SubgradientPush(),
]


def on_ring(p=1):
    return task_of(ring(6), Quadratic(None, Q, np.zeros((6, p))))


def left(forms, agent, tapped, interception=1.0, trials=2):
    return disclosure(forms, agent, tapped, interception, np.random.default_rng(1), trials=trials)


@pytest.mark.parametrize("method", EVERY, ids=lambda method: type(method).__name__)
def test_whoever_hears_an_agent_itself_learns_its_target(method):
    """And whoever catches nothing, nothing; rounds of all these are affine, or they would be refused."""
    forms = message_forms(method, on_ring(), 12)
    assert left(forms, 2, [2]).quotient == pytest.approx(0.0, abs=1e-6)
    assert left(forms, 2, [2], interception=0.0).quotient == 1.0


def test_a_neighbour_gives_away_a_sum_of_gradients_first():
    """DGD from 0: x1 = s q c; x2 adds W x1, so a tap on agent 1 knows c_1, then c_0 and c_2 by their weighted sum."""
    method, task = Dgd(step=0.1, power=0.0), on_ring()
    assert left(message_forms(method, task, 2), 0, [1]).quotient == pytest.approx(1.0)
    share = Q[0] ** 2 / (Q[0] ** 2 + Q[2] ** 2)
    assert left(message_forms(method, task, 3), 0, [1]).quotient == pytest.approx(1.0 - share, rel=1e-9)
    assert left(message_forms(method, task, 3), 3, [1]).quotient == pytest.approx(1.0)


def test_one_chance_to_catch_is_taken_as_often_as_it_should_be():
    """Two rounds of DGD, the first of which says 0: 1 - g of 3,000 runs, 4.4 standard errors (once in 10^5)."""
    forms = message_forms(Dgd(), on_ring(), 2)
    found = left(forms, 4, [4], interception=0.3, trials=3000)
    assert found.quotient == pytest.approx(0.7, abs=4.4 * found.standard_error)
    assert found.standard_error == pytest.approx(np.sqrt(0.3 * 0.7 / 3000), rel=0.1)


def test_every_entry_of_a_target_counts():
    forms = message_forms(PushPull(), on_ring(p=2), 6)
    assert forms.shape == (6, 6, 4, 12)
    assert left(forms, 1, [1]).quotient == pytest.approx(0.0, abs=1e-6)
    # Round 0 says the gradients at 0, which are -q c.
    np.testing.assert_allclose(forms[0, 1, 2:], -Q[1] * np.eye(12)[2:4])


def test_what_is_not_defined_is_refused():
    with pytest.raises(BadInput, match="quadratic costs without sets"):
        message_forms(PushPull(), b1(constrained=False), 3)
    with pytest.raises(BadInput, match="shared decisions"):
        message_forms(PenaltyConsensus(), c1(), 3)

    class Thresholds(Dgd):
        def say(self, state, own):
            return {"x": np.maximum(state["x"], 0.0)}

    with pytest.raises(BadInput, match="Thresholds are not affine"):
        message_forms(Thresholds(), on_ring(), 3)


def tapped(**changes):
    base = {
        "network": {"generate": {"model": "ring", "nodes": 6}},
        "problem": {"kind": "quadratic"},
        "rounds": 80,
        "eavesdropper": {"agent": 2, "interception": 0.2, "knows": "all but the targets"},
    }
    return OptimizationScenario.model_validate(base | changes)


def test_a_run_reports_what_is_left_unknown():
    """Push-pull says the gradient, hence the target, in round 0; who hears all knows it."""
    first = next(iter(run(tapped(), PushPull(), [Seed()], Context()))).metrics["protection_of_target"]
    assert 0 <= first < 0.5
    heard = tapped(eavesdropper={"agent": 2, "interception": 1.0, "knows": "all but the targets"})
    every = next(iter(run(heard, PushPull(), [Seed()], Context()))).metrics
    assert every["protection_of_target"] == pytest.approx(0.0, abs=1e-6)
    short = tapped(rounds=1, eavesdropper={"agent": 2, "interception": 0.2, "knows": "all but the targets"})
    # One round, one message: 0.8 of 200 interceptions, 5 standard errors.
    once = next(iter(run(short, PushPull(), [Seed()], Context()))).metrics["protection_of_target"]
    assert once == pytest.approx(0.8, abs=5 * np.sqrt(0.8 * 0.2 / 200))


@pytest.mark.parametrize("change", [{"link_up": 0.5}, {"channel": {"noise": 0.1}}, {"start": "own"}], ids=str)
def test_what_spoils_the_forms_is_refused(change):
    with pytest.raises(ValidationError, match="messages are not forms it knows"):
        tapped(**change)


def test_noise_on_targets_moves_the_optimum_as_promised():
    """400 noisy problems solved by push-pull: mean square error of an agent, 5 standard errors."""
    found = private_targets(Q, epsilon=0.5)
    assert found.noise == pytest.approx(2.0 * np.sqrt(2.0 * np.log(1.25e5)))
    rng, task = np.random.default_rng(3), on_ring(p=400)
    noisy = replace(task, costs=replace(task.costs, target=found.noise * rng.standard_normal((6, 400))))
    squares = work(noisy, PushPull(0.15), 1500, Context()).x[0] ** 2
    assert squares.mean() == pytest.approx(found.agents_error, abs=5 * squares.std() / 20)
    with pytest.raises(BadInput, match="between 0 and 1"):
        private_targets(Q, epsilon=1.5)
