"""Many NamedTuples by reference: what a kernel finds and changes in each of them, compiled and plain."""

from typing import NamedTuple

import numpy as np
import pytest
from bitwise import same

from qoslab.engine.kernel import compiled, kernel
from qoslab.engine.reference import at, by_references


class Inner(NamedTuple):
    table: np.ndarray


class Outer(NamedTuple):
    numbers: np.ndarray
    inner: Inner


def made(seed, length=3):
    rng = np.random.default_rng(seed)
    return Outer(rng.normal(size=length), Inner(rng.normal(size=(2, length))))


@kernel
def touch_all(worlds: Outer, sums: np.ndarray) -> None:
    for k in range(sums.shape[0]):
        world = at(worlds, k)
        world.inner.table[1, 2] += 1.0
        for number in world.numbers:
            sums[k] += number
        world.numbers[0] = sums[k]


@pytest.mark.parametrize("lengths", [[3], [3, 7, 4], [5] * 40])
def test_a_kernel_reads_and_writes_each_in_place(lengths):
    """Lengths of arrays may differ from one to the next."""
    worlds, again = ([made(seed, length) for seed, length in enumerate(lengths)] for _ in range(2))
    sums, plain = np.zeros(len(worlds)), np.zeros(len(worlds))
    compiled(touch_all)(by_references(worlds), sums)
    touch_all(again, plain)
    assert same(sums, plain)
    for one, two in zip(worlds, again, strict=True):
        assert same(tuple(one), tuple(two))


def test_none_and_different_layouts_are_refused():
    with pytest.raises(ValueError, match="nothing"):
        by_references([])
    with pytest.raises(ValueError, match="layout"):
        by_references([made(0), Inner(np.zeros((2, 2)))])
    with pytest.raises(ValueError, match="contiguous"):
        by_references([made(0), Outer(np.zeros(6)[::2], Inner(np.zeros((2, 3))))])
