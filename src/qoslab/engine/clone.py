"""The family of a kernel: what it calls, how its constants are replaced, and the fingerprint of it all."""

from __future__ import annotations

import builtins
import functools
import hashlib
import importlib.util
import sys
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from types import CellType, CodeType, FunctionType
from typing import Any

import numpy as np

from qoslab.core.errors import BadInput, Problem, did_you_mean
from qoslab.engine.kernel import Constant, mark_of
from qoslab.engine.rules import globals_of, is_namedtuple, problems_of

__all__ = ["check_constants", "clone", "family", "fingerprint", "plain_clone", "relevant", "text_of"]

Function = Callable[..., Any]

_MACHINERY = tuple(
    f"qoslab.engine.{name}"
    for name in (
        "clone",
        "compiler",
        "diskcache",
        "dispatch",
        "lean",
        "lowering",
        "reference",
        "referencetypes",
    )
)
"""Modules that decide how machine code is named, laid out and linked: an edit in one makes all kept code stale."""


def text_of(function: Function) -> Function:
    """The function whose words the compiler reads: the twin where a kernel has one."""
    mark = mark_of(function)
    return mark.twin if mark and mark.twin else function


@functools.cache
def family(function: Function, *, twins: bool = True) -> tuple[Function, ...]:
    """A kernel and all kernels it calls, callees first, the kernel itself last.

    Args:
        function: A function marked `@kernel`.
        twins: Follow the compiler's texts instead of Python's.

    Raises:
        BadInput: One of them uses what kernels must not use, or they call each other in a circle.
    """
    ordered: dict[Function, None] = {}
    open_: list[Function] = []
    problems: list[Problem] = []

    def visit(member: Function) -> None:
        if member in ordered:
            return
        if member in open_:
            circle = " -> ".join(each.__name__ for each in (*open_[open_.index(member) :], member))
            raise BadInput(
                Problem(message=f"kernels call each other in a circle: {circle}", hint="write it as a loop")
            )
        open_.append(member)
        mark = mark_of(member)
        if mark is None:
            message = f"'{getattr(member, '__qualname__', member)}' is not a kernel"
            raise BadInput(Problem(message=message, hint="mark it with @kernel"))
        if not (mark.build and twins):
            text = text_of(member) if twins else member
            if not mark.twin:  # a twin speaks the compiler's dialect on purpose
                problems.extend(problems_of(text))
            for value in globals_of(text).values():
                if mark_of(value):
                    visit(value)
        open_.pop()
        ordered[member] = None

    visit(function)
    if problems:
        raise BadInput(problems)
    return tuple(ordered)


def relevant(
    function: Function, constants: Mapping[str, Constant], *, twins: bool = True
) -> dict[str, Constant]:
    """Those of the constants that a kernel or anything it calls uses, in order of name."""
    known = _flags(function, twins=twins)
    return {name: constants[name] for name in sorted(constants) if name in known}


def check_constants(function: Function, constants: Mapping[str, Constant], *, twins: bool = True) -> None:
    """Refuse constants that nothing in the kernel's family uses.

    Raises:
        BadInput: With the constants that it does use.
    """
    known = _flags(function, twins=twins)
    message = f"kernel '{function.__name__}' uses no such constant"
    wrong = [name for name in constants if name not in known]
    if wrong:
        raise BadInput(
            [Problem(message=message, field=name, hint=did_you_mean(name, known)) for name in wrong]
        )


def clone(text: Function, bound: Mapping[str, Any]) -> FunctionType:
    """A copy of a plain function that sees only `bound`, in place of its globals and cells of the same names."""
    assert isinstance(text, FunctionType)
    seen = {"__builtins__": builtins, "__name__": text.__module__, **bound}
    cells = tuple(CellType(bound[name]) for name in text.__code__.co_freevars)
    copy = FunctionType(text.__code__, seen, text.__name__, text.__defaults__, cells)
    copy.__qualname__, copy.__module__, copy.__kwdefaults__ = (
        text.__qualname__,
        text.__module__,
        text.__kwdefaults__,
    )
    return copy


def plain_clone(function: Function, constants: Mapping[str, Constant]) -> FunctionType:
    """The plain form of a kernel with constants replaced, in it and in all kernels it calls.

    Raises:
        BadInput: Nothing in the kernel's family uses one of the constants.
    """
    check_constants(function, constants, twins=False)
    return _plain_clone(function, tuple(relevant(function, constants, twins=False).items()))


