"""Compiling kernels without reference counts, wherever they only borrow the arrays they are given.

Numba counts references to each array with atomic instructions, at each call that is not inlined and at each row taken
of a bank; in an event loop this costs more than the events. A function that makes no array and returns none keeps
nothing alive that its caller does not, so it needs no counts. This pass finds such functions after their types are
known and switches the counting off for their own code alone; functions that make or return arrays stay as they are.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, ClassVar

from llvmlite.binding import Linkage
from numba import _dynfunc
from numba.core import ir
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.typed_passes import NativeLowering, NopythonRewrites
from numba.core.types import (  # type: ignore[attr-defined]
    BaseTuple,
    EllipsisType,
    Integer,
    NamedTupleClass,
    SliceType,
)

from qoslab.engine.lowering import NonNegativeLowering, WrappingLowering

__all__ = ["KernelCompiler", "NonNegativeCompiler"]

# Expressions whose value is a part of, or another name for, an operand that the caller keeps alive.
_BORROWING = frozenset(
    {"cast", "exhaust_iter", "getattr", "getiter", "getitem", "iternext", "pair_first", "pair_second", "phi"}
    | {"static_getitem", "typed_getitem", "build_tuple", "null", "undef"}
)


@register_pass(mutates_CFG=False, analysis_only=False)
class _LeanLowering(FunctionPass):  # type: ignore[misc]
    _name = "qoslab_lean_lowering"

    def __init__(self) -> None:
        super().__init__()

    def run_pass(self, state: Any) -> bool:
        if not any(_owners(state)):
            state.targetctx = state.targetctx.subtarget(enable_nrt=False)
        return False


@register_pass(mutates_CFG=False, analysis_only=False)
class _InnerLowering(FunctionPass):  # type: ignore[misc]
    """Leaves optimising and machine code of an inner kernel to the kernel that it is compiled into.

    Numba would optimise each function with all that it calls, and once more in every caller: half of the compile time
    of a model with a hundred small kernels.
    """

    _name = "qoslab_inner_lowering"

    def __init__(self) -> None:
        super().__init__()

    def run_pass(self, state: Any) -> bool:
        inner = state.flags.no_cpython_wrapper
        library = state.targetctx.codegen().create_library(state.func_id.func_qualname)
        kind: Any = type(library)
        library.__class__ = _inner_library(kind) if inner else _outer_library(kind)
        state.library = library
        if inner:
            state.targetctx = state.targetctx.subtarget(get_executable=_no_executable)
        else:
            library.enable_object_caching()
        return False


@functools.cache
def _inner_library(kind: Any) -> Any:
    """A code library that is only ever linked into others."""

    def finalize(self: Any) -> None:
        for library in dict.fromkeys(self._linking_libraries):
            self._reload_init.update(library._reload_init)
            self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        self._final_module.verify()
        self._finalized = True

    def keep(self: Any, module: Any) -> None:
        module.data_layout = self._codegen._data_layout

    return type(f"Inner{kind.__name__}", (kind,), {"finalize": finalize, "_optimize_functions": keep})


@functools.cache
def _outer_library(kind: Any) -> Any:
    """A code library that nobody links: what it was linked from is its own, free to vanish into its callers."""

    def optimize(self: Any) -> None:
        for function in self._final_module.functions:
            if not function.is_declaration and function.linkage == Linkage.linkonce_odr:
                function.linkage = Linkage.internal
        kind._optimize_final_module(self)

    return type(f"Outer{kind.__name__}", (kind,), {"_optimize_final_module": optimize})


def _no_executable(library: Any, description: Any, environment: Any) -> Any:
    """What stands for an inner kernel where Numba wants something to call; nobody calls it."""
    name = description.qualname.rpartition(".")[2]
    return _dynfunc.make_function(
        description.lookup_module(), name, "an inner kernel", 0, environment, (library,)
    )


class KernelCompiler(CompilerBase):  # type: ignore[misc]
    """Numba's compiler with two passes more and a lowering of our own."""

    lowering: ClassVar[type] = WrappingLowering

    def define_pipelines(self) -> list[Any]:
        """The pipeline of passes."""
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.add_pass_after(_LeanLowering, NopythonRewrites)
        passes.add_pass_after(_InnerLowering, _LeanLowering)
        passes.passes = [
            (self.lowering, words) if each is NativeLowering else (each, words)
            for each, words in passes.passes
        ]
        passes.finalize()
        return [passes]


class NonNegativeCompiler(KernelCompiler):
    """The same for kernels whose indices are never negative."""

    lowering = NonNegativeLowering


def _owners(state: Any) -> Iterator[bool]:
    """For each thing the function does, whether it may own a reference by it."""
    models = state.targetctx.data_model_manager

    def counted(kind: Any) -> bool:
        return bool(models[kind].contains_nrt_meminfo())

    yield counted(state.return_type) or state.func_ir.is_generator
    for block in state.func_ir.blocks.values():
        for statement in block.body:
            if isinstance(statement, ir.Assign):
                yield _owns(statement, state.typemap, counted)
            elif isinstance(statement, ir.SetItem | ir.StaticSetItem):
                yield counted(state.typemap[statement.value.name])
            elif not isinstance(statement, _HARMLESS):
                yield True


_HARMLESS = (ir.Branch, ir.Jump, ir.Return, ir.Del, ir.StaticRaise, ir.StaticTryRaise, ir.PopBlock)


def _owns(statement: Any, typemap: Any, counted: Any) -> bool:
    value = statement.value
    if not counted(typemap[statement.target.name]):
        return False
    if isinstance(value, ir.Arg | ir.Var | ir.Global | ir.FreeVar):
        return False
    if not isinstance(value, ir.Expr):
        return True
    if value.op == "call":  # a NamedTuple made of borrowed arrays, or a row of one
        called = typemap[value.func.name]
        definition = getattr(getattr(called, "typing_key", None), "_defn", None)
        return not (isinstance(called, NamedTupleClass) or hasattr(definition, "borrows"))
    if value.op not in _BORROWING:
        return True
    if value.op in ("getitem", "typed_getitem"):
        index = typemap[value.index.name]
        parts = index.types if isinstance(index, BaseTuple) else [index]
        return not all(isinstance(part, Integer | SliceType | EllipsisType) for part in parts)
    return False
