"""Machine code for reading and writing one item of an array.

Numba sends each item through its machinery for slices and index arrays, and lets a negative index count from the end: a
comparison, an addition and a choice at every access, and the array's length read for it. Items of contiguous arrays of
numbers are found here at once, and a kernel compiled with `wraparound=False` takes its indices as they are.
"""

from __future__ import annotations

from typing import Any, ClassVar

from numba import types
from numba.core import cgutils
from numba.core.compiler_machinery import register_pass
from numba.core.lowering import Lower
from numba.core.typed_passes import BaseNativeLowering
from numba.np.arrayobj import load_item, make_array, store_item

__all__ = ["NonNegativeLowering", "WrappingLowering"]


class _ItemLower(Lower):  # type: ignore[misc]
    """Numba's lowering but for single items."""

    wraparound: ClassVar[bool] = True

    def lower_getitem(self, resty: Any, expr: Any, value: Any, index: Any, signature: Any) -> Any:
        """Read an item."""
        place = self._place(value, index)
        if place is None:
            return super().lower_getitem(resty, expr, value, index, signature)
        array = self.typeof(value.name)
        item = load_item(self.context, self.builder, array, place)
        return self.context.cast(self.builder, item, array.dtype, resty)

    def lower_setitem(self, target_var: Any, index_var: Any, value_var: Any, signature: Any) -> Any:
        """Write an item."""
        kind = self.typeof(value_var.name)
        number = isinstance(kind, types.Number | types.Boolean)
        place = self._place(target_var, index_var) if number else None
        if place is None:
            return super().lower_setitem(target_var, index_var, value_var, signature)
        array = self.typeof(target_var.name)
        value = self.context.cast(self.builder, self.loadvar(value_var.name), kind, array.dtype)
        store_item(self.context, self.builder, array, value, place)
        return None

    def _place(self, array_var: Any, index_var: Any) -> Any:
        """Where an item stands; None where the index is not that of one item of a contiguous array of numbers."""
        kind, index = self.typeof(array_var.name), self.typeof(index_var.name)
        if not (isinstance(kind, types.Array) and kind.layout == "C"):
            return None
        parts = index.types if isinstance(index, types.BaseTuple) else (index,)
        plain = isinstance(kind.dtype, types.Number | types.Boolean)
        if not plain or len(parts) != kind.ndim or not all(isinstance(part, types.Integer) for part in parts):
            return None
        array = make_array(kind)(self.context, self.builder, self.loadvar(array_var.name))
        loaded = self.loadvar(index_var.name)
        values = [loaded]
        if isinstance(index, types.BaseTuple):
            values = cgutils.unpack_tuple(self.builder, loaded, count=len(parts))
        lengths = cgutils.unpack_tuple(self.builder, array.shape, count=kind.ndim)
        indices = [self._index(*each) for each in zip(values, parts, lengths, strict=True)]
        check = self.context.enable_boundscheck
        return cgutils.get_item_pointer(
            self.context, self.builder, kind, array, indices, wraparound=False, boundscheck=check
        )

    def _index(self, value: Any, kind: Any, length: Any) -> Any:
        """An index counted from the front; a literal one may always count from the end."""
        whole = types.intp if kind.signed else types.uintp
        index = self.context.cast(self.builder, value, kind, whole)
        if isinstance(kind, types.IntegerLiteral):
            return self.builder.add(length, index) if kind.literal_value < 0 else index
        if not (kind.signed and self.wraparound):
            return index
        negative = self.builder.icmp_signed("<", index, index.type(0))
        return self.builder.select(negative, self.builder.add(length, index), index)


class _NonNegativeLower(_ItemLower):
    wraparound = False


@register_pass(mutates_CFG=True, analysis_only=False)
class WrappingLowering(BaseNativeLowering):  # type: ignore[misc]
    """Negative indices count from the end, as in Python."""

    _name = "qoslab_wrapping_lowering"
    lowering_class = _ItemLower


@register_pass(mutates_CFG=True, analysis_only=False)
class NonNegativeLowering(BaseNativeLowering):  # type: ignore[misc]
    """No index that is worked out at run time is negative."""

    _name = "qoslab_non_negative_lowering"
    lowering_class = _NonNegativeLower