@functools.cache
def _plain_clone(function: Function, constants: tuple[tuple[str, Constant], ...]) -> FunctionType:
    replaced = dict(constants)
    bound: dict[str, Any] = {}
    for name, value in globals_of(function).items():
        mine = relevant(value, replaced, twins=False) if mark_of(value) else None
        bound[name] = _plain_clone(value, tuple(mine.items())) if mine else replaced.get(name, value)
    return clone(function, bound)


@functools.cache
def _flags(function: Function, *, twins: bool) -> frozenset[str]:
    """Names of the numbers among the globals of a kernel and of all it calls."""
    names: set[str] = set()
    for member in family(function, twins=twins):
        if not (twins and _built(member)):
            bound = _names(member, twins=twins)
            names |= {name for name, value in bound.items() if isinstance(value, bool | int | float)}
    return frozenset(names)


@functools.cache
def _names(member: Function, *, twins: bool) -> dict[str, Any]:
    return globals_of(text_of(member) if twins else member)


def _built(member: Function) -> bool:
    mark = mark_of(member)
    return mark is not None and mark.build is not None


def fingerprint(function: Function, constants: Mapping[str, Constant]) -> str:
    """A hash of everything that the compiled form of a kernel depends on, but for the types of its arguments.

    It covers bytecode, literals and the values of global constants, of the kernel and of all it calls, and the bytecode
    of the modules that make machine code of them: an edit in any file shows, an edit of a comment does not.
    """
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{sys.implementation.cache_tag}".encode())
    for name in _MACHINERY:
        digest.update(_module_digest(name))
    for member in family(function):
        mark = mark_of(member)
        assert mark is not None
        text = mark.build or text_of(member)
        digest.update(
            f"\n{text.__module__}.{text.__qualname__} {mark.inline}{' checked' if mark.checked else ''}".encode()
        )
        if mark.build:  # what it builds may stand in functions beside it
            digest.update(_module_digest(text.__module__))
        _digest_function(digest, text, {} if mark.build else constants)
    return digest.hexdigest()


@functools.cache
def _module_digest(name: str) -> bytes:
    """A hash of a module's bytecode as it lies on disk, which is what a process that imports it runs."""
    spec = importlib.util.find_spec(name)
    get_code = getattr(spec and spec.loader, "get_code", None)
    code = get_code(name) if get_code else None
    digest = hashlib.blake2b(name.encode(), digest_size=16)
    if code is not None:
        _digest_code(digest, code)
    return digest.digest()


def _digest_function(digest: Any, function: Function, constants: Mapping[str, Constant]) -> None:
    assert isinstance(function, FunctionType)
    _digest_code(digest, function.__code__)
    digest.update(_word(function.__defaults__ or ()))
    for name, value in globals_of(function).items():
        value = constants.get(name, value) if isinstance(value, int | float) else value
        digest.update(name.encode() + b"=" + _word(value))


def _digest_code(digest: Any, code: CodeType) -> None:
    names = (
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        code.co_argcount,
        code.co_flags,
    )
    digest.update(repr(names).encode() + code.co_code + code.co_exceptiontable)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _digest_code(digest, constant)
        else:
            digest.update(_word(constant))


def _word(value: object) -> bytes:
    """Bytes that differ wherever the compiled meaning of a value differs."""
    if mark_of(value) or isinstance(value, FunctionType):
        return f"function {getattr(value, '__module__', '')}.{getattr(value, '__qualname__', '')}".encode()
    if isinstance(value, np.ndarray):
        return f"array {value.dtype.str} {value.shape} {value.flags.c_contiguous}".encode() + value.tobytes()
    if isinstance(value, tuple | frozenset):
        parts: Iterable[bytes] = map(_word, value)
        return (
            f"{type(value).__qualname__}(".encode()
            + b",".join(sorted(parts) if isinstance(value, frozenset) else parts)
            + b")"
        )
    if isinstance(value, type):
        inside = getattr(value, "_fields", "") if is_namedtuple(value) else ""
        if issubclass(value, Enum):
            inside = [(member.name, member.value) for member in value]
        return f"type {value.__module__}.{value.__qualname__} {inside}".encode()
    if isinstance(value, bool | int | float | complex | str | bytes | np.generic | type(None)):
        return f"{type(value).__name__} {value!r}".encode()
    return f"other {type(value).__name__} {getattr(value, '__name__', '')}".encode()
