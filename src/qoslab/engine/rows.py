"""Many worlds in one NamedTuple: arrays stacked along a first axis, and the kernel that looks at one of them."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np

from qoslab.engine.kernel import kernel

__all__ = ["row", "stack"]

W = TypeVar("W", bound=tuple[Any, ...])


def stack(worlds: Sequence[W]) -> W:
    """Copy worlds of equal shapes into one NamedTuple whose arrays have the world as their first axis.

    Args:
        worlds: NamedTuples of arrays, or of such NamedTuples, all of one class.

    Raises:
        ValueError: There is none, or their arrays differ in shape.
    """
    if not worlds:
        message = "nothing to stack"
        raise ValueError(message)
    stacked: W = _stack(worlds)
    return stacked


def _stack(parts: Sequence[Any]) -> Any:
    model = parts[0]
    if isinstance(model, tuple):
        return type(model)(*(_stack([part[place] for part in parts]) for place in range(len(model))))
    return np.stack(parts)


def _build_row() -> Any:
    from numba import types
    from numba.extending import intrinsic

    def part(kind: Any) -> Any:
        """The type of a world in a stack of that type."""
        if isinstance(kind, types.Array):
            return kind.copy(ndim=kind.ndim - 1)
        inner = [part(each) for each in kind]
        if len(set(inner)) == 1:
            return types.NamedUniTuple(inner[0], len(inner), kind.instance_class)
        return types.NamedTuple(inner, kind.instance_class)

    def take(context: Any, builder: Any, kind: Any, stacked: Any, index: Any) -> Any:
        if isinstance(kind, types.Array):
            signature = part(kind)(kind, types.intp)
            return context.get_function(operator.getitem, signature)(builder, (stacked, index))
        inner = [
            take(context, builder, each, builder.extract_value(stacked, place), index)
            for place, each in enumerate(kind)
        ]
        return context.make_tuple(builder, part(kind), inner)

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind, index = signature.args
        place = context.cast(builder, arguments[1], index, types.intp)
        return take(context, builder, kind, arguments[0], place)

    def definition(typing: Any, worlds: Any, index: Any) -> Any:  # noqa: ARG001
        if isinstance(index, types.Integer) and isinstance(worlds, types.BaseTuple):
            return part(worlds)(worlds, index), lower
        return None

    definition.borrows = True  # type: ignore[attr-defined]
    return intrinsic(definition)


@kernel(build=_build_row)
def row(worlds: W, index: int) -> W:
    """One world of a stack; its arrays are views of the stack's, of one dimension less.

    Args:
        worlds: What `stack` gave, or any NamedTuple of arrays with two dimensions or more.
        index: Which world, from 0.
    """
    return type(worlds)(*(row(part, index) if isinstance(part, tuple) else part[index] for part in worlds))
