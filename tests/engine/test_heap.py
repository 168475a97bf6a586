import heapq
import math

import numpy as np
import pytest
from bitwise import same
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from qoslab.engine.heap import (
    cancel,
    clear,
    first_item,
    first_time,
    grown,
    heap,
    holds,
    is_full,
    pop,
    push,
    size,
)
from qoslab.engine.kernel import compiled

TIMES = st.one_of(st.integers(0, 5).map(float), st.floats(0, 1e9), st.just(math.inf))  # many ties


class Against(RuleBasedStateMachine):
    """A heap beside Python's heapq and a list of what is pending."""

    def __init__(self):
        super().__init__()
        self.heap, self.pending, self.pushed = heap(2), [], 0

    @rule(time=TIMES)
    def push(self, time):
        if is_full(self.heap):
            self.heap = grown(self.heap)
        slot = push(self.heap, time, 1000 + self.pushed)
        heapq.heappush(self.pending, (time, self.pushed, slot))
        self.pushed += 1

    @precondition(lambda self: self.pending)
    @rule()
    def pop(self):
        assert pop(self.heap) == 1000 + heapq.heappop(self.pending)[1]

    @precondition(lambda self: self.pending)
    @rule(data=st.data())
    def cancel(self, data):
        event = data.draw(st.sampled_from(self.pending))
        self.pending.remove(event)
        heapq.heapify(self.pending)
        assert cancel(self.heap, event[2]) == 1000 + event[1]

    @rule()
    def clear(self):
        clear(self.heap)
        self.pending = []

    @invariant()
    def same_first(self):
        assert size(self.heap) == len(self.pending)
        assert first_time(self.heap) == (self.pending[0][0] if self.pending else math.inf)
        slots = {slot for slot in range(len(self.heap.item)) if holds(self.heap, slot)}
        assert slots == {slot for _, _, slot in self.pending}
        if self.pending:
            assert first_item(self.heap) == 1000 + self.pending[0][1]


TestAgainst = Against.TestCase
TestAgainst.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(TIMES, st.booleans()), max_size=60))
def test_compiled_and_plain_heaps_agree(steps):
    a, b = compiled(heap)(64), heap(64)
    for number, (time, take) in enumerate(steps):
        if take and size(b):
            assert compiled(pop)(a) == pop(b)
        else:
            assert compiled(push)(a, time, number) == push(b, time, number)
        assert same(tuple(a), tuple(b))
    assert same(tuple(compiled(grown)(a)), tuple(grown(b)))
    compiled(clear)(a), clear(b)
    assert same(tuple(a), tuple(b))


def test_a_long_run_comes_out_sorted():
    times = np.random.default_rng(1).integers(0, 500, 5000).astype(float)
    h = compiled(heap)(5000)
    for item, time in enumerate(times):
        compiled(push)(h, time, item)
    order = [compiled(pop)(h) for _ in times]
    assert order == np.argsort(times, kind="stable").tolist()


def test_too_many_events_are_refused():
    for make in (heap, compiled(heap)):
        with pytest.raises(ValueError, match="at most 2"):
            make(2**24 + 1)
