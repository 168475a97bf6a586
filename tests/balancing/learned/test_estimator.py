"""The learned policy in the controller: the same network on a controller's windows, and when it says nothing."""

import numpy as np
import pytest

from qoslab.core.seeds import Seed
from qoslab.domains.balancing import state
from qoslab.domains.balancing.deploy.controller import Controller
from qoslab.domains.balancing.deploy.estimators import POLICIES, LearnedCapacity, Window
from qoslab.domains.balancing.deploy.rehearsal import Steered, observe
from qoslab.domains.balancing.learned.inference import OUT, Rule, wiring
from qoslab.domains.balancing.learned.weights import read_weights
from qoslab.domains.balancing.methods.blind_sed import BlindSed
from qoslab.domains.balancing.model import Simulation
from qoslab.domains.balancing.scenario import BalancingScenario


def site(**servers):
    words = {
        "servers": {"count": 6, "weights": "equal"} | servers,
        "load": 0.8,
        "sizes": {"law": "exponential", "mean_s": 0.5},
        "duration_s": 90.0,
    }
    return BalancingScenario.model_validate(words)


def windows(n, count, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        busy = rng.uniform(0.2, 0.5, n)
        yield Window(0.5, rng.poisson(3.0, n).astype(float), busy, busy * 1.5, np.ones(n, bool))


def test_controller_and_simulator_infer_the_same():
    """The estimator is fed with the windows of a run of the method, tick by tick."""
    simulation = Simulation(site(cores=[1, 2]), BlindSed(), Seed(0, "test", "same", 0))
    told = Simulation(site(cores=[1, 2]), Steered(), Seed(0, "test", "same", 0))
    estimator, before = LearnedCapacity(np.ones(6)), None
    got = None
    while told.advance() == state.PAUSE:
        simulation.advance(told.now)
        seen = observe(simulation.world.board, 0, told.now)
        past = before or observe(Simulation(site(), Steered(), Seed()).world.board, 0, 0.0)
        got = estimator.update(
            Window(
                seen.time_s - past.time_s,
                seen.done - past.done,
                seen.busy_s - past.busy_s,
                seen.area_s - past.area_s,
                seen.up,
            )
        )
        before = seen
        if got is not None:
            logs = simulation.world.board.mem[0, OUT]
            np.testing.assert_allclose(got, np.exp(logs - logs.mean()), rtol=1e-9)
        if told.now > 60.0:
            break
    assert got is not None
    assert got[1::2].mean() > 1.4 * got[::2].mean()


def test_nothing_is_said_before_anything_is_known_nor_in_doubt():
    nothing = Window(0.5, np.zeros(3), np.zeros(3), np.zeros(3), np.ones(3, bool))
    assert LearnedCapacity(np.ones(3)).update(nothing) is None
    none_up = Window(0.5, np.ones(3), np.ones(3), np.ones(3), np.zeros(3, bool))
    assert LearnedCapacity(np.ones(3)).update(none_up) is None
    doubting = LearnedCapacity(np.ones(3), doubt=0.0)
    assert all(doubting.update(window) is None for window in windows(3, 50))


def test_what_is_not_told_apart_counts_in_proportion():
    """The same windows of servers that are alike, believed in full and where s / sigma must be 2 to be."""
    whole, careful = LearnedCapacity(np.ones(6), apart=0.0001), LearnedCapacity(np.ones(6), apart=2.0)
    for window in windows(6, 60):
        full, less = whole.update(window), careful.update(window)
    mu, log_sigma = whole._out
    told = mu.std() / np.sqrt(np.exp(2.0 * log_sigma).mean())
    assert told < 1.0
    np.testing.assert_allclose(np.log(full), mu - mu.mean(), atol=1e-12)
    np.testing.assert_allclose(np.log(less), 0.5 * told * (mu - mu.mean()), rtol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_on_the_site_of_the_haproxy_study_servers_are_always_told_apart(seed):
    """The page of HAProxy says so: what is not told apart, and counts less, never occurs there."""
    words = {"count": 4, "speeds": [1.0, 1.0, 4.0, 4.0], "cores": [2], "weights": "equal"}
    sizes = {"law": "exponential", "mean_s": 0.08}
    study = {"servers": words, "load": 0.35, "sizes": sizes, "duration_s": 45.0}
    told = Simulation(BalancingScenario.model_validate(study), Steered(), Seed(0, "test", "told", seed))
    estimator, before, looks = LearnedCapacity(np.ones(4)), None, 0
    while told.advance() == state.PAUSE:
        seen = observe(told.world.board, 0, told.now)
        if before is not None:
            done, busy, area = (
                seen.done - before.done,
                seen.busy_s - before.busy_s,
                seen.area_s - before.area_s,
            )
            estimator.update(Window(seen.time_s - before.time_s, done, busy, area, seen.up))
            mu, log_sigma = estimator._out
            assert mu.std() > 0.8 * np.sqrt(np.exp(2.0 * log_sigma).mean())
            looks += 1
        before = seen
    assert looks > 80


def test_order_does_not_matter():
    order = np.array([2, 0, 3, 1])
    straight, mixed = LearnedCapacity(np.ones(4)), LearnedCapacity(np.ones(4))
    for window in windows(4, 60):
        a = straight.update(window)
        fields = (window.done[order], window.busy_s[order], window.area_s[order], window.up[order])
        b = mixed.update(Window(window.length_s, *fields))
    np.testing.assert_allclose(a[order], b, rtol=1e-9)


def test_the_controllers_policy_is_this_one():
    assert POLICIES["ours"] is LearnedCapacity
    controller = Controller(np.ones(4))
    assert controller.changes_found == 0


def test_a_site_of_five_is_wired_with_equal_weights():
    whole = wiring(read_weights("builtin"), Rule(), _site(5), 0.5)
    assert whole.mem.shape[1] == 5
    assert whole.weight.tolist() == [1.0] * 5


def _site(servers):
    from qoslab.domains.balancing.hooks import Site

    return Site(servers, 3, np.ones(servers), Seed(), 1.0, 1.0)


@pytest.mark.parametrize("size", [1, 2, 64])
def test_any_number_of_servers(size):
    estimator = LearnedCapacity(np.ones(size))
    last = None
    for window in windows(size, 80):
        last = estimator.update(window)
    if last is not None:
        assert np.isfinite(last).all()
        assert np.log(last).mean() == pytest.approx(0.0, abs=1e-9)
