"""Training of the learned policy: actors that die, the network as torch has it, lessons, and that weights repeat."""

import sys
from pathlib import Path

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.balancing.learned import lessons as taught
from qoslab.domains.balancing.learned import training
from qoslab.domains.balancing.learned.actors import Actors, ActorsFail
from qoslab.domains.balancing.learned.inference import OUT, Rule
from qoslab.domains.balancing.learned.learner import Learner, evaluate, first_weights
from qoslab.domains.balancing.learned.lessons import TICKS, Pupil, Shard, blank, lessons
from qoslab.domains.balancing.learned.memories import FIXED_INPUTS
from qoslab.domains.balancing.learned.worlds import drawn_world
from qoslab.domains.balancing.model import Simulation

sys.path.insert(0, str(Path(__file__).parent))
import actors_at_work


def test_results_come_in_the_order_of_their_numbers():
    with Actors(actors_at_work.slow_for_even, 2) as actors:
        for number in range(6):
            actors.give(number, number)
        assert [actors.take(number) for number in range(6)] == [0, 1, 4, 9, 16, 25]


def test_the_shards_of_a_dead_actor_are_done_again(tmp_path):
    with Actors(actors_at_work.die_once, 2) as actors:
        for number in range(3):
            actors.give(number, str(tmp_path / f"{number % 2}"))
        assert [actors.take(number) for number in range(3)] == ["0", "1", "0"]


def test_actors_that_always_die_are_given_up():
    with Actors(actors_at_work.die, 1) as actors:
        actors.give(0, 0)
        with pytest.raises(ActorsFail, match="died 4 times"):
            actors.take(0)


def test_an_error_of_the_work_is_told():
    with Actors(actors_at_work.refuse, 1) as actors:
        actors.give(0, 3)
        with pytest.raises(ValueError, match="shard 3 is bad"):
            actors.take(0)


def test_training_and_simulator_evaluate_the_same_network():
    """Outputs of torch, over all looks at once, against those that the kernel left at each tick of a run."""
    torch = pytest.importorskip("torch")
    weights = {name: value.astype(float) for name, value in first_weights(np.random.default_rng(3)).items()}
    weights |= {
        name: 20.0 * weights[name] for name in ("g2", "g3", "w4")
    }  # gates that move, outputs that matter
    rng, seen = np.random.default_rng(1), 0
    for number in range(3):
        world = drawn_world(rng, largest=12, requests=6000)
        period = world.duration_s / TICKS
        pupil = Pupil(weights, Rule(delta=0.5, doubt=np.inf), period)
        overseen = Overseen(Simulation(world, pupil, Seed(0, "test", "same", number), Context()))
        shown = np.random.default_rng(0).choice(world.balancers, size=min(2, world.balancers), replace=False)
        learned = taught._watched(overseen, period, 0, np.random.default_rng(0))
        assert len(learned) == len(shown)
        for lb, lesson in zip(shown, learned, strict=True):
            at = np.flatnonzero(lesson.known)
            got = evaluate(
                torch,
                {name: torch.from_numpy(value) for name, value in weights.items()},
                *(torch.from_numpy(a.astype(float))[None] for a in (lesson.inputs, lesson.new)),
                torch.from_numpy(lesson.known)[None],
                torch.ones(1, lesson.truth.shape[1], dtype=torch.bool),
                torch.tensor([[np.log(lesson.balancers)]]),
                torch.from_numpy(at)[None],
            )
            for row in range(2):
                theirs = np.array([overseen.said[t][lb, row] for t in at])
                # What lessons keep is rounded to single precision.
                np.testing.assert_allclose(got[row][0].numpy(), theirs, rtol=1e-4, atol=1e-5)
            seen += len(at)
    assert seen > 200


class Overseen:
    """A simulation that keeps what the network says at each look."""

    def __init__(self, simulation):
        self.world, self.said, self._simulation = simulation.world, [], simulation

    def advance(self, until):
        reason = self._simulation.advance(until)
        self.said.append(self.world.board.mem[:, OUT : OUT + 2].copy())
        return reason


