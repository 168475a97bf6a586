"""Environments: both projects' own checkers, what is seen against bookkeeping in Python, determinism, faults."""

import numpy as np
import pytest

from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.balancing.learned import rewards
from qoslab.domains.balancing.learned.reservoirs import SLOTS, STATISTICS, summary
from qoslab.domains.balancing.learned.seeing import BALANCER_FIELDS, SERVER_FIELDS
from qoslab.domains.balancing.learned.session import Session
from qoslab.domains.balancing.scenario import BalancingScenario
from qoslab.domains.balancing.view import ACTIVE, DONE
from qoslab.engine.kernel import compiled

gymnasium = pytest.importorskip("gymnasium")
pettingzoo = pytest.importorskip("pettingzoo")


def site(balancers=1, servers=4, duration_s=20.0, **more):
    words = {
        "servers": {"count": servers, "speeds": [1.0, 2.0], "weights": "equal"},
        "balancers": balancers,
        "load": 0.7,
        "sizes": {"law": "exponential", "mean_s": 0.2},
        "duration_s": duration_s,
        "warmup": {"fraction": 0.0},
    }
    return BalancingScenario.model_validate(words | more)


@pytest.mark.filterwarnings("ignore:.*maximum value is infinity")  # times and counts have no bound
def test_gymnasium_finds_nothing_to_complain_about():
    from gymnasium.utils.env_checker import check_env

    from qoslab.domains.balancing.learned.environments import BalancerEnv

    check_env(BalancerEnv(site()), skip_render_check=True)


def test_pettingzoo_finds_nothing_to_complain_about():
    from pettingzoo.test import parallel_api_test, parallel_seed_test

    from qoslab.domains.balancing.learned.environments import BalancersEnv

    parallel_api_test(BalancersEnv(site(3)), num_cycles=60)
    parallel_seed_test(lambda: BalancersEnv(site(2, duration_s=5.0)), num_cycles=5)


def test_worlds_step_together_in_gymnasiums_vector_environment():
    from qoslab.domains.balancing.learned.environments import BalancerEnv

    worlds = gymnasium.vector.SyncVectorEnv([lambda: BalancerEnv(site()) for _ in range(3)])
    seen, _ = worlds.reset(seed=[1, 2, 1])
    assert seen["servers"].shape == (3, 4, len(SERVER_FIELDS))
    for _ in range(10):
        seen, reward, *_ = worlds.step(np.ones((3, 4), np.float32))
    assert reward[0] == reward[2] != reward[1]
    np.testing.assert_array_equal(seen["servers"][0], seen["servers"][2])


@pytest.mark.parametrize("count", [1, 2, 7, SLOTS])
def test_the_five_statistics_are_numpys(count):
    rng = np.random.default_rng(count)
    values, times = rng.exponential(size=SLOTS), rng.uniform(0.0, 9.0, SLOTS)
    room, got = np.zeros(SLOTS), np.zeros(5)
    compiled(summary)(values, times, count, 10.0, 0.5, room, got)
    v, fresh = values[:count], 0.5 ** (10.0 - times[:count])
    expected = [
        v.mean(),
        v.std(),
        np.quantile(v, 0.9),
        (v * fresh).sum() / fresh.sum(),
        (v * fresh).mean(),
    ]
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_an_empty_reservoir_says_nothing():
    got = np.ones(5)
    compiled(summary)(np.full(SLOTS, 7.0), np.zeros(SLOTS), 0, 10.0, 0.5, np.zeros(SLOTS), got)
    assert (got == 0.0).all()


