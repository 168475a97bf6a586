# mypy: disable-error-code="untyped-decorator"
"""How the compiler sees a NamedTuple by reference: one address, of the address and lengths of each array."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.extending import NativeValue, register_model, unbox
from numba.core.imputils import lower_getattr_generic
from numba.core.typing.templates import AttributeTemplate, infer_getattr
from numba.extending import intrinsic, typeof_impl
from numba.np.arrayobj import make_array, populate_array

from qoslab.engine.reference import Reference, References

__all__ = ["ReferenceType", "ReferencesType", "build_at", "type_of_reference"]


class ReferenceType(types.Type):  # type: ignore[misc]
    """The type of a reference to a NamedTuple.

    Args:
        target: Numba's type of the NamedTuple.
    """

    def __init__(self, target: Any) -> None:
        self.target = target
        super().__init__(name=f"reference to {_described(target)}")

    def part(self, name: str) -> tuple[int, Any] | None:
        """Offset in words and type of a field; None where there is no such field."""
        offset = 0
        for field, kind in zip(self.target.fields, self.target, strict=True):
            if field == name:
                return offset, kind
            offset += _length(kind)
        return None


class ReferencesType(types.Type):  # type: ignore[misc]
    """The type of references to many NamedTuples of one layout.

    Args:
        each: The type of one of them.
    """

    def __init__(self, each: ReferenceType) -> None:
        self.each = each
        super().__init__(name=f"many {each.name}")


def _described(kind: Any) -> str:
    """A type in words, with the names of its fields: two layouts never have one name."""
    if isinstance(kind, types.BaseTuple):
        fields = (f"{name}: {_described(part)}" for name, part in zip(kind.fields, kind, strict=True))
        return f"{kind.instance_class.__module__}.{kind.instance_class.__qualname__}({', '.join(fields)})"
    return str(kind)


def _length(kind: Any) -> int:
    """Words of a field."""
    return sum(map(_length, kind)) if isinstance(kind, types.BaseTuple) else 1 + kind.ndim


_known: dict[Any, Any] = {}


def type_of_reference(value: Any) -> Any:
    """The type of a reference to this NamedTuple; all arrays are contiguous."""
    key = _shape(value)
    if key not in _known:
        from numba import typeof

        _known[key] = ReferenceType(typeof(value))
    return _known[key]


def _shape(value: Any) -> Any:
    """What the type of a NamedTuple depends on."""
    if isinstance(value, tuple):
        return type(value), *(_shape(part) for part in value)
    return value.dtype.char, value.ndim


@typeof_impl.register(Reference)
def _typeof_reference(value: Any, context: Any) -> Any:  # noqa: ARG001
    return value._numba_type_


@register_model(ReferenceType)
class _ReferenceModel(models.OpaqueModel):  # type: ignore[misc]
    """One address."""


@typeof_impl.register(References)
def _typeof_references(value: Any, context: Any) -> Any:  # noqa: ARG001
    return value._numba_type_


@register_model(ReferencesType)
class _ReferencesModel(models.OpaqueModel):  # type: ignore[misc]
    """The address of the first address."""


@unbox(ReferencesType)
@unbox(ReferenceType)
def _unbox_reference(kind: Any, value: Any, context: Any) -> Any:  # noqa: ARG001
    address = context.pyapi.object_getattr_string(value, "address")
    pointer = context.pyapi.long_as_voidptr(address)
    context.pyapi.decref(address)
    return NativeValue(pointer)


@infer_getattr
class _ReferenceAttributes(AttributeTemplate):  # type: ignore[misc]
    key = ReferenceType

    def generic_resolve(self, kind: Any, name: str) -> Any:
        found = kind.part(name)
        if found is None:
            return None
        return ReferenceType(found[1]) if isinstance(found[1], types.BaseTuple) else found[1]


@lower_getattr_generic(ReferenceType)
def _lower_attribute(context: Any, builder: Any, kind: Any, value: Any, name: str) -> Any:
    offset, part = kind.part(name)
    word = ir.IntType(64)
    words = builder.bitcast(value, word.as_pointer())
    at = builder.gep(words, [ir.Constant(word, offset)], inbounds=True)
    if isinstance(part, types.BaseTuple):
        return builder.bitcast(at, cgutils.voidptr_t)
    loaded = [_load(builder, at, k) for k in range(1 + part.ndim)]
    return _array(context, builder, part, loaded[0], loaded[1:])


def _load(builder: Any, at: Any, place: int) -> Any:
    """A word that never changes while the reference lives, so that it need be read only once."""
    word = builder.load(builder.gep(at, [ir.Constant(ir.IntType(64), place)], inbounds=True))
    word.set_metadata("invariant.load", builder.module.add_metadata([]))
    return word


def _array(context: Any, builder: Any, kind: Any, address: Any, shape: list[Any]) -> Any:
    """A contiguous array that owns nothing."""
    array = make_array(kind)(context, builder)
    itemsize = context.get_abi_sizeof(context.get_data_type(kind.dtype))
    strides = [context.get_constant(types.intp, itemsize)]
    for length in reversed(shape[1:]):
        strides.insert(0, builder.mul(strides[0], length, flags=["nsw"]))
    data = builder.inttoptr(address, context.get_data_type(kind.dtype).as_pointer())
    populate_array(
        array,
        data=data,
        shape=shape,
        strides=strides,
        itemsize=context.get_constant(types.intp, itemsize),
        meminfo=None,
    )
    return array._getvalue()


def build_at() -> Any:
    """The intrinsic behind `reference.at`: an address taken from a row of them."""

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values, index = signature.args
        word = ir.IntType(64)
        place = context.cast(builder, arguments[1], index, types.intp)
        addresses = builder.bitcast(arguments[0], word.as_pointer())
        address = builder.load(builder.gep(addresses, [place], inbounds=True))
        return builder.inttoptr(address, context.get_value_type(values.each))

    def definition(typing: Any, values: Any, index: Any) -> Any:  # noqa: ARG001
        if isinstance(values, ReferencesType) and isinstance(index, types.Integer):
            return values.each(values, index), lower
        return None

    definition.borrows = True  # type: ignore[attr-defined]
    return intrinsic(definition)
