"""An adversary that knows everything but the start, and noise for privacy, against closed forms."""

import numpy as np
import pytest

from qoslab.agents.weights import Weights
from qoslab.core.errors import BadInput
from qoslab.domains.optimization.adversaries import full_knowledge, private_average
from qoslab.domains.optimization.commands import eavesdrop
from qoslab.domains.optimization.instances import ring

START = np.arange(1.0, 11.0)
RING = Weights(ring(10)).doubly.toarray()


@pytest.mark.parametrize("caught", [0.3, 0.7])
def test_the_average_is_hidden_where_the_start_was_not_caught(caught):
    """(1 - g) 5.5^2; 2,000 runs, 4.4 standard errors: passed by chance once in 10^5."""
    found = full_knowledge(RING, START, caught, np.random.default_rng(2))
    assert found.error == pytest.approx((1 - caught) * 5.5**2, abs=4.4 * found.standard_error)
    assert found.prior == pytest.approx(5.5**2, rel=1e-9)


def test_one_caught_start_among_all_gives_the_average_away():
    """Messages caught one by one: nobody's start with probability (1 - g)^n."""
    found = full_knowledge(RING, START, 0.2, np.random.default_rng(3), caught="messages", trials=3000)
    assert found.error == pytest.approx(0.8**10 * 5.5**2, abs=4.4 * found.standard_error)


def test_starts_that_came_another_way_keep_the_average():
    for caught in (0.3, 1.0):
        found = full_knowledge(RING, START, caught, np.random.default_rng(4), start_sent=False, trials=50)
        assert found.quotient == pytest.approx(1.0, abs=1e-9)


def test_who_catches_everything_knows_everything():
    assert full_knowledge(RING, START, 1.0, np.random.default_rng(0), trials=3).error < 1e-18
    nothing = full_knowledge(RING, START, 0.0, np.random.default_rng(0), trials=3)
    assert nothing.quotient == pytest.approx(1.0)


def test_noise_protects_at_its_own_price():
    """Averages of noisy starts, 20,000 times: the agents' error is the promised one, 5 standard errors."""
    found = private_average(10, epsilon=0.5, delta=1e-5, reach=1.0)
    assert found.noise == pytest.approx(2.0 * np.sqrt(2.0 * np.log(1.25e5)))
    rng = np.random.default_rng(5)
    noisy = (START + found.noise * rng.standard_normal((20_000, 10))) @ np.linalg.matrix_power(RING, 400)[0]
    squares = (noisy - START.mean()) ** 2
    assert squares.mean() == pytest.approx(found.agents_error, abs=5 * squares.std() / np.sqrt(20_000))
    assert found.adversary_error == found.agents_error
    assert private_average(10, 0.25).noise == pytest.approx(2.0 * found.noise)


def test_the_command_puts_them_side_by_side():
    table = eavesdrop(trials=200)
    assert [row["interception"] for row in table] == [0.1, 0.3, 0.5, 0.7, 0.9]
    middle = table[2]
    assert middle["states"] < 1e-9
    assert middle["innovations"] == pytest.approx(8.745 / 5.5**2, abs=1e-4)
    assert 0.3 < middle["all_tapped"] < 0.7
    assert middle["all_tapped_start_apart"] == pytest.approx(1.0, abs=1e-9)
    with pytest.raises(BadInput, match="between 0 and 1"):
        eavesdrop(epsilon=2.0)
    with pytest.raises(BadInput, match="at least 3 agents"):
        eavesdrop(agents=2)
