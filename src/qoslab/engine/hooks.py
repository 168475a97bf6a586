"""Hooks: where a user's policy enters a compiled kernel, as a function pointer.

A hook is a published signature, written as a prototype: a View (NamedTuple of arrays) and what else the decision may
use in, one number out. The kernel is compiled once and kept on disk; a new policy compiles alone, with the hook's fixed
signature, and is handed to the kernel as a pointer.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, Generic, TypeVar, cast, get_args, get_origin, get_type_hints

import numpy as np

from qoslab.core.errors import BadInput, Problem
from qoslab.engine.kernel import compiled, kernel, mark_of
from qoslab.engine.mistakes import explained, in_words, text_behind
from qoslab.engine.reference import reference_type

__all__ = ["Hook", "check_index", "check_number", "hook_of", "policies_in"]

F = TypeVar("F", bound=Callable[..., Any])

_MARK = "__qoslab_hook__"


class Hook(Generic[F]):
    """A published decision: its name, documentation and types are those of a prototype function.

    The prototype's annotations fix the types: `int`, `float`, `bool`, `NDArray[dtype]` (one dimension, C-contiguous),
    `np.ndarray[tuple[int, int], np.dtype[dtype]]` (two dimensions), and NamedTuples of these, by value or, marked
    `Annotated[Board, BY_REFERENCE]`, by reference (`qoslab.engine.reference`).

    Args:
        prototype: A function whose body is never run; it may stand as the default policy.
        hint: What is told to somebody whose policy does not compile: what a policy may see, and where that stands.

    Raises:
        TypeError: An annotation is missing or none of the above.
    """

    def __init__(self, prototype: F, *, hint: str | None = None) -> None:
        self.prototype, self._hint = prototype, hint
        self.name = prototype.__name__
        self.__doc__ = prototype.__doc__
        self.parameters = tuple(inspect.signature(prototype).parameters)
        hints = get_type_hints(prototype, include_extras=True)
        for name in (*self.parameters, "return"):
            _check_annotation(hints.get(name), f"{self.name}: {name}")
        self._hints = hints

    def __repr__(self) -> str:
        return f"<Hook {self.name}({', '.join(self.parameters)})>"

    def policy(self, function: F) -> F:
        """Decorator: check a user's function against this hook and mark it as a policy.

        Unmarked so far, it becomes a kernel that divides and indexes as Python does.

        Args:
            function: A plain function with the prototype's parameters, in its order, under any names.

        Returns:
            The function itself; `pointer` compiles it.

        Raises:
            BadInput: Wrong number of parameters, or it uses what kernels must not use; with file and line.
        """
        if mark_of(function) is None:
            kernel(checked=True)(function)
        problems = list(self._arity_problems(function))
        if problems:
            raise BadInput(problems)
        from qoslab.engine.clone import family

        family(function)
        setattr(function, _MARK, self)
        return function

    def _arity_problems(self, function: F) -> Iterator[Problem]:
        given = inspect.signature(function).parameters.values()
        plain = [each for each in given if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
        if len(plain) != len(self.parameters) or len(plain) != len(given):
            yield Problem(
                message=f"policy '{function.__name__}' must take {len(self.parameters)} plain parameters",
                path=Path(function.__code__.co_filename),
                line=function.__code__.co_firstlineno,
                field=self.name,
                hint=f"def {function.__name__}({', '.join(self.parameters)}): ...",
            )

    @functools.cached_property
    def signature(self) -> Any:
        """The Numba signature that every policy of this hook is compiled with."""
        arguments = [_numba_type(self._hints[name]) for name in self.parameters]
        return _numba_type(self._hints["return"])(*arguments)

    def pointer(self, function: F) -> F:
        """The policy as a function pointer: pass it to a compiled kernel in the place of the hook.

        Two policies of one hook have one type, so the kernel is not compiled again. In an interpreted kernel pass the
        plain function itself.

        Args:
            function: A policy of this hook.

        Raises:
            BadInput: The policy does not compile with the hook's types; with file and line.
        """
        from numba.core.errors import NumbaError

        try:
            twin: Any = compiled(function, signature=self.signature.args)
            if twin is function:  # the compiler is switched off
                return function
            returned = twin.nopython_signatures[0].return_type
            if returned != self.signature.return_type:
                self._check_return(function, returned)
                twin = compiled(function, signature=self.signature)
        except NumbaError as error:
            raise BadInput(
                self._problem(function, *explained(function, error, self._needed), hint=self._hint)
            ) from None
        return cast("F", twin)

    @property
    def _needed(self) -> str:
        """What a policy must return, in words."""
        kind = str(self.signature.return_type)
        return "a number" if kind.startswith("float") else in_words(kind)

    def _check_return(self, function: F, returned: Any) -> None:
        """Let an integer of another size stand for an index, and any number for a float."""
        from numba import types

        wanted = self.signature.return_type
        fitting = types.Integer | types.Float if isinstance(wanted, types.Float) else types.Integer
        if isinstance(wanted, types.Boolean) or not isinstance(returned, fitting):
            message = f"returns {in_words(str(returned))}, where {self._needed} is needed"
            raise BadInput(self._problem(function, message))

    def _problem(
        self,
        function: F,
        message: str,
        path: Path | None = None,
        line: int | None = None,
        hint: str | None = None,
    ) -> Problem:
        """What is wrong with a policy, at a place in it or at its first line."""
        code = text_behind(function).__code__
        return Problem(
            message=f"policy '{function.__name__}' {message}",
            path=path or Path(code.co_filename),
            line=line or code.co_firstlineno,
            hint=hint,
        )

    @contextmanager
    def blame(self, function: F) -> Iterator[None]:
        """Run a kernel inside: an exception of any kind that leaves it becomes `BadInput` that names the policy."""
        try:
            yield
        except (ArithmeticError, LookupError, ValueError, AssertionError, RuntimeError) as error:
            message = f"failed: {type(error).__name__}: {error}"
            raise BadInput(self._problem(function, message)) from error


def hook_of(function: object) -> Hook[Any] | None:
    """The hook that a function is a policy of; None for anything else."""
    hook = getattr(function, _MARK, None)
    return hook if isinstance(hook, Hook) else None


def policies_in(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """The policies that a module defines (not those it imports), by name."""
    return {
        name: value
        for name, value in vars(module).items()
        if hook_of(value) is not None and value.__module__ == module.__name__
    }


@kernel(inline=True)
def check_index(choice: int, count: int) -> int:
    """What an index-valued hook returned, if it is one of 0, ..., count - 1.

    Raises:
        IndexError: It is not.
    """
    if choice < 0 or choice >= count:
        raise IndexError("the policy chose an index that does not exist")  # noqa: EM101 - kernels raise literals
    return choice


@kernel(inline=True)
def check_number(value: float, low: float, high: float) -> float:
    """What a number-valued hook returned, if it is finite and from low to high.

    Raises:
        ValueError: It is not.
    """
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError("the policy returned a number outside its range")  # noqa: EM101
    return value


_SCALARS = {int: "int64", float: "float64", bool: "boolean"}


def _check_annotation(annotation: Any, where: str) -> None:
    annotation = _bare(annotation)
    if annotation in _SCALARS or _array(annotation):
        return
    if isinstance(annotation, type) and issubclass(annotation, tuple) and hasattr(annotation, "_fields"):
        for name, inner in get_type_hints(annotation).items():
            _check_annotation(inner, f"{where}.{name}")
        return
    message = f"{where}: {annotation!r} is no type that a hook may have"
    raise TypeError(message)


def _bare(annotation: Any) -> Any:
    """An annotation without the marks of `Annotated`."""
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _array(annotation: Any) -> tuple[np.dtype[Any], int] | None:
    """Item type and dimensions of an array annotation."""
    if get_origin(annotation) is not np.ndarray:
        return None
    shape, item = get_args(annotation)
    sizes = get_args(shape)
    dimensions = 1 if Ellipsis in sizes else len(sizes)
    return np.dtype(get_args(item)[0]), dimensions


def _numba_type(annotation: Any) -> Any:
    """The Numba type of an annotation that a hook may have."""
    from numba import from_dtype, types

    if get_origin(annotation) is Annotated:
        return reference_type(annotation, _numba_type(_bare(annotation)))
    if annotation in _SCALARS:
        return getattr(types, _SCALARS[annotation])
    array = _array(annotation)
    if array:
        return types.Array(from_dtype(array[0]), array[1], "C")
    fields = [_numba_type(inner) for inner in get_type_hints(annotation).values()]
    if len(set(fields)) == 1:
        return types.NamedUniTuple(fields[0], len(fields), annotation)
    return types.NamedTuple(fields, annotation)
