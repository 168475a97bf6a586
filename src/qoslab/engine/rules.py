"""What a kernel may use, and the exact complaint where it uses something else.

The rules exist so that compiled and plain runs agree to the last bit. Of the names refused here most were seen to
differ (Numba 0.68, NumPy 2.4); the others are of the same kind and differ from one CPU's vector code to another's.
"""

from __future__ import annotations

import dis
import functools
import math
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from qoslab.core.errors import Problem
from qoslab.engine.kernel import mark_of

__all__ = ["codes_of", "globals_of", "is_namedtuple", "problems_of"]

# Computed by another algorithm in CPython than in the C library or in numpy's vector code.
_INEXACT_MATH = frozenset(
    {"hypot", "dist", "gamma", "lgamma", "fsum", "sumprod", "cbrt", "exp2", "comb", "perm"}
)
_INEXACT_NUMPY = frozenset(
    """exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan arctan2 sinh cosh tanh arcsinh
    arccosh arctanh power float_power cbrt hypot logaddexp logaddexp2 sinc deg2rad rad2deg acos asin atan
    atan2 pow sum nansum mean nanmean average std nanstd var nanvar prod nanprod cumsum cumprod dot vdot
    inner outer matmul tensordot einsum convolve correlate median percentile quantile trapezoid interp
    linalg fft random""".split()  # noqa: SIM905 - a table of words
)
_INEXACT_METHODS = frozenset({"sum", "mean", "std", "var", "prod", "dot", "cumsum", "cumprod"})
_INEXACT_BUILTINS = frozenset({"sum", "pow"})
_LOADS = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF")
_POWER_HINT = "write x * x, math.sqrt(x), math.pow(x, y) with a variable y, or a loop"
_PLAIN = (bool, int, float, complex, str, bytes, type(None), np.generic, np.ndarray)


def is_namedtuple(value: object) -> bool:
    """Whether `value` is a NamedTuple class."""
    return isinstance(value, type) and issubclass(value, tuple) and hasattr(value, "_fields")


def codes_of(code: CodeType) -> Iterator[CodeType]:
    """`code` and the code of everything defined inside it, outermost first."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes_of(constant)


def globals_of(function: Callable[..., Any]) -> dict[str, Any]:
    """What the names of a kernel are bound to: module globals and cells of enclosing functions, by name, in order."""
    plain = _plain(function)
    bound = {name: plain.__globals__[name] for name in _loaded(plain.__code__) if name in plain.__globals__}
    for name, cell in zip(plain.__code__.co_freevars, plain.__closure__ or (), strict=True):
        bound[name] = cell.cell_contents
    return dict(sorted(bound.items()))


@functools.cache
def _loaded(code: CodeType) -> frozenset[str]:
    """Every global name that some code loads."""
    return frozenset(
        step.argval
        for each in codes_of(code)
        for step in dis.get_instructions(each)
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    )


def problems_of(function: Callable[..., Any]) -> list[Problem]:
    """Everything a kernel uses that kernels must not use, each with its file and line.

    Args:
        function: A marked kernel; what it calls is not looked into.
    """
    return list(_problems_of(_plain(function)))


@functools.cache
def _problems_of(plain: FunctionType) -> tuple[Problem, ...]:
    found = []
    for line, name, complaint, hint in _complaints(plain):
        where = Path(plain.__code__.co_filename)
        found.append(
            Problem(
                message=f"{complaint} in kernel '{plain.__name__}'",
                path=where,
                line=line,
                field=name,
                hint=hint,
            )
        )
    return tuple(found)


def _plain(function: Callable[..., Any]) -> FunctionType:
    if not isinstance(function, FunctionType):
        message = f"{function!r} is not a plain function"
        raise TypeError(message)
    return function


def _complaints(function: FunctionType) -> Iterator[tuple[int, str, str, str]]:
    bound = globals_of(function)
    for code in codes_of(function.__code__):
        line = code.co_firstlineno
        module: ModuleType | None = None
        before, power = "", False
        for step in dis.get_instructions(code):
            line = step.positions.lineno if step.positions and step.positions.lineno else line
            name = str(step.argval)
            if step.opname in _LOADS:
                value = bound.get(name, _Builtin)
                complaint = _complaint_about_name(name, value)
                if complaint:
                    yield line, name, *complaint
                module = value if isinstance(value, ModuleType) and not complaint else None
            elif step.opname in ("LOAD_ATTR", "LOAD_METHOD"):
                complaint = _complaint_about_attribute(module, name, method=_is_method(step))
                if complaint:
                    yield line, f"{module.__name__}.{name}" if module else f".{name}()", *complaint
                power = module is math and name == "pow"
                module = None
            elif step.opname == "BINARY_OP" and step.argrepr.rstrip("=") in ("**", "@"):
                yield line, step.argrepr, "an operator that rounds differently compiled", _POWER_HINT
            elif step.opname in ("PRECALL", "CALL") and power:
                power = False
                if before == "LOAD_CONST":  # the compiler makes x * x and square roots of these
                    yield (
                        line,
                        "math.pow",
                        "a constant exponent that rounds differently compiled",
                        _POWER_HINT,
                    )
            before = step.opname


class _Builtin:
    """Stands for a name that is neither a global nor a cell."""


def _is_method(step: dis.Instruction) -> bool:
    return step.opname == "LOAD_METHOD" or (step.arg is not None and "NULL|self" in step.argrepr)


def _complaint_about_attribute(
    module: ModuleType | None, name: str, *, method: bool
) -> tuple[str, str] | None:
    if module is math and name in _INEXACT_MATH:
        return (
            "a function that rounds differently compiled",
            "write it with math.sqrt, math.log, math.exp or a loop",
        )
    if module is np and name in _INEXACT_NUMPY:
        return "a numpy function that rounds differently compiled", "use math.* on numbers, or write the loop"
    if module is None and method and name in _INEXACT_METHODS:
        return "an array method that rounds differently compiled", "write the loop"
    return None


def _complaint_about_name(name: str, value: object) -> tuple[str, str] | None:
    if value is _Builtin:
        if name in _INEXACT_BUILTINS:
            return "a builtin that rounds differently compiled", "write the loop"
        return None
    if isinstance(value, ModuleType):
        return _complaint_about_module(value)
    if mark_of(value) or _is_constant(value) or _is_type(value):
        return None
    if isinstance(value, BuiltinFunctionType) and value.__module__ == "math":
        return _complaint_about_attribute(math, value.__name__, method=False)
    if isinstance(value, np.ufunc) or str(getattr(value, "__module__", "")).startswith("numpy"):
        return _complaint_about_attribute(np, str(getattr(value, "__name__", name)), method=False)
    if isinstance(value, FunctionType):
        return "a plain function", f"mark '{name}' with @kernel"
    return (
        f"a {type(value).__name__}",
        "kernels use numbers, arrays, NamedTuples, math, numpy and other kernels",
    )


def _complaint_about_module(module: ModuleType) -> tuple[str, str] | None:
    if module in (math, np):
        return None
    if any(mark_of(value) for value in vars(module).values()):
        return (
            f"a kernel called through its module '{module.__name__}'",
            f"import it by name: from {module.__name__} import ...",
        )
    return f"the module '{module.__name__}'", "kernels use only math and numpy"


def _is_constant(value: object) -> bool:
    return all(map(_is_constant, value)) if isinstance(value, tuple) else isinstance(value, _PLAIN)


def _is_type(value: object) -> bool:
    if not isinstance(value, type):
        return False
    return is_namedtuple(value) or issubclass(value, Enum | np.generic | BaseException | bool | int | float)
