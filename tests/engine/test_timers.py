import math

import pytest
from bitwise import same
from hypothesis import given, settings
from hypothesis import strategies as st

from qoslab.engine.kernel import compiled
from qoslab.engine.timers import first, first_time, set_timer, stop_all, stop_timer, time_of, timers

TIMES = st.one_of(st.integers(0, 4).map(float), st.floats(0, 1e9), st.just(math.inf))


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 40), st.data())
def test_the_first_timer_is_the_least_and_of_equals_the_lowest(slots, data):
    plain, twin, times = timers(slots), compiled(timers)(slots), [math.inf] * slots
    for slot, time in data.draw(st.lists(st.tuples(st.integers(0, slots - 1), TIMES), max_size=60)):
        times[slot] = time
        set_timer(plain, slot, time)
        compiled(set_timer)(twin, slot, time)
        assert same(tuple(plain), tuple(twin))
        assert first_time(plain) == min(times)
        assert first(plain) == times.index(min(times))
        assert time_of(plain, slot) == time


@pytest.mark.parametrize("slots", [1, 2, 5, 64, 65])
def test_stopping(slots):
    t = timers(slots)
    for slot in range(slots):
        set_timer(t, slot, 10.0 - slot)
    stop_timer(t, slots - 1)
    assert first_time(t) == (10.0 - (slots - 2) if slots > 1 else math.inf)
    stop_all(t)
    assert first_time(t) == math.inf
    assert all(time_of(t, slot) == math.inf for slot in range(slots))
    set_timer(t, slots - 1, 3.0)
    assert (first(t), first_time(t)) == (slots - 1, 3.0)
