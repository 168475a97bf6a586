import math

import numpy as np
import pytest

from qoslab.core.errors import BadInput
from qoslab.engine import compiler
from qoslab.engine.kernel import Kernel, compiled, interpreted, kernel, mark_of, warm
from qoslab.engine.streams import stream, uniform

FULL = True
SCALE = 2.0
TABLE = np.array([1.0, 10.0, 100.0])
SHAPES = (3, 4.5)


@kernel(inline=True)
def scaled(x: float) -> float:
    return x * SCALE


@kernel
def total(values: np.ndarray) -> float:
    result = 0.0
    for value in values:
        result += scaled(value)
    if FULL:
        result += TABLE[1] + SHAPES[0]
    return result


def unmarked(x):
    return x


def test_a_kernel_is_the_function_itself():
    def plain(x):
        return x

    assert kernel(plain) is plain
    assert mark_of(plain) == Kernel()
    assert mark_of(unmarked) is None
    assert mark_of(scaled) == Kernel(inline=True)


def test_compiled_gives_what_the_plain_function_gives():
    values = np.array([0.1, 0.2, 0.7])
    assert compiled(total)(values) == total(values) == 0.1 * 2 + 0.2 * 2 + 0.7 * 2 + 13


def test_a_twin_is_made_once():
    assert compiled(total) is compiled(total)
    assert compiled(total, constants={"FULL": False}) is compiled(total, constants={"FULL": False})
    assert compiled(total, constants={"FULL": False}) is not compiled(total)


@pytest.mark.parametrize("constants", [{}, {"FULL": False}, {"SCALE": 3.0}, {"FULL": False, "SCALE": 0.5}])
def test_constants_reach_the_kernel_and_what_it_calls(constants):
    values = np.array([1.0, 2.0])
    expected = 3.0 * constants.get("SCALE", 2.0) + (13.0 if constants.get("FULL", True) else 0.0)
    assert compiled(total, constants=constants)(values) == expected
    assert interpreted(total, constants=constants)(values) == expected
    assert total(values) == 19.0  # the module's own constants stay


@kernel
def pruned(x: float) -> float:
    if FULL:
        return x.no_such_attribute  # type: ignore[attr-defined, no-any-return]
    return x


def test_branches_on_constants_are_pruned():
    from numba.core.errors import NumbaError

    assert compiled(pruned, constants={"FULL": False})(1.5) == 1.5
    with pytest.raises(NumbaError):
        compiled(pruned)(1.5)


def test_an_unknown_constant_is_refused_with_a_hint():
    for form in (compiled, interpreted):
        with pytest.raises(BadInput, match="uses no such constant") as caught:
            form(total, constants={"FUL": False})
        assert "did you mean 'FULL'?" in str(caught.value)


def test_a_signature_is_compiled_at_once_and_others_are_refused():
    twin = compiled(scaled, signature="float64(float64)")
    assert len(twin.overloads) == 1
    assert twin(3) == 6.0
    with pytest.raises(TypeError):
        twin("three")


def test_kernels_in_closures_are_compiled_too():
    def power(exponent, step):
        @kernel
        def result(x: float) -> float:
            y = 1.0
            for _ in range(exponent):
                y = step(y) * x
            return y

        return result

    square, cube = power(2, scaled), power(3, scaled)
    assert compiled(square)(3.0) == square(3.0) == 36.0
    assert compiled(cube)(3.0) == cube(3.0) == 216.0
    assert interpreted(cube, constants={"SCALE": 1.0})(3.0) == 27.0


def test_a_twin_speaks_for_the_kernel_when_compiled():
    def other(x):
        return x + 2.0

    @kernel(twin=other)
    def one(x: float) -> float:
        return x + 1.0

    @kernel
    def outer(x: float) -> float:
        return one(x)

    assert (outer(0.0), compiled(outer)(0.0), compiled(one)(0.0)) == (1.0, 2.0, 2.0)


def test_kernels_in_a_circle_are_refused():
    @kernel
    def a(x):
        return b(x)

    @kernel
    def b(x):
        return a(x)

    with pytest.raises(BadInput, match="circle: a -> b -> a"):
        compiled(a)


def test_only_kernels_are_compiled():
    with pytest.raises(BadInput, match="mark it with @kernel"):
        compiled(unmarked)


