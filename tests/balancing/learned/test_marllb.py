"""MARLLB: both learners on problems with known answers, monotonic mixing, returns by hand, the game on a site."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.balancing.learned import discrete_sac, qmix
from qoslab.domains.balancing.learned.potential_game import Course, potential, together
from qoslab.domains.balancing.learned.recurrent import Episode, Standard, Task, drawn, told
from qoslab.domains.balancing.methods.marllb_qmix import MarllbQmix
from qoslab.domains.balancing.methods.marllb_sac import MarllbSac
from qoslab.domains.balancing.model import run
from qoslab.domains.balancing.scenario import BalancingScenario

torch = pytest.importorskip("torch")

SMALL = {"episodes": 1, "updates": 1, "hidden": 8, "batch": 2, "window": 8, "period_s": 0.5}
METHODS = [MarllbSac(**SMALL), MarllbQmix(**SMALL, hyper=8)]


@pytest.fixture(autouse=True)
def quiet_torch():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def site(balancers=2, duration_s=10.0):
    return BalancingScenario.model_validate(
        {
            "servers": {"count": 3, "speeds": [1.0, 2.0, 1.0], "weights": "equal"},
            "balancers": balancers,
            "load": 0.7,
            "sizes": {"law": "exponential", "mean_s": 0.2},
            "duration_s": duration_s,
        }
    )


# Episodes


def test_a_piece_is_a_piece_of_its_episode():
    """States count steps, so a piece shows where it was cut; the last action before it is told."""
    long = Episode(np.arange(8.0)[:, None], np.arange(7)[:, None], np.arange(7.0), end=True)
    short = Episode(np.arange(100.0, 103.0)[:, None], np.array([[5], [6]]), np.array([100.0, 101.0]))
    batch = drawn([long, short], 200, 4, np.random.default_rng(0))
    assert batch.states.shape == (200, 5, 1)
    firsts = set()
    for row in range(200):
        steps = int(batch.there[row].sum())
        first = batch.states[row, 0, 0]
        source = long if first < 100.0 else short
        k = int(first) % 100
        firsts.add(first)
        assert steps == (4 if source is long else 2)
        np.testing.assert_array_equal(batch.states[row, : steps + 1], source.states[k : k + steps + 1])
        np.testing.assert_array_equal(batch.actions[row, :steps], source.actions[k : k + steps])
        np.testing.assert_array_equal(batch.rewards[row, :steps], source.rewards[k : k + steps])
        assert batch.before[row, 0, 0] == (source.actions[k - 1, 0] if k else -1)
        np.testing.assert_array_equal(batch.before[row, 1 : steps + 1], source.actions[k : k + steps])
        ended = source is long and k + steps == 7
        assert batch.going_on[row].sum() == 4 - ended
        assert batch.going_on[row, steps - 1] == 1 - ended
    assert firsts == {0.0, 1.0, 2.0, 3.0, 100.0}


def test_the_last_action_is_told_one_hot():
    said = told(np.array([7.0]), np.array([1, -1]), 3)
    assert said.tolist() == [7.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]


def test_states_are_standardised_over_all_so_far():
    rng = np.random.default_rng(0)
    parts = [rng.normal(5.0, 2.0, (4, 3, 2)), rng.normal(1.0, 9.0, (6, 3, 2))]
    standard = Standard(2)
    for part in parts:
        standard.add(part)
    rows = np.concatenate([part.reshape(-1, 2) for part in parts])
    expected = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    np.testing.assert_allclose(standard(rows), expected, rtol=1e-9)


# Soft actor-critic over levels


def test_policies_become_the_softmax_of_values():
    """One step, rewards sum_j r[j, a_j], temperature fixed: the soft optimum is softmax(r_j / alpha) in each head."""
    worth, alpha = np.array([[0.0, 0.5, 1.0], [0.6, 0.0, 0.3]]), 0.5
    settings = discrete_sac.Settings(
        hidden=16, learning_rate=1e-2, discount=0.9, tau=0.1, batch=64, entropy=0.0, alpha=alpha
    )
    learner = discrete_sac.DiscreteSac(Task(1, 2, 3), settings, np.random.SeedSequence(2))
    for first, second in itertools.product(range(3), repeat=2):
        reward = worth[0, first] + worth[1, second]
        learner.keep(Episode(np.zeros((2, 1)), np.array([[first, second]]), np.array([reward]), end=True))
    for _ in range(300):
        learner.learn()
    learner.begin()
    expected = np.exp(worth / alpha) / np.exp(worth / alpha).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(learner.chances(np.zeros(1)), expected, atol=0.06)
    assert learner.act(np.zeros(1), explore=False).tolist() == [2, 0]


def test_the_memory_serves():
    """A cue is seen once and asked for two steps later; without a memory the mean reward is 1 / 2."""
    settings = discrete_sac.Settings(
        hidden=24, learning_rate=5e-3, discount=0.9, tau=0.05, batch=32, entropy=0.0, alpha=0.02
    )
    learner = discrete_sac.DiscreteSac(Task(2, 1, 2), settings, np.random.SeedSequence(4))

    def play(cue, *, explore):
        states = np.zeros((4, 2))
        states[0, cue] = 1.0
        learner.begin()
        actions = np.array([learner.act(state, explore=explore) for state in states[:3]])
        return Episode(states, actions, np.array([0.0, 0.0, float(actions[2, 0] == cue)]), end=True)

    rng = np.random.default_rng(0)
    for _ in range(150):
        learner.keep(play(int(rng.integers(2)), explore=True))
        learner.learn()
        learner.learn()
    assert [play(cue, explore=False).rewards.sum() for cue in (0, 1)] == [1.0, 1.0]


def test_the_temperature_keeps_the_entropy():
    """Rewards that favour nothing and an entropy of half the greatest: the policy comes near it from far above."""
    settings = discrete_sac.Settings(
        hidden=16, learning_rate=1e-2, discount=0.0, tau=0.1, batch=32, entropy=0.5
    )
    learner = discrete_sac.DiscreteSac(Task(1, 1, 3), settings, np.random.SeedSequence(5))
    for level, reward in enumerate((0.0, 1.0, 0.9)):
        learner.keep(Episode(np.zeros((2, 1)), np.array([[level]]), np.array([reward]), end=True))
    for _ in range(300):
        learner.learn()
    learner.begin()
    chances = learner.chances(np.zeros(1))[0]
    assert -(chances * np.log(chances)).sum() == pytest.approx(0.5 * np.log(3.0), abs=0.15)


# QMIX


def test_the_joint_value_rises_with_every_part():
    torch.manual_seed(0)
    mixer = qmix.mixer_network(torch, 3, 4, 8, 8)
    values = torch.randn(500, 4, requires_grad=True)
    mixer(values, 3.0 * torch.randn(500, 3)).sum().backward()
    assert (values.grad >= 0.0).all()
    assert (values.grad > 1e-4).float().mean() > 0.9


def test_the_joint_value_by_hand():
    torch.manual_seed(1)
    mixer = qmix.mixer_network(torch, 2, 3, 4, 5)
    values, joint = torch.randn(3), torch.randn(2)
    weights = {name: value.detach().numpy() for name, value in mixer.state_dict().items()}

    def two_layers(name):
        hidden = np.maximum(weights[f"{name}.0.weight"] @ joint.numpy() + weights[f"{name}.0.bias"], 0.0)
        return weights[f"{name}.2.weight"] @ hidden + weights[f"{name}.2.bias"]

    first = np.abs(two_layers("first")).reshape(3, 4)
    plain = values.numpy() @ first + weights["bias.weight"] @ joint.numpy() + weights["bias.bias"]
    mixed = np.where(plain > 0.0, plain, np.expm1(plain))
    expected = mixed @ np.abs(two_layers("last")) + two_layers("value")[0]
    assert float(mixer(values, joint).detach()) == pytest.approx(expected, rel=1e-5)


def test_what_is_best_for_each_is_best_for_all():
    """Over all 3^4 joint actions the joint value is largest where each part's is."""
    torch.manual_seed(2)
    for _ in range(20):
        mixer = qmix.mixer_network(torch, 2, 4, 6, 6)
        values, joint = torch.randn(4, 3), torch.randn(2)
        every = list(itertools.product(range(3), repeat=4))
        with torch.no_grad():
            totals = [float(mixer(values[range(4), chosen], joint)) for chosen in every]
        best = tuple(values.argmax(dim=1).tolist())
        assert totals[every.index(best)] == pytest.approx(max(totals), abs=1e-6)


