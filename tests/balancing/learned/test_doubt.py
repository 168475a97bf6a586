"""How often `blind_sed` falls back to the local shortest queue: what its page says of `doubt`."""

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.balancing import state
from qoslab.domains.balancing.learned.inference import SURE
from qoslab.domains.balancing.methods.blind_sed import BlindSed
from qoslab.domains.balancing.model import Simulation
from qoslab.domains.balancing.scenario import BalancingScenario
from qoslab.domains.balancing.view import DONE, WEIGHT

DOUBT = BlindSed().doubt


def looks(**site):
    """Mean standard deviations, completions and weights after each half-second, shapes (t,), (t,) and (t, n)."""
    words = {"load": 0.5, "duration_s": 60.0, "sizes": {"law": "exponential", "mean_s": 0.1}} | site
    simulation = Simulation(
        BalancingScenario.model_validate(words), BlindSed(), Seed(0, "doubt", "", 0), Context()
    )
    seen, at_s = [], 0.5
    while simulation.advance(at_s) != state.DONE:
        board = simulation.world.board
        seen.append((board.box[0, SURE], board.counts[0, DONE].sum(), board.local[0, WEIGHT].copy()))
        at_s += 0.5
    return [np.array(each) for each in zip(*seen, strict=True)]


def servers(count, *speeds):
    return {"count": count, "speeds": list(speeds), "weights": "equal"}


@pytest.mark.parametrize(
    "site",
    [
        {"servers": servers(2, 100.0, 1.0)},
        {"servers": servers(8, 1.0, 2.0), "drift": {"cv": 1.5, "correlation_s": 5.0, "step_s": 1.0}},
        {
            "servers": servers(8, 1.0, 2.0),
            "changes": [{"at_s": 20.0, "servers": [1], "action": "fail"}],
            "timeout_s": 5.0,
            "retry": {"delay_s": 0.5, "attempts": 3},
        },
    ],
    ids=["a hundred to one", "wild drift", "a failed server"],
)
def test_with_exponential_sizes_there_is_no_doubt_from_the_first_completions_on(site):
    sigma, done, weight = looks(**site)
    assert sigma[done > 0].max() <= DOUBT
    assert (weight[40:].max(axis=1) > weight[40:].min(axis=1)).all()


def test_very_unequal_sizes_raise_a_doubt_now_and_then():
    heavy = {"law": "lognormal", "scv": 400.0, "mean_s": 0.1}
    sigma, _, weight = looks(servers=servers(8, 1.0, 2.0), load=0.7, duration_s=300.0, sizes=heavy)
    doubtful = sigma > DOUBT
    assert 0.0 < doubtful.mean() < 0.03
    assert (weight[doubtful] == 1.0).all()


def test_before_the_first_completion_all_weights_are_equal():
    sigma, done, weight = looks(servers=servers(4, 1.0, 2.0), load=0.01, duration_s=30.0)
    assert (done == 0).sum() > 0
    assert (weight[done == 0] == 1.0).all()
    assert (sigma[done == 0] == 0.0).all()
