import math
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from qoslab.core.errors import BadInput
from qoslab.engine.hooks import Hook, check_index, check_number, hook_of, policies_in
from qoslab.engine.kernel import compiled, kernel
from qoslab.engine.streams import Stream, integers, stream


class View(NamedTuple):
    length: NDArray[np.int64]
    cost: np.ndarray[tuple[int, int], np.dtype[np.float64]]


def choose(view: View, s: Stream, now: float) -> int:
    """Choose one of the places."""
    return 0


CHOOSE = Hook(choose)


@kernel
def run(view: View, s: Stream, steps: int, policy: object) -> int:
    for step in range(steps):
        view.length[check_index(policy(view, s, float(step)), view.length.shape[0])] += 1
    return view.length[0]


def world(places=5):
    return View(np.zeros(places, np.int64), np.arange(2.0 * places).reshape(places, 2)), stream(3)


@CHOOSE.policy
def any_place(view, s, now):
    return integers(s, view.length.shape[0])


@CHOOSE.policy
def cheapest(view, s, now):
    best = 0
    for place in range(view.length.shape[0]):
        if view.cost[place, 1] + view.length[place] < view.cost[best, 1] + view.length[best]:
            best = place
    return best


@CHOOSE.policy
def second_at_night(view, s, now):
    return int(now > 20.0)


@pytest.mark.parametrize("policy", [any_place, cheapest, second_at_night])
def test_compiled_and_plain_runs_agree(policy):
    (a, s), (b, t) = world(), world()
    assert compiled(run)(a, s, 50, CHOOSE.pointer(policy)) == run(b, t, 50, policy)
    assert np.array_equal(a.length, b.length)
    assert np.array_equal(s, t)


def test_a_hook_says_what_it_is():
    assert (CHOOSE.name, CHOOSE.__doc__, CHOOSE.parameters) == (
        "choose",
        choose.__doc__,
        ("view", "s", "now"),
    )
    assert repr(CHOOSE) == "<Hook choose(view, s, now)>"
    assert hook_of(cheapest) is CHOOSE
    assert hook_of(choose) is None


def test_the_kernel_is_compiled_once_for_all_policies():
    twin = compiled(run, cache=False)
    for n in range(4):
        policy = CHOOSE.policy(constant(n))
        view, s = world()
        twin(view, s, 5, CHOOSE.pointer(policy))
        assert view.length[n] == 5
    assert len(twin.overloads) == 1


def constant(n):
    def always(view, s, now):
        return n

    return always


def modified(policy):
    """A policy that calls another, found in a closure."""

    def next_place(view, s, now):
        return (policy(view, s, now) + 1) % view.length.shape[0]

    return next_place


def test_policies_may_build_on_policies():
    policy = CHOOSE.policy(modified(cheapest))
    (a, s), (b, t) = world(), world()
    assert compiled(run)(a, s, 50, CHOOSE.pointer(policy)) == run(b, t, 50, policy)
    assert np.array_equal(a.length, b.length)


def test_pointers_are_made_once():
    assert CHOOSE.pointer(cheapest) is CHOOSE.pointer(cheapest)


@pytest.mark.skipif("NUMBA_BOUNDSCHECK" in os.environ, reason="kernels with bounds checks are not kept")
def test_a_second_process_compiles_neither_kernel_nor_policy(tmp_path, python):
    (tmp_path / "here.py").write_text(Path(__file__).read_text())
    text = """
from here import *
twin, pointer = compiled(run), CHOOSE.pointer(any_place)
twin(*world(), 5, pointer)
new = CHOOSE.pointer(CHOOSE.policy(modified(any_place)))
twin(*world(), 5, new)
count = lambda stats: (sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
print(count(twin.stats), count(pointer.stats), count(new.stats))
"""
    assert python(text) == "(0, 1) (0, 1) (0, 1)"
    assert python(text) == "(1, 0) (1, 0) (1, 0)"


# What users get wrong


def test_a_wrong_number_of_parameters_is_refused_where_it_stands():
    with pytest.raises(BadInput) as caught:

        @CHOOSE.policy
        def short(view, now):
            return 0

    (problem,) = caught.value.problems
    assert problem.path == Path(__file__)
    assert "def short(view, s, now): ..." in str(problem)
    with pytest.raises(BadInput, match="3 plain parameters"):
        CHOOSE.policy(lambda view, s, now, more=1: 0)
    with pytest.raises(BadInput, match="3 plain parameters"):
        CHOOSE.policy(lambda view, *others: 0)


def test_what_kernels_may_not_use_is_refused_at_the_decorator():
    with pytest.raises(BadInput, match=r"np\.log|numpy\.log"):

        @CHOOSE.policy
        def logarithm(view, s, now):
            return int(np.log(now))


