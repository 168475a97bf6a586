"""Methods outside their assumptions: where they end, and that consensus does not tell."""

import pytest

from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.optimization.methods.admm import Admm
from qoslab.domains.optimization.methods.dextra import Dextra
from qoslab.domains.optimization.methods.dual_decomposition import DualDecomposition
from qoslab.domains.optimization.methods.extra import Extra
from qoslab.domains.optimization.methods.frost import Frost
from qoslab.domains.optimization.methods.penalty_consensus import PenaltyConsensus
from qoslab.domains.optimization.methods.projected_subgradient import ProjectedSubgradient
from qoslab.domains.optimization.methods.push_diging import PushDiging
from qoslab.domains.optimization.methods.push_pull import PushPull
from qoslab.domains.optimization.methods.row_stochastic_tracking import RowStochasticTracking
from qoslab.domains.optimization.model import run
from qoslab.domains.optimization.scenario import OptimizationScenario

DIRECTED = {"model": "k_in", "nodes": 8, "in_degree": 3}
RING = {"model": "ring", "nodes": 8}
SOMETIMES = {"link_up": 0.7}
LOSS, DELAY = {"channel": {"loss": 0.2}}, {"channel": {"delay": 1}}


def end(network, method, changes):
    table = {"network": {"generate": network}, "problem": {"kind": "quadratic"}, "rounds": 5000}
    scenario = OptimizationScenario.model_validate(table | changes)
    return next(iter(run(scenario, method, [Seed()], Context()))).metrics


@pytest.mark.parametrize(
    ("network", "method"),
    [(DIRECTED, PushPull(0.02)), (DIRECTED, PushDiging(0.02)), (RING, Extra()), (RING, Admm())],
    ids=str,
)
@pytest.mark.full
def test_these_arrive_over_links_that_come_and_go(network, method):
    assert end(network, method, SOMETIMES)["error"] < 1e-9


@pytest.mark.parametrize(
    ("network", "method", "changes"),
    [
        (DIRECTED, RowStochasticTracking(0.01), SOMETIMES),
        (DIRECTED, Frost(0.01), SOMETIMES),
        *((DIRECTED, RowStochasticTracking(0.01), change) for change in (LOSS, DELAY)),
        *((DIRECTED, PushPull(0.02), change) for change in (LOSS, DELAY)),
        *((DIRECTED, PushDiging(0.02), change) for change in (LOSS, DELAY)),
        *((RING, Extra(), change) for change in (LOSS, DELAY)),
        *((RING, Admm(), change) for change in (LOSS, DELAY)),
        *((DIRECTED, Frost(0.01), change) for change in (LOSS, DELAY)),
        *((DIRECTED, Dextra(), change) for change in (LOSS, DELAY)),
        *((RING, DualDecomposition(), change) for change in (LOSS, DELAY)),
    ],
    ids=str,
)
@pytest.mark.full
def test_these_agree_on_a_wrong_decision(network, method, changes):
    found = end(network, method, changes)
    assert found["error"] > 0.005
    assert found["consensus_error"] < 1e-9


@pytest.mark.full
@pytest.mark.parametrize("changes", [SOMETIMES, LOSS], ids=str)
def test_subgradients_with_an_estimated_eigenvector_stay_away_over_such_links(changes):
    assert end(DIRECTED, ProjectedSubgradient(0.1), changes)["error"] > 0.05


@pytest.mark.full
def test_estimates_of_shared_constraints_need_every_message():
    dispatch = {"problem": {"kind": "dispatch"}}
    alone, lost, late = (
        end(RING, PenaltyConsensus(), dispatch | change)["error"]
        for change in ({}, LOSS, {"channel": {"delay": 2}})
    )
    assert alone < 0.03
    assert 0.2 < lost < 0.3
    assert late > 1.5