def test_importing_kernels_loads_no_compiler(python):
    parts = "kernel rules clone cache streams tournament heap timers histogram moments timeaverage batchmeans"
    parts += " eventlog hooks rows stepper"
    names = ", ".join(f"qoslab.engine.{part}" for part in parts.split())
    text = f"import sys, {names}; print([m for m in sys.modules if m.split('.')[0] in ('numba', 'llvmlite', 'scipy')])"
    assert python(text) == "[]"


def test_plain_runs_load_no_compiler(python):
    text = """
import sys
from qoslab.engine.streams import stream, exponential, integers
from qoslab.engine.kernel import interpreted
s = stream(1)
exponential(s), integers(s, 5), interpreted(exponential)(s)
print('numba' in sys.modules)
"""
    assert python(text) == "False"


def test_compiled_is_plain_where_the_compiler_is_switched_off(python):
    text = """
from qoslab.engine.kernel import compiled
from qoslab.engine.streams import exponential, stream
print(compiled(exponential) is exponential, compiled(exponential)(stream(3)))
"""
    expected = np.random.Generator(np.random.SFC64(3)).standard_exponential()
    assert python(text, NUMBA_DISABLE_JIT="1") == f"True {expected}"


def test_the_compiler_starts_without_linear_algebra_and_numba_has_it_all_the_same(python):
    text = """
import sys
import numba, numpy as np
from qoslab.engine.kernel import compiled
from qoslab.engine.streams import exponential, stream
compiled(exponential)(stream(3))
print('scipy.linalg' in sys.modules)
print(numba.njit(lambda x, y: np.dot(x, y))(np.eye(2), np.array([3.0, 4.0])))
"""
    assert python(text).splitlines() == ["False", "[3. 4.]"]


# Kernels without reference counts


@kernel
def last_row(table: np.ndarray) -> np.ndarray:
    return table[table.shape[0] - 1]


@kernel
def through(table: np.ndarray) -> float:
    """Owns the row that `last_row` returns, and must let it go."""
    row = last_row(table)
    return row[0] + row[1]


@kernel
def made(n: int) -> np.ndarray:
    return np.arange(n)


@kernel
def made_and_used(n: int) -> int:
    best = 0
    for value in made(n):
        best = max(best, value)
    return best


def test_arrays_that_are_returned_live_as_long_as_they_are_needed():
    table = np.arange(12.0).reshape(3, 4)
    row = compiled(last_row)(table)
    del table
    filler = [np.zeros(12) for _ in range(50)]
    assert list(row) == [8.0, 9.0, 10.0, 11.0]
    assert len(filler) == 50


@pytest.fixture
def allocations():
    from numba.core.runtime import _nrt_python, rtsys

    _nrt_python.memsys_enable_stats()
    yield rtsys.get_allocation_stats
    _nrt_python.memsys_disable_stats()


def test_no_array_is_leaked_and_none_is_freed_twice(allocations):
    twin, rows, sums = compiled(made_and_used), compiled(last_row), compiled(through)
    table = np.ones((3, 4))
    twin(10), rows(table), sums(table)
    before = allocations()
    for _ in range(200):
        assert twin(10) == 9
        rows(table)
        assert sums(table) == 2.0
    after = allocations()
    assert after.alloc - before.alloc == after.free - before.free
    assert after.mi_alloc - before.mi_alloc == after.mi_free - before.mi_free


def test_kernels_that_borrow_are_compiled_without_reference_counts():
    @kernel
    def borrow(bank: np.ndarray, n: int) -> float:
        t = 0.0
        for i in range(n):
            t += uniform(bank[i % bank.shape[0]])
        return t

    twin = compiled(borrow, cache=False)
    bank = np.stack([stream(1), stream(2)])
    plain = bank.copy()
    assert twin(bank, 10) == borrow(plain, 10)
    assert "NRT_incref" not in next(iter(twin.inspect_llvm().values()))
    assert math.isfinite(twin(bank, 3))


# Helps


def test_warming_compiles_without_running():
    @kernel
    def counted(values: np.ndarray, by: float) -> None:
        values[0] += by

    values = np.zeros(1)
    warm(counted, values, 1.0)
    assert values[0] == 0.0
    twin = compiled(counted)
    assert len(twin.overloads) == 1
    twin(values, 2.0)
    assert len(twin.overloads) == 1
    assert values[0] == 2.0