def refused(function, *, within=None):
    with pytest.raises(BadInput) as caught:
        CHOOSE.pointer(CHOOSE.policy(function))
    (problem,) = caught.value.problems
    assert problem.path == Path(__file__)
    start = (within or function).__code__.co_firstlineno
    assert start <= problem.line <= start + 4
    assert "\n" not in problem.message
    assert "\x1b" not in problem.message
    return problem.message


def test_a_float_is_no_index():
    def half(view, s, now):
        return 0.5

    assert refused(half) == "policy 'half' returns a number that is no integer, where an integer is needed"


def test_a_hook_that_wants_a_number_says_so():
    def share(view: View, now: float) -> float:
        return 0.0

    def words(view, now):
        return "half"

    hook = Hook(share)
    with pytest.raises(BadInput, match="returns text, where a number is needed"):
        hook.pointer(hook.policy(words))


def test_what_does_not_compile_is_refused():
    def unknown_field(view, s, now):
        return view.no_such_field[0]

    def truth(view, s, now):  # as an index, True means another thing to numpy than to the compiler
        return now > 20.0

    def nothing(view, s, now):
        pass

    assert "no_such_field" in refused(unknown_field)

    def text(view, s, now):
        return "first"

    def either(view, s, now):
        if now > 20.0:
            return "first"
        return 0

    def unknown_name(view, s, now):
        return plcae  # noqa: F821

    assert "returns nothing, where" in refused(nothing)
    assert "returns a truth value, where" in refused(truth)
    assert "returns text, where an integer is needed" in refused(text)
    assert "returns now an integer, now text" in refused(either)
    assert "the name 'plcae' is not defined" in refused(unknown_name)


def test_a_mistake_is_told_in_one_line_without_the_compilers_words():
    def deep(view, s, now):
        return int(reach(view))

    told = refused(deep, within=reach)
    assert told == "policy 'deep' does not compile: View has no attribute 'gone'"


@kernel
def reach(view):
    return view.gone[0]


@pytest.mark.parametrize(
    ("trouble", "words"), [("divide", "ZeroDivisionError"), ("look", "IndexError: index")]
)
def test_users_divide_and_index_as_in_python(trouble, words):
    def divide(view, s, now):
        return 1 // int(view.length[0])

    def look(view, s, now):
        return view.length[int(now) + 5]

    policy = CHOOSE.policy({"divide": divide, "look": look}[trouble])
    for form, hand in ((compiled(run), CHOOSE.pointer(policy)), (run, policy)):
        with pytest.raises(BadInput, match=f"'{trouble}' failed: {words}"), CHOOSE.blame(policy):
            form(*world(), 5, hand)


@pytest.mark.parametrize("choice", [-1, 5, 2**40])
def test_an_index_out_of_range_stops_the_run_and_names_the_policy(choice):
    policy = CHOOSE.policy(constant(choice))
    for form, hand in ((compiled(run), CHOOSE.pointer(policy)), (run, policy)):
        view, s = world()
        with (
            pytest.raises(BadInput, match="'always' failed: IndexError: the policy chose an index") as caught,
            CHOOSE.blame(policy),
        ):
            form(view, s, 5, hand)
        assert caught.value.problems[0].path == Path(__file__)
        assert not view.length.any()


def test_an_exception_in_a_policy_leaves_the_kernel():
    @CHOOSE.policy
    def breaks(view, s, now):
        if now > 2.0:
            raise ValueError("too late")
        return 0

    for form, hand in ((compiled(run), CHOOSE.pointer(breaks)), (run, breaks)):
        view, s = world()
        with pytest.raises(ValueError, match="too late"):
            form(view, s, 9, hand)
        assert view.length[0] == 3


def test_numbers_out_of_range_are_refused():
    for form in (check_number, compiled(check_number)):
        assert form(0.5, 0.0, 1.0) == 0.5
        for value in (-0.1, 1.1, math.nan, math.inf):
            with pytest.raises(ValueError, match="outside its range"):
                form(value, 0.0, 1.0)
    assert compiled(check_number)(5.0, 0.0, math.inf) == 5.0


def test_other_exceptions_pass():
    with pytest.raises(KeyboardInterrupt), CHOOSE.blame(cheapest):
        raise KeyboardInterrupt


def test_policies_of_a_module_are_found():
    module = ModuleType("users")
    mine = CHOOSE.policy(constant(1))
    mine.__module__ = "users"
    module.mine, module.theirs, module.number = mine, cheapest, 3
    assert policies_in(module) == {"mine": mine}
    assert policies_in(sys.modules[__name__])["cheapest"] is cheapest


def no_types(view, s):
    return 0


def a_list(view: list, s: Stream) -> int:
    return 0


class Odd(NamedTuple):
    name: str


def odd(view: Odd) -> int:
    return 0


@pytest.mark.parametrize(("prototype", "where"), [(no_types, "view"), (a_list, "view"), (odd, "view.name")])
def test_prototypes_need_types(prototype, where):
    with pytest.raises(TypeError, match=where):
        Hook(prototype)
