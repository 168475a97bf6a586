"""Environments: both projects' own checkers, what is seen against bookkeeping in Python, determinism, faults."""

import numpy as np
import pytest

from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.balancing import state
from qoslab.domains.balancing.learned import rewards
from qoslab.domains.balancing.learned.reservoirs import SLOTS, STATISTICS, summary
from qoslab.domains.balancing.learned.seeing import BALANCER_FIELDS, SERVER_FIELDS
from qoslab.domains.balancing.learned.session import Session
from qoslab.domains.balancing.learned.sessions import Sessions
from qoslab.domains.balancing.model import Simulation
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


def test_one_server_has_no_variance_to_be_rewarded_for():
    """The logarithm of its variance of 0 would be the greatest reward there is."""
    one = np.array([0.3])
    assert rewards.FAIRNESS["log_vbf"](one) == 0.0
    assert rewards.FAIRNESS["vbf_log_vbf"](one) == 0.0
    assert rewards.FAIRNESS["log_vbf"](np.array([0.3, 0.3])) == pytest.approx(-np.log(1e-12))


@pytest.mark.parametrize("name", rewards.FAIRNESS)
def test_rewards_of_many_are_those_of_each(name):
    """Servers without a sample are left out, and nothing is earned where there is none."""
    rng = np.random.default_rng(1)
    means = rng.exponential(size=(30, 11)) * (rng.random((30, 11)) < 0.9)
    means[3] = 0.0
    means[4, 1:] = 0.0
    got = rewards.fairness(name, means)
    assert got[3] == 0.0
    for row, reward in zip(means, got, strict=True):
        if row.any():
            assert reward == pytest.approx(
                float(rewards.FAIRNESS[name](row[row > 0.0])), rel=1e-13, abs=1e-13
            )


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


def steps_of(env, actions):
    """Everything that an environment of vectors gives, step by step."""
    seen, _ = env.reset(seed=5)
    yield seen, None, None, None
    for each in actions:
        yield env.step(each)[:4]


@pytest.mark.parametrize("reward", ["jain", "vbf_log_vbf", "delay"])
def test_one_call_gives_what_worlds_give_one_by_one(reward):
    """Through several episodes: the same observations, rewards and ends as Gymnasium's own vector of single worlds."""
    from qoslab.domains.balancing.learned.environments import BalancerEnv, BalancerVectorEnv

    one_call = BalancerVectorEnv(site(duration_s=7.0), 3, reward=reward)
    single = gymnasium.vector.SyncVectorEnv([lambda: BalancerEnv(site(duration_s=7.0), reward=reward)] * 3)
    assert one_call.observation_space == single.observation_space
    assert one_call.action_space == single.action_space
    actions = np.random.default_rng(0).uniform(0, 1, (40, 3, 4)).astype(np.float32)
    overs = 0
    for ours, theirs in zip(steps_of(one_call, actions), steps_of(single, actions), strict=True):
        assert ours[0].keys() == theirs[0].keys()
        for name in ours[0]:
            np.testing.assert_array_equal(ours[0][name], theirs[0][name])
            assert ours[0][name].dtype == theirs[0][name].dtype
        if ours[1] is not None:
            for mine, other in zip(ours[1:], theirs[1:], strict=True):
                np.testing.assert_array_equal(mine, other)
            overs += ours[3].sum()
        assert one_call.observation_space.contains(ours[0])
    assert overs == 6


def test_balancers_of_many_worlds_are_environments_side_by_side():
    from qoslab.domains.balancing.learned.environments import BalancerVectorEnv

    env = BalancerVectorEnv(site(3), 2, reward="delay")
    seen, _ = env.reset(seed=[4, 9])
    assert env.num_envs == 6
    assert seen["servers"].shape == (6, 4, len(SERVER_FIELDS))
    actions = np.random.default_rng(2).uniform(0.1, 1, (20, 6, 4)).astype(np.float32)
    for each in actions:
        seen, reward, *_ = env.step(each)
    for world, number in enumerate([4, 9]):
        alone = BalancerVectorEnv(site(3), 1, reward="delay")
        alone.reset(seed=number)
        for each in actions:
            own, earned, *_ = alone.step(each[3 * world : 3 * world + 3])
        np.testing.assert_array_equal(own["servers"], seen["servers"][3 * world : 3 * world + 3])
        np.testing.assert_array_equal(earned, reward[3 * world : 3 * world + 3])