def test_bounds_are_checked_where_that_is_asked_for(tmp_path, python):
    (tmp_path / "bounds.py").write_text(
        "from qoslab.engine.kernel import kernel\n@kernel\ndef last(xs, k):\n    return xs[k]\n"
    )
    text = """
import numpy as np
from qoslab.engine.kernel import compiled
from bounds import last
try:
    compiled(last)(np.zeros(3), 3)
except IndexError as error:
    print('caught')
"""
    assert python(text, NUMBA_BOUNDSCHECK="1") == "caught"
    assert not list(tmp_path.rglob("*.nbc"))


# Indices


@kernel
def shifted(table: np.ndarray, flags: np.ndarray, row: int, column: int) -> float:
    """Items read and written by indices that may count from the end."""
    before = table[row, column]
    table[row, column] = before + 0.5
    table[row, -1] += 100.0
    flags[column] = not flags[column]
    one = table[row]
    one[-2] -= 1.0
    return before + (1000.0 if flags[-1] else 0.0) + one[column]


def _indexed(form, row, column):
    table, flags = np.arange(12.0).reshape(3, 4), np.array([True, False, True, False])
    value = form(table, flags, row, column)
    return value, table.tolist(), flags.tolist()


@pytest.mark.parametrize(("row", "column"), [(0, 0), (2, 3), (1, 2), (-1, -2), (-3, 1), (2, -4)])
def test_negative_indices_count_from_the_end(row, column):
    assert _indexed(compiled(shifted), row, column) == _indexed(shifted, row, column)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (2, 3), (1, 2)])
def test_without_wraparound_literal_indices_still_count_from_the_end(row, column):
    lean = compiled(shifted, wraparound=False)
    assert lean is not compiled(shifted)
    assert lean is compiled(shifted, wraparound=False)
    assert _indexed(lean, row, column) == _indexed(shifted, row, column)


@kernel
def summed_by(values: np.ndarray, places: np.ndarray) -> float:
    total = 0.0
    for place in places:
        total += values[place]
    return total


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.uint8, np.uint64])
@pytest.mark.parametrize("wraparound", [True, False])
def test_indices_of_all_kinds(kind, wraparound):
    values, places = np.array([1.0, 2.0, 4.0, 8.0]), np.array([3, 0, 0, 2], kind)
    assert compiled(summed_by, wraparound=wraparound)(values, places) == 14.0


def test_arrays_that_are_not_contiguous_or_not_of_numbers():
    values, places = np.arange(12.0)[::2], np.array([5, -1, 0])
    assert compiled(summed_by)(values, places) == summed_by(values, places) == 20.0
    assert compiled(summed_by, wraparound=False)(values, places[:1]) == 10.0


def test_with_bounds_checks_an_index_that_is_negative_is_wrong_where_none_should_be(python, tmp_path):
    (tmp_path / "bounds.py").write_text(
        "from qoslab.engine.kernel import kernel\n@kernel\ndef item(xs, k):\n    return xs[k]\n"
    )
    text = """
import numpy as np
from bounds import item
from qoslab.engine.kernel import compiled
values = np.array([1.0, 2.0])
for wraparound in (True, False):
    for place in (-1, -3, 2):
        try:
            print(compiled(item, wraparound=wraparound)(values, place))
        except IndexError:
            print('wrong')
"""
    said = python(text, NUMBA_BOUNDSCHECK="1")
    assert said.split() == ["2.0", "wrong", "wrong", "wrong", "wrong", "wrong"]


@kernel
def stepped(x: int, step: int) -> int:
    return x + step


@kernel(once=True)
def stepped_once(x: int, step: int) -> int:
    return x + step


@kernel
def three_steps(x: int) -> int:
    return stepped(stepped(stepped(x, 1), 2), 3) + stepped_once(stepped_once(stepped_once(x, 1), 2), 3)


def test_a_kernel_that_is_compiled_once_has_no_copy_for_each_literal():
    assert compiled(three_steps, cache=False)(5) == three_steps(5) == 22
    twins = {key[0]: twin for key, twin in compiler._inner.items()}
    assert len(twins[stepped_once].overloads) == 1
    assert len(twins[stepped].overloads) == 3