def test_what_is_seen_is_the_balancers_own():
    session = Session(site(2, duration_s=400.0), reward="delay")
    session.reset(Seed(0, "test", "", 0))
    done = np.zeros((2, 4))
    for _ in range(300):
        seen = session.step(np.ones((2, 4)))
        board = session.simulation.world.board
        np.testing.assert_array_equal(seen.servers[:, :, 0], board.counts[:, ACTIVE])
        done = board.counts[:, DONE]
    mean = seen.servers[:, :, SERVER_FIELDS.index("completion_time_mean_s")]
    opened = seen.servers[:, :, SERVER_FIELDS.index("open_duration_mean_s")]
    assert (done > 100).all()
    # Fast servers' requests take less time, for both balancers; ages of open ones are of the same order.
    assert (mean[:, 1::2].mean(axis=1) < mean[:, ::2].mean(axis=1)).all()
    assert (opened > 0.1 * mean).all()
    assert (opened < 10 * mean).all()
    # 23.3 requests a second between two balancers; 32 gaps: off by more than half in one case of 10^5.
    gap = seen.balancers[:, BALANCER_FIELDS.index("inter_arrival_mean_s")]
    assert ((gap > 0.043) & (gap < 0.172)).all()


def test_the_same_seed_gives_the_same_episode_and_actions_matter():
    def play(action):
        session = Session(site())
        session.reset(Seed(0, "test", "", 3))
        return [session.step(action[None, :]) for _ in range(20)]

    first, again, other = play(np.ones(4)), play(np.ones(4)), play(np.array([1.0, 2.0, 1.0, 2.0]))
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one.servers, two.servers)
    assert any((one.servers != two.servers).any() for one, two in zip(first, other, strict=True))


def test_an_episode_ends_with_its_scenario():
    session = Session(site(duration_s=5.0))
    session.reset(Seed(0, "test", "", 0))
    overs = [session.step(np.ones((1, 4))).over for _ in range(10)]
    assert overs == [False] * 9 + [True]


def test_smoothing_is_the_published_average_of_actions():
    session = Session(site(), smoothing=0.5)
    session.reset(Seed(0, "test", "", 0))
    session.step(np.full((1, 4), 3.0))
    session.step(np.full((1, 4), 5.0))
    assert session.simulation.world.board.local[0, 0] == pytest.approx(0.25 * 1.0 + 0.25 * 3.0 + 0.5 * 5.0)


def test_rewards_by_hand():
    times = np.array([1.0, 1.0, 2.0])
    assert rewards.jain(times) == pytest.approx((4 / 3) ** 2 / 2)
    assert rewards.g_index(times) == pytest.approx(np.sin(np.pi / 4) ** 2)
    assert rewards.bossaer(times) == pytest.approx(0.25)
    assert rewards.FAIRNESS["vbf"](times) == pytest.approx(-2 / 9)
    assert rewards.FAIRNESS["log_vbf"](times) == pytest.approx(np.log(4.5))
    assert rewards.FAIRNESS["ms"](times) == -2.0


def test_the_reward_of_delay_is_the_steps_own_mean():
    session = Session(site(duration_s=400.0), reward="delay")
    session.reset(Seed(0, "test", "", 0))
    means = [-session.step(np.ones((1, 4))).rewards[0] for _ in range(400)]
    # Seconds on average: two servers of speed 1 and two of 2 at load 0.7 under least connections.
    assert 0.15 < np.mean(means) < 0.6


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ({"period_s": 0.0}, "period_s"),
        ({"reward": "jane"}, "reward"),
        ({"smoothing": 1.5}, "smoothing"),
        ({"base": 1.0}, "base"),
    ],
)
def test_wrong_words_are_refused_by_name(words, field):
    with pytest.raises(BadInput, match=field):
        Session(site(), **words)


@pytest.mark.parametrize("actions", [np.zeros((1, 4)), np.ones(4), np.full((1, 4), np.nan)])
def test_wrong_actions_are_refused(actions):
    session = Session(site())
    session.reset(Seed(0, "test", "", 0))
    with pytest.raises(BadInput, match="actions"):
        session.step(actions)


def test_one_balancer_or_many():
    from qoslab.domains.balancing.learned.environments import BalancerEnv

    with pytest.raises(BadInput, match="BalancersEnv"):
        BalancerEnv(site(2))


def test_the_statistics_name_the_fields():
    assert len(SERVER_FIELDS) == 2 + 2 * len(STATISTICS)
    assert len(BALANCER_FIELDS) == len(STATISTICS)
