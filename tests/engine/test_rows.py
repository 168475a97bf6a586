from typing import NamedTuple

import numpy as np
import pytest
from bitwise import same
from hypothesis import given, settings
from hypothesis import strategies as st

from qoslab.engine.kernel import compiled, kernel
from qoslab.engine.rows import row, stack


class Inner(NamedTuple):
    table: np.ndarray
    flags: np.ndarray


class Outer(NamedTuple):
    numbers: np.ndarray
    inner: Inner


def made(seed):
    rng = np.random.default_rng(seed)
    return Outer(rng.normal(size=3), Inner(rng.normal(size=(2, 4)), rng.integers(0, 2, 5)))


@kernel
def touch(worlds: Outer, index: int) -> float:
    world = row(worlds, index)
    world.inner.table[1, 2] += 1.0
    world.inner.flags[0] = 7
    return world.numbers[0] + world.inner.table[0, 0]


@kernel
def taken(worlds: Outer, index: int) -> Outer:
    return row(worlds, index)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 6), st.data())
def test_a_row_is_the_world_it_was(count, data):
    worlds = [made(n) for n in range(count)]
    stacked, again = stack(worlds), stack(worlds)
    index = data.draw(st.integers(0, count - 1))
    assert same(tuple(row(stacked, index)), tuple(worlds[index]))
    assert same(tuple(compiled(taken)(stacked, index)), tuple(worlds[index]))
    assert compiled(touch)(stacked, index) == touch(again, index)
    assert same(tuple(stacked), tuple(again))
    assert stacked.inner.flags[index, 0] == 7
    assert worlds[index].inner.table[1, 2] == pytest.approx(stacked.inner.table[index, 1, 2] - 1.0)


def test_a_row_outlives_its_stack():
    taken_row = compiled(taken)(stack([made(0), made(1)]), 1)
    filler = [np.ones((2, 3)) for _ in range(100)]
    assert same(tuple(taken_row), tuple(made(1)))
    assert len(filler) == 100


def test_worlds_must_be_alike():
    with pytest.raises(ValueError, match="nothing"):
        stack([])
    with pytest.raises(ValueError, match="shape"):
        stack([(np.zeros(2),), (np.zeros(3),)])
