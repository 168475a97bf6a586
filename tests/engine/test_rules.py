import math
import random
from enum import IntEnum
from math import isnan
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qoslab.core.errors import BadInput
from qoslab.engine import streams
from qoslab.engine.kernel import compiled, kernel
from qoslab.engine.rules import problems_of


def helper(x):
    return x


NUMBER = 3
WORDS = ["a", "list"]


def power(x):
    return x**2  # here


def power_in_place(x):
    x **= 2  # here
    return x


def constant_power(x):
    return math.pow(x, 0.5)  # here


def product(a, b):
    return a @ b  # here


def builtin_sum(xs):
    return sum(xs)  # here


def numpy_log(x):
    return np.log(x)  # here


def numpy_random():
    return np.random.random()  # here  # noqa: NPY002


def numpy_mean(xs):
    return np.mean(xs)  # here


def method_mean(xs):
    return xs.mean()  # here


def hypot(x, y):
    return math.hypot(x, y)  # here


def through_module(s):
    return streams.uniform(s)  # here


def other_module():
    return random.random()  # here


def plain_function(x):
    return helper(x)  # here


def a_list():
    return WORDS[0]  # here


def inner(xs):
    return [np.exp(x) for x in xs]  # here


REFUSED = {
    power: "**",
    power_in_place: "**=",
    constant_power: "math.pow",
    product: "@",
    builtin_sum: "sum",
    numpy_log: "np.log",
    numpy_random: "numpy.random",
    numpy_mean: "mean",
    method_mean: ".mean()",
    hypot: "math.hypot",
    through_module: "streams",
    other_module: "random",
    plain_function: "mark 'helper' with @kernel",
    a_list: "WORDS",
    inner: "exp",
}


@pytest.mark.parametrize("function", REFUSED, ids=lambda function: function.__name__)
def test_what_would_differ_is_refused_with_file_and_line(function):
    lines = Path(__file__).read_text().splitlines()
    start = function.__code__.co_firstlineno
    line = next(n for n in range(start, start + 5) if "# here" in lines[n - 1])
    (problem,) = problems_of(function)
    assert (problem.path, problem.line) == (Path(__file__), line)
    assert REFUSED[function].strip("np.") in str(problem)
    assert f"in kernel '{function.__name__}'" in str(problem)
    with pytest.raises(BadInput):
        compiled(kernel(function))


def test_the_hint_for_a_call_through_a_module_names_the_import():
    (problem,) = problems_of(through_module)
    assert problem.hint == "import it by name: from qoslab.engine.streams import ..."


def test_all_problems_come_at_once():
    def many(xs):
        a = np.log(xs[0])
        b = xs[1] ** 2
        return a + b + helper(xs[2])

    assert [problem.line for problem in problems_of(many)] == [
        many.__code__.co_firstlineno + n for n in (1, 2, 3)
    ]


class Pair(NamedTuple):
    left: np.ndarray
    right: np.ndarray


class Kind(IntEnum):
    ARRIVAL = 1


def test_what_kernels_may_use_is_not_refused():
    def fine(xs, k):
        pair = Pair(np.zeros(NUMBER), np.full(3, 2.0))
        for x in xs:
            if isnan(x):
                raise ValueError("not a number")
            pair.left[0] += math.log(x) * np.float64(2) + min(abs(x), len(xs)) + np.sqrt(x)
        return pair.left[0] if k == Kind.ARRIVAL else math.inf

    assert problems_of(fine) == []
    assert compiled(kernel(fine))(np.array([4.0]), 1) == fine(np.array([4.0]), 1)


EXACT = """
    sqrt log log1p log2 log10 exp expm1 sin cos tan asin acos atan sinh cosh tanh floor ceil fabs erf erfc
""".split()  # noqa: SIM905


def calls(name):
    function = getattr(math, name)

    @kernel
    def call(x: float) -> float:
        return function(x)

    return call


@pytest.mark.parametrize("name", EXACT)
def test_math_functions_agree_to_the_last_bit(name):
    twin, plain = compiled(calls(name)), getattr(math, name)
    spread = np.random.default_rng(5)
    for x in spread.uniform(0.0, 1.0, 3000) * np.exp(spread.uniform(-30.0, 3.0, 3000)):
        x = x % 1.0 if name in ("asin", "acos") else x
        assert twin(x) == plain(x), x


@kernel
def power_of(x: float, y: float) -> float:
    return math.pow(x, y)


@kernel
def mixture(x: float, y: float, n: int) -> float:
    z = x - y
    for i in range(n):
        z = z * 0.75 + x / (1.0 + i * i) - math.atan2(y, 1.0 + abs(z)) + (i // 3) * 0.1 - z % 1.5 + z // 2.5
    return z


@settings(max_examples=200, deadline=None)
@given(st.floats(1e-3, 1e3), st.floats(-5, 5), st.integers(0, 30))
def test_arithmetic_agrees_to_the_last_bit(x, y, n):
    assert compiled(power_of)(x, y) == power_of(x, y)
    assert compiled(mixture)(x, y, n) == mixture(x, y, n)