@pytest.mark.parametrize("share", [0.0, 0.6, 1.0])
def test_returns_are_sums_over_all_horizons(share):
    """Against the definition: (1 - lambda) sum_k lambda^(k-1) G^(k), with what is left of the weight on the last."""
    rng = np.random.default_rng(0)
    steps, discount = 5, 0.9
    rewards, ahead = rng.normal(size=7), rng.normal(size=7)
    there = (np.arange(7) < steps).astype(float)

    def horizon(t, k):
        paid = sum(discount**i * rewards[t + i] for i in range(k))
        return paid + discount**k * ahead[t + k - 1]

    tensors = [torch.tensor(a[None]) for a in (rewards, ahead, np.full(7, discount), there)]
    found = qmix.lambda_returns(torch, *tensors, share)[0]
    for t in range(steps):
        most = steps - t
        expected = sum((1.0 - share) * share ** (k - 1) * horizon(t, k) for k in range(1, most))
        expected += share ** (most - 1) * horizon(t, most)
        assert float(found[t]) == pytest.approx(expected)


def two_step_game(team, epsilon):
    """Rashid et al. 2018: the first agent chooses between a sure 7 and a game paying 0, 1, 1 or 8."""
    states = np.zeros((3, 2, 3))
    team.begin()
    states[0, :, 0] = 1.0
    first = [team.act(agent, states[0, agent], epsilon)[0] for agent in range(2)]
    states[1, :, 1 + first[0]] = 1.0
    second = [team.act(agent, states[1, agent], epsilon)[0] for agent in range(2)]
    paid = 7.0 if first[0] == 0 else float([[0, 1], [1, 8]][second[0]][second[1]])
    actions = np.array([first, second])[..., None]
    return Episode(states, actions, np.array([0.0, paid]), end=True)


