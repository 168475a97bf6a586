import numpy as np
import pytest
import sis
import stepped_queue
from bitwise import same
from hypothesis import given, settings
from hypothesis import strategies as st
from stepped_queue import queue

from qoslab.engine.stepper import DECIDE, OVER, PAUSED, Step, Stepper

RING = [(n, (n + 1) % 12) for n in range(12)]


def epidemic(seed):
    return sis.world(RING, 12, 1.2, [0, 3, 6], seed, pause=0.5, room=30)


MODELS = {
    "queue": (stepped_queue, queue, 1, lambda seen: (seen[:, :1] < 3).astype(np.int64)),
    "epidemic": (sis, epidemic, 12, lambda seen: seen.argmax(axis=1)[:, None]),
}


def played(name, seeds, *, plain=False, until=np.inf, steps=200):
    """Rewards of each world, step by step, under a rule that sees all worlds at once; and the last worlds."""
    model, make, size, rule = MODELS[name]
    stepper = Stepper(model.advance, model.observe, [make(seed) for seed in seeds], size, plain=plain)
    result = stepper.step(np.zeros((len(seeds), 1), np.int64), min(until, 0.25))
    rewards = [result.rewards.copy()]
    for step in range(1, steps):
        if (result.status == OVER).all():
            break
        result = stepper.step(rule(result.observations), until if until == np.inf else until * (step + 1))
        rewards.append(result.rewards.copy())
    return stepper, np.array(rewards), result


@pytest.mark.parametrize("name", MODELS)
def test_compiled_and_plain_worlds_agree(name):
    a, b = played(name, range(5)), played(name, range(5), plain=True)
    assert same(a[0].worlds, b[0].worlds)
    assert same(a[1:], b[1:])


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("count", [1, 2, 64])
def test_each_world_runs_as_it_would_alone(name, count):
    together, rewards, _ = played(name, range(count))
    for index in range(0, count, 9):
        alone, own, _ = played(name, [index])
        assert same(tuple(alone.world(0)), tuple(together.world(index)))
        assert np.array_equal(rewards[: len(own), index], own[:, 0])
        assert not rewards[len(own) :, index].any()


@settings(max_examples=40, deadline=None)
@given(st.floats(0.01, 3.0), st.integers(0, 10**6))
def test_pausing_changes_no_trajectory(until, seed):
    """The same decisions are met at the same times, however often the clock is stopped between them."""

    def decided(pause):
        stepper = Stepper(stepped_queue.advance, stepped_queue.observe, [queue(seed)], 1)
        times, earned, limit = [], 0.0, pause
        result = stepper.step(np.ones((1, 1), np.int64), limit)
        while result.status[0] != OVER:
            earned += result.rewards[0]
            if result.status[0] == DECIDE:
                times.append(stepper.world(0).clock[0])
            else:
                assert result.status[0] == PAUSED
                assert stepper.world(0).clock[0] == limit
                limit += pause
            result = stepper.step(np.ones((1, 1), np.int64), limit)
        return times, earned + result.rewards[0]

    (a, earned_a), (b, earned_b) = decided(np.inf), decided(until)
    assert a == b
    assert len(a) == 20
    assert earned_a == pytest.approx(earned_b, rel=1e-9)


def test_admission_pays():
    """A rule that refuses at three waiting earns more than admitting all: the rewards reach the decisions."""
    model, make, _, rule = MODELS["queue"]

    def earned(rule):
        stepper = Stepper(model.advance, model.observe, [make(seed, 200) for seed in range(20)], 1)
        result = stepper.step(np.zeros((20, 1), np.int64))
        total = 0.0
        while (result.status != OVER).any():
            result = stepper.step(rule(result.observations))
            total += result.rewards.sum()
        return total

    assert earned(rule) > 0 > earned(lambda seen: np.ones((len(seen), 1), np.int64))


def test_worlds_are_copied_and_results_reused():
    world = queue(1)
    before = tuple(array.copy() for array in world)
    stepper = Stepper(stepped_queue.advance, stepped_queue.observe, [world, queue(2)], 1)
    first = stepper.step(np.ones((2, 1), np.int64))
    assert same(tuple(world), before)
    assert stepper.step(np.ones((2, 1), np.int64)) is first
    assert isinstance(first, Step)
    assert len(stepper) == 2


@pytest.mark.parametrize("shape", [(2,), (3, 1), (1, 2)])
def test_actions_of_a_wrong_shape_are_refused(shape):
    stepper = Stepper(stepped_queue.advance, stepped_queue.observe, [queue(1), queue(2)], 1)
    with pytest.raises(ValueError, match=r"shape \(2, m\)"):
        stepper.step(np.zeros(shape, np.int64))


def test_steppers_of_one_model_share_one_kernel():
    a = Stepper(stepped_queue.advance, stepped_queue.observe, [queue(1)], 1)
    b = Stepper(stepped_queue.advance, stepped_queue.observe, [queue(2), queue(3)], 1)
    assert a._step is b._step