def test_compiled_and_plain_sessions_agree(monkeypatch):
    """With servers that nearly stop, so that requests pile up and a world needs more room than it has at first."""
    reasons, supply = set(), Simulation.supply

    def noted(self, reason):
        reasons.add(reason)
        return supply(self, reason)

    monkeypatch.setattr(Simulation, "supply", noted)
    slow = [{"at_s": 1.0, "servers": [0, 1, 2, 3], "action": "speed", "speed": 0.01}]

    def play(*, plain):
        sessions = Sessions(
            site(2, duration_s=60.0, changes=slow), 2, period_s=4.0, reward="delay", plain=plain
        )
        sessions.reset([Seed(0, "test", "", 0), Seed(0, "test", "", 1)])
        actions = np.random.default_rng(3).uniform(0.1, 1, (15, 2, 2, 4))
        for number, each in enumerate(actions):
            seen = sessions.step(each, {1: Seed(0, "test", "", 2)} if number == 8 else None)
            yield [np.copy(part) for part in seen]

    for one, two in zip(play(plain=False), play(plain=True), strict=True):
        for mine, other in zip(one, two, strict=True):
            np.testing.assert_array_equal(mine, other)
    assert {state.REFILL, state.GROW} <= reasons


def test_wrong_numbers_of_worlds_seeds_and_actions_are_refused():
    from qoslab.domains.balancing.learned.environments import BalancerVectorEnv

    with pytest.raises(BadInput, match="count"):
        BalancerVectorEnv(site(), 0)
    env = BalancerVectorEnv(site(), 2)
    with pytest.raises(BadInput, match="seed"):
        env.reset(seed=[1, 2, 3])
    with pytest.raises(BadInput, match="reset"):
        env.step(np.ones((2, 4), np.float32))
    env.reset(seed=0)
    with pytest.raises(BadInput, match="actions"):
        env.step(np.ones((4, 2), np.float32))


def test_a_step_before_the_first_reset_is_refused():
    from qoslab.domains.balancing.learned.environments import BalancerEnv, BalancersEnv

    with pytest.raises(BadInput, match="reset"):
        BalancerEnv(site()).step(np.ones(4, np.float32))
    with pytest.raises(BadInput, match="reset"):
        BalancersEnv(site(2)).step({})


def test_every_agent_must_act_and_nobody_else():
    from qoslab.domains.balancing.learned.environments import BalancersEnv

    env = BalancersEnv(site(2))
    env.reset(seed=0)
    ones = np.ones(4, np.float32)
    with pytest.raises(BadInput, match="balancer_1"):
        env.step({"balancer_0": ones})
    with pytest.raises(BadInput, match="balancer_7"):
        env.step({"balancer_0": ones, "balancer_1": ones, "balancer_7": ones})


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (1.0, r"has the shape \(\) instead of \(4,\)"),
        (None, r"has the shape \(\)"),
        ("a", "holds something else than numbers"),
        ([1.0, [1.0]], "holds something else than numbers"),
        (np.ones(3), r"has the shape \(3,\) instead of \(4,\)"),
        (np.ones((1, 4)), r"has the shape \(1, 4\) instead of \(4,\)"),
        ([0.0, 1.0, 1.5, 1.0], "holds 1.5, which is not from 0 to 1"),
        ([0.0, 1.0, -0.5, 1.0], "holds -0.5, which is not from 0 to 1"),
        ([0.0, 1.0, np.nan, 1.0], "holds nan, which is not from 0 to 1"),
    ],
)
def test_actions_outside_of_their_space_are_refused_by_name(action, words):
    from qoslab.domains.balancing.learned.environments import BalancerEnv, BalancersEnv, BalancerVectorEnv

    one, many, worlds = BalancerEnv(site()), BalancersEnv(site(2)), BalancerVectorEnv(site(), 2)
    for env in (one, many, worlds):
        env.reset(seed=0)
    right = np.array([0.0, 1.0, 0.5, 1.0], np.float32)
    with pytest.raises(BadInput, match=f"action: {words}"):
        one.step(action)
    with pytest.raises(BadInput, match=f"actions.balancer_1: {words}"):
        many.step({"balancer_0": right, "balancer_1": action})
    with pytest.raises(BadInput, match=r"actions: (has|holds)"):
        worlds.step([right, action])
    for env, good in (
        (one, right),
        (many, {"balancer_0": right, "balancer_1": right}),
        (worlds, np.stack([right] * 2)),
    ):
        env.step(good)
