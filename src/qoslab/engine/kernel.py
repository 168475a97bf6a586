"""Kernels: plain Python functions that also run compiled, bit for bit the same.

A function marked `@kernel` stays the ordinary function it was, so importing a module of kernels costs nothing and
loads no compiler. `compiled(f)` gives its compiled twin, `interpreted(f)` the plain one with constants replaced; both
may be used in one process and give identical trajectories.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar, cast, overload

__all__ = ["Constant", "Kernel", "compiled", "interpreted", "kernel", "mark_of", "warm"]

P = ParamSpec("P")
R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])
Constant = bool | int | float

_MARK = "__qoslab_kernel__"


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """How a kernel is compiled.

    Attributes:
        inline: Always inlined into its callers. Right for small functions that are called once per event: a call that
            is not inlined pays for reference counts of every array it is given.
        once: Compiled once for each combination of argument types. Without it the compiler makes another copy for each
            number that stands literally in a call, which is faster to run where a branch hangs on it, and slower to
            compile: a large function called with four such numbers costs four times.
        twin: Text for the compiler where Python and the compiler need different words, such as arithmetic modulo
            2**64; a plain function of the same signature, itself compiled as a kernel.
        build: Gives a compiled-only callable (an intrinsic) when it is first needed; may import the compiler.
        checked: A division by zero and an index out of range raise, as in plain runs. Elsewhere kernels guard their
            own divisions and indices, which is faster; text that users write is checked.
    """

    inline: bool = False
    once: bool = False
    twin: Callable[..., Any] | None = None
    build: Callable[[], Any] | None = None
    checked: bool = False


@overload
def kernel(function: F, /) -> F: ...
@overload
def kernel(
    *,
    inline: bool = False,
    once: bool = False,
    twin: Callable[..., Any] | None = None,
    build: Callable[[], Any] | None = None,
    checked: bool = False,
) -> Callable[[F], F]: ...
def kernel(
    function: F | None = None,
    /,
    *,
    inline: bool = False,
    once: bool = False,
    twin: Callable[..., Any] | None = None,
    build: Callable[[], Any] | None = None,
    checked: bool = False,
) -> F | Callable[[F], F]:
    """Mark a plain function as a kernel and return it unchanged.

    A kernel uses numbers, arrays, NamedTuples of arrays, `math`, the exact part of numpy, and other kernels bound by
    name in its module (`from qoslab.engine.streams import uniform`). What would make compiled and plain runs differ
    is refused by name when the kernel is first compiled.

    Args:
        function: The function; given when the decorator is used without arguments.
        inline: See `Kernel`.
        once: See `Kernel`.
        twin: See `Kernel`.
        build: See `Kernel`.
        checked: See `Kernel`.
    """

    def marked(plain: F) -> F:
        setattr(plain, _MARK, Kernel(inline=inline, once=once, twin=twin, build=build, checked=checked))
        return plain

    return marked if function is None else marked(function)


def mark_of(function: object) -> Kernel | None:
    """The mark of a kernel; None for anything else."""
    mark = getattr(function, _MARK, None)
    return mark if isinstance(mark, Kernel) else None


def compiled(
    function: Callable[P, R],
    *,
    constants: Mapping[str, Constant] | None = None,
    signature: object = None,
    cache: bool = True,
    wraparound: bool = True,
) -> Callable[P, R]:
    """The compiled twin of a kernel; the same object whenever it is asked for again.

    It compiles at the first call with each combination of argument types, or is read from the cache on disk.

    Args:
        function: A function marked `@kernel`.
        constants: New values of module-level constants, for this kernel and all it calls. The compiler prunes
            branches on them, so `constants={"FULL": False}` makes a variant without the code under `if FULL:`.
        signature: Numba signature (or a list of them) to compile at once and for good; other types are then refused.
        cache: Whether to keep the result on disk.
        wraparound: Whether negative indices count from the end, as in Python. A kernel that never has one, nor any that
            it calls, runs faster without, by about a tenth; literal ones (`a[-1]`) may stay. An index that is negative
            all the same is as wrong as one behind the end: undefined, and an `IndexError` with `NUMBA_BOUNDSCHECK=1`.

    Returns:
        A Numba dispatcher with the signature of `function`; the plain function where `NUMBA_DISABLE_JIT=1` is set.
        With `NUMBA_BOUNDSCHECK=1` a wrong index raises `IndexError`, as it does in plain runs.

    Raises:
        BadInput: The kernel uses something that kernels must not use, named with file and line.
    """
    from qoslab.engine.compiler import twin_of

    return cast(
        "Callable[P, R]", twin_of(function, constants or {}, signature, cache=cache, wraparound=wraparound)
    )


def warm(
    function: Callable[..., Any],
    *examples: object,
    constants: Mapping[str, Constant] | None = None,
    wraparound: bool = True,
) -> None:
    """Compile a kernel for arguments like the examples, or read it from disk, without running it.

    A parent process warms the kernels of a study before its workers start, so that they find them on disk.

    Args:
        function: A function marked `@kernel`.
        examples: Arguments of the right types; their values do not matter.
        constants: See `compiled`.
        wraparound: See `compiled`.
    """
    from qoslab.engine.compiler import prepare

    prepare(compiled(function, constants=constants, wraparound=wraparound), examples)


def interpreted(
    function: Callable[P, R], *, constants: Mapping[str, Constant] | None = None
) -> Callable[P, R]:
    """The plain Python form of a kernel with constants replaced as `compiled` would; loads no compiler.

    Args:
        function: A function marked `@kernel`.
        constants: New values of module-level constants, for this kernel and all it calls.

    Raises:
        BadInput: The kernel uses something that kernels must not use, named with file and line.
    """
    from qoslab.engine.clone import plain_clone

    return plain_clone(function, constants) if constants else function