def test_the_two_step_game_is_solved():
    """The optimum is 8; a team whose values only add up takes 7, because the other game looks worth 6.5 to it."""
    settings = qmix.Settings(hidden=16, hyper=16, learning_rate=5e-3, td_lambda=0.0, tau=0.05, batch=64)
    team = qmix.Qmix(2, Task(3, 1, 2), settings, np.random.SeedSequence(1))
    for _ in range(200):
        team.keep(two_step_game(team, 1.0))
    for _ in range(600):
        team.learn()
    assert two_step_game(team, 0.0).rewards.sum() == 8.0


# The game


def test_the_reward_is_of_loads_averaged_over_balancers():
    courses = [
        Course([np.zeros(1)] * 3, [np.zeros(2, np.int64)] * 3, [np.array(load) for load in loads])
        for loads in (
            [[9.0, 9.0], [1.0, 3.0], [0.0, 0.0]],
            [[9.0, 9.0], [3.0, 9.0], [0.0, 4.0]],
        )
    ]
    courses[1].states.append(np.ones(1))  # one decision that the other did not take
    courses[1].actions.append(np.zeros(2, np.int64))
    courses[1].loads.append(np.ones(2))
    episode = together(courses, "vbf", 10.0)
    assert episode.states.shape == (3, 2, 1)
    assert episode.actions.shape == (2, 2, 2)
    # loads (2, 6) have the variance 4; (0, 2) has one server with a sample, so none
    assert episode.rewards.tolist() == [-40.0, 0.0]


def test_rewards_without_a_sample_are_zero():
    assert potential(np.zeros(3), "ms") == 0.0
    assert potential(np.array([0.0, 2.0, 1.0]), "ms") == -2.0
    assert potential(np.array([1.0, 3.0]), "vbf_log_vbf") == -1.0
    assert potential(np.array([2.0, 2.0 + 2.0 * np.e]), "vbf_log_vbf") == pytest.approx(-(np.e**2) - 2.0)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_the_same_seed_learns_the_same(method):
    seeds = [Seed(0, "test", "", k) for k in range(2)]
    first, other = run(site(), method, seeds, Context())
    alone = next(run(site(), method, seeds[1:], Context()))
    assert other.metrics == alone.metrics
    assert first.metrics != other.metrics


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_speeds_are_levels(method):
    from qoslab.domains.balancing.model import Simulation
    from qoslab.domains.balancing.view import WEIGHT

    ended = method.play(lambda seed: Simulation(site(), method, seed, Context()), Seed(), Context())
    assert np.isin(ended.world.board.local[:, WEIGHT], (1.0, 1.5, 2.0)).all()


def test_a_run_without_two_decisions_teaches_nothing():
    method = MarllbSac(**SMALL | {"period_s": 1000.0})
    outcome = next(run(site(), method, [Seed(0, "test", "", 0)], Context()))
    assert outcome.metrics["response_time_mean_s"] > 0.0


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_a_run_plays_what_was_trained(method, tmp_path):
    """Trained apart and played from the file is learned and played in one go: same seed, same speeds."""
    path = tmp_path / "w.safetensors"
    seed = Seed(0, "test", "", 0)
    path.write_bytes(method.train(site(), seed, Context()))
    learned = next(run(site(), method, [seed], Context())).metrics
    played = next(run(site(), replace(method, weights="train"), [seed], Context(weights=path))).metrics
    assert played == learned
    assert next(run(site(), replace(method, weights=str(path)), [seed], Context())).metrics == learned
    assert next(run(site(), replace(method, episodes=0), [seed], Context())).metrics != learned
    other = replace(method, weights="train", hidden=4)
    with pytest.raises(BadInput, match="other sizes"):
        next(run(site(), other, [seed], Context(weights=path)))
    with pytest.raises(BadInput, match="a training needs runs"):
        replace(method, episodes=0).train(site(), seed, Context())