def test_lessons_hold_true_capacities_and_repeat_themselves():
    shard = Shard(blank(), taught=False, worlds=3, seed=Seed(0, "test", "lessons", 0))
    first, again = lessons(shard), lessons(shard)
    assert len(first) >= 3
    for one, two in zip(first, again, strict=True):
        for name in ("inputs", "new", "known", "truth"):
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
        looks, servers = one.truth.shape
        assert one.inputs.shape == (looks, servers, FIXED_INPUTS)
        np.testing.assert_allclose(one.truth.mean(axis=1), 0.0, atol=1e-6)
        assert all(np.isfinite(each).all() for each in (one.inputs, one.new))
        # Busy time is within the time, and holds no more than the request-seconds do.
        assert (one.new[..., 1] <= one.new[..., 3] * (1 + 1e-5) + 1e-6).all()
        assert (one.new[..., 1] <= one.new[..., 2] * (1 + 1e-5) + 1e-6).all()
        if one.change:
            assert (one.truth[0] != one.truth[-1]).any()
            np.testing.assert_array_equal(
                one.truth[: one.change - 1], one.truth[:1].repeat(one.change - 1, 0)
            )


class AtOnce:
    """Stands in for actors: shards are worked on here, when they are asked for."""

    def __init__(self, work, processes):
        self._work, self._shards = work, {}

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None

    def give(self, number, shard):
        self._shards[number] = shard

    def take(self, number):
        return self._work(self._shards.pop(number))


def test_weights_do_not_depend_on_who_worked_when(tmp_path, monkeypatch):
    """The file is the same, bit for bit, from two processes beside the learner and from none."""
    pytest.importorskip("torch")
    size = {"shards": 9, "worlds": 1, "steps": 2}
    rows = training.train(out=tmp_path / "two", processes=2, **size)
    monkeypatch.setattr(training, "Actors", AtOnce)
    training.train(out=tmp_path / "none", **size)
    assert (tmp_path / "two").read_bytes() == (tmp_path / "none").read_bytes()
    assert rows[-1]["shards"] == 9
    training.train(out=tmp_path / "other", seed=1, **size)
    assert (tmp_path / "two").read_bytes() != (tmp_path / "other").read_bytes()


@pytest.mark.full
def test_what_is_learned_anew_is_better_than_rates():
    """A short training, some 15 s of CPU: its mean error in log capacity is below that of the own rates alone."""
    torch = pytest.importorskip("torch")
    learner = Learner(torch, Seed(0, "test", "fit", 1), 400)
    learner.take(lessons(Shard(blank(), taught=False, worlds=80, seed=Seed(0, "test", "fit", 0))))
    learner.learn(400)
    weights = learner.weights()
    fresh = lessons(Shard(weights, taught=True, worlds=20, seed=Seed(0, "test", "fresh", 0)))
    missed = {"ours": [], "rates": []}
    tensors = {name: torch.from_numpy(value) for name, value in weights.items()}
    for e in fresh:
        at = np.flatnonzero(e.known)[-1:]
        mu, _ = evaluate(
            torch,
            tensors,
            torch.from_numpy(e.inputs)[None],
            torch.from_numpy(e.new)[None],
            torch.from_numpy(e.known)[None],
            torch.ones(1, e.truth.shape[1], dtype=torch.bool),
            torch.tensor([[np.log(e.balancers)]], dtype=torch.float32),
            torch.from_numpy(at)[None],
        )
        for name, logs in {"ours": mu[0, 0].numpy(), "rates": e.inputs[at[0], :, 8]}.items():
            # A capacity is relative to its fleet: a common offset of all servers of a site is no error.
            missed[name].append(np.abs(logs - logs.mean() - e.truth[at[0]]).mean())
    assert np.mean(missed["ours"]) < 0.98 * np.mean(missed["rates"])
