"""Numba dispatchers with the options of all kernels, usable as function pointers where their types are fixed."""

from __future__ import annotations

from types import FunctionType
from typing import Any

from numba.core.registry import CPUDispatcher
from numba.core.types.misc import unliteral

from qoslab.engine.lean import KernelCompiler, NonNegativeCompiler

__all__ = ["KernelDispatcher", "dispatcher"]


class KernelDispatcher(CPUDispatcher):  # type: ignore[misc]
    """Numba's dispatcher; one compiled for a single signature and for good has the type of its function pointer.

    Numba gives each dispatcher a type of its own, so that a kernel would be compiled again for each policy it is given.

    Attributes:
        once: Whether literal numbers in calls have the types of other numbers; see `qoslab.engine.kernel.Kernel`.
    """

    once = False

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """What a call from compiled code runs."""
        if self.once:
            args = tuple(unliteral(each) for each in args)
            kws = {name: unliteral(each) for name, each in dict(kws).items()}
        return super().get_call_template(args, kws)

    def compile(self, sig: Any) -> Any:
        """Compile for a signature, or read what is kept; processes that need the same wait and read it then."""
        try:
            return super().compile(sig)
        finally:
            end_turn = getattr(self._cache, "end_turn", None)
            if end_turn is not None:
                end_turn()

    @property
    def _numba_type_(self) -> Any:
        return self.get_function_type() or super()._numba_type_


def dispatcher(
    text: FunctionType,
    *,
    inline: bool,
    inner: bool = False,
    once: bool = False,
    checked: bool = False,
    wraparound: bool = True,
) -> KernelDispatcher:
    """A dispatcher for a cloned kernel; an inner one is called by other kernels only, and spared Python's wrappers.

    There is no fast-math, so that the order of operations is Python's. Division follows the numpy error model where
    a kernel is not `checked`: a check before each division would cost speed and block vector code.
    """
    options = {
        "nopython": True,
        "nogil": True,
        "boundscheck": True if checked else None,
        "error_model": "python" if checked else "numpy",
        "forceinline": inline,
        "no_cpython_wrapper": inner,
        "no_cfunc_wrapper": inner,
    }
    pipeline = KernelCompiler if wraparound else NonNegativeCompiler
    found = KernelDispatcher(py_func=text, locals={}, targetoptions=options, pipeline_class=pipeline)
    found.once = once
    return found
