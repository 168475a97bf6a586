import math

import pytest
from bitwise import same
from hypothesis import given, settings
from hypothesis import strategies as st

from qoslab.engine.kernel import compiled
from qoslab.engine.timeaverage import average, change, greatest, level, restart, set_level, time_average

JUMPS = st.lists(st.tuples(st.floats(0, 10), st.floats(-5, 5)), max_size=30)


@given(JUMPS, st.floats(0.1, 10))
def test_against_the_area_under_the_steps(jumps, rest):
    a = time_average(3.0, 2.0)
    now, value, area, top = 3.0, 2.0, 0.0, 2.0
    for gap, by in jumps:
        area += value * gap
        now, value = now + gap, value + by
        top = max(top, value)
        change(a, now, by)
    assert math.isclose(average(a, now + rest), (area + value * rest) / (now + rest - 3.0), abs_tol=1e-9)
    assert math.isclose(level(a), value, abs_tol=1e-9)
    assert math.isclose(greatest(a), top, abs_tol=1e-9)


def test_the_end_of_a_warm_up_forgets_all_but_the_level():
    a = time_average(0.0, 100.0)
    set_level(a, 10.0, 4.0)
    restart(a, 12.0)
    assert math.isnan(average(a, 12.0))
    set_level(a, 14.0, 1.0)
    assert average(a, 15.0) == (4.0 * 2 + 1.0) / 3
    assert greatest(a) == 4.0


@settings(max_examples=100, deadline=None)
@given(JUMPS)
def test_compiled_and_plain_agree(jumps):
    twin, plain = compiled(time_average)(0.0, 1.0), time_average(0.0, 1.0)
    now = 0.0
    for gap, by in jumps:
        now += gap
        compiled(change)(twin, now, by), change(plain, now, by)
        assert same(twin, plain)
    assert same(compiled(average)(twin, now + 1.0), average(plain, now + 1.0))
    assert compiled(greatest)(twin) == greatest(plain)
    compiled(restart)(twin, now), restart(plain, now)
    assert same(twin, plain)
    assert compiled(level)(twin) == pytest.approx(level(plain), abs=0)
