"""Compiled twins: a kernel and all it calls, cloned with their names bound to each other's twins, given to Numba."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from threading import RLock
from types import FunctionType
from typing import Any

from qoslab.engine.cache import disk_cache
from qoslab.engine.clone import check_constants, clone, fingerprint, plain_clone, relevant, text_of
from qoslab.engine.kernel import Constant, mark_of
from qoslab.engine.rules import globals_of
from qoslab.engine.start import spare_blas

__all__ = ["prepare", "twin_of"]

Key = tuple[Callable[..., Any], tuple[tuple[str, Constant], ...], bool]

_inner: dict[Key, Any] = {}
_outer: dict[tuple[Key, str, bool], Any] = {}
_lock = RLock()


def twin_of(
    function: Callable[..., Any],
    constants: Mapping[str, Constant],
    signature: object,
    *,
    cache: bool,
    wraparound: bool,
) -> Callable[..., Any]:
    """The compiled twin of a kernel as users call it; see `qoslab.engine.kernel.compiled`."""
    check_constants(function, constants)
    key: Key = (function, tuple(sorted(constants.items())), wraparound)
    with _lock:
        known = _outer.get((key, str(signature), cache))
        if known is None:
            known = _outer[key, str(signature), cache] = _outer_twin(key, signature, cache=cache)
        return known  # type: ignore[no-any-return]


def prepare(twin: Any, examples: tuple[object, ...]) -> None:
    """Have a twin compiled for arguments of the types of the examples."""
    import numba

    if not numba.config.DISABLE_JIT:
        twin.compile(tuple(numba.typeof(example) for example in examples))


def _outer_twin(key: Key, signature: object, *, cache: bool) -> Any:
    """What users call may be kept on disk; what it calls is compiled into it and needs no file of its own."""
    import numba

    function, items, wraparound = key
    constants = dict(items)
    if numba.config.DISABLE_JIT:
        return plain_clone(function, constants) if constants else function
    spare_blas()
    from qoslab.engine.dispatch import dispatcher

    text = _bound_clone(function, constants, wraparound=wraparound)
    # Numba names machine code by this and by a count of the functions of its process. Two kernels of one name that were
    # kept by two processes could have one name in a third, which would then run the one for the other.
    mark = fingerprint(function, constants) + ("" if wraparound else "n")
    text.__qualname__ = f"{text.__qualname__}_{mark}"
    own = mark_of(function)
    assert own is not None
    twin = dispatcher(text, inline=False, checked=own.checked, wraparound=wraparound)
    if cache and not numba.config.BOUNDSCHECK:  # code with bounds checks is for debugging and not kept
        disk = disk_cache(text, mark)
        twin._cache = disk if disk is not None else twin._cache
    if signature is not None:
        for each in signature if isinstance(signature, list) else [signature]:
            twin.compile(each)
        twin.disable_compile()
    return twin


def _inner_twin(function: Callable[..., Any], constants: Mapping[str, Constant], *, wraparound: bool) -> Any:
    mark = mark_of(function)
    assert mark is not None
    mine = relevant(function, constants)
    key: Key = (function, tuple(mine.items()), wraparound)
    if key not in _inner:
        from qoslab.engine.dispatch import dispatcher

        _inner[key] = (
            mark.build()
            if mark.build
            else dispatcher(
                _bound_clone(function, mine, wraparound=wraparound),
                inline=mark.inline,
                once=mark.once,
                checked=mark.checked,
                inner=True,
                wraparound=wraparound,
            )
        )
    return _inner[key]


def _bound_clone(
    function: Callable[..., Any], constants: Mapping[str, Constant], *, wraparound: bool
) -> FunctionType:
    text = text_of(function)
    bound = {
        name: _inner_twin(value, constants, wraparound=wraparound)
        if mark_of(value)
        else constants.get(name, value)
        for name, value in globals_of(text).items()
    }
    return clone(text, bound)
