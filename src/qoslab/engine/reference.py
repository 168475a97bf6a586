"""NamedTuples of arrays passed by address: what a kernel with much state takes instead of the NamedTuple itself.

Numba hands a NamedTuple to a function as the words of all its arrays, seven and more for each. With a hundred arrays
and dozens of kernels that pass them on, compiling takes a minute. `by_reference(world)` lays the words out in memory
once and stands for the NamedTuple in compiled kernels: `w.jobs.born[k]` means the same, a call passes one address, and
only what is used is read. In plain runs pass the NamedTuple.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from qoslab.engine.kernel import kernel

__all__ = ["BY_REFERENCE", "Reference", "References", "at", "by_reference", "by_references", "reference_type"]

T = TypeVar("T", bound=tuple[Any, ...])

BY_REFERENCE = "by reference"
"""Marks a NamedTuple in a hook's prototype that policies take by reference: `Annotated[Board, BY_REFERENCE]`."""


class Reference(Generic[T]):
    """A NamedTuple of arrays, or of such NamedTuples, laid out for compiled kernels.

    Attributes:
        value: The NamedTuple; its arrays are kept alive and are read and written in place.
        address: Where its words stand.
    """

    __slots__ = ("_numba_type_", "_words", "address", "value")

    def __init__(self, value: T) -> None:
        from qoslab.engine.referencetypes import type_of_reference

        self.value = value
        self._words = np.array(list(_words(value)), np.int64)
        self.address = int(self._words.ctypes.data)
        self._numba_type_ = type_of_reference(value)


class References(Generic[T]):
    """Many NamedTuples of one layout by reference, for kernels that go through all of them.

    Attributes:
        address: Where the addresses of their references stand, one after the other.
    """

    __slots__ = ("_addresses", "_numba_type_", "_references", "address")

    def __init__(self, values: Sequence[T]) -> None:
        from qoslab.engine.referencetypes import ReferencesType

        if not values:
            message = "nothing to refer to"
            raise ValueError(message)
        self._references = [Reference(value) for value in values]
        kinds = {each._numba_type_ for each in self._references}
        if len(kinds) > 1:
            message = "all must have one layout"
            raise ValueError(message)
        self._addresses = np.array([each.address for each in self._references], np.int64)
        self.address = int(self._addresses.ctypes.data)
        self._numba_type_ = ReferencesType(kinds.pop())


def by_references(values: Sequence[T]) -> Sequence[T]:
    """Many NamedTuples as compiled kernels may take them, for `at`; plain runs take the sequence itself.

    Args:
        values: What `by_reference` takes, all of one layout; lengths of arrays may differ.

    Raises:
        ValueError: There is none, their layouts differ, or an array is not contiguous or cannot be written.
    """
    return cast("Sequence[T]", References(values))


def _build_at() -> Any:
    from qoslab.engine.referencetypes import build_at

    return build_at()


@kernel(build=_build_at)
def at(values: Sequence[T], index: int) -> T:
    """One of many NamedTuples by reference; in plain runs of a sequence.

    Args:
        values: What `by_references` gave.
        index: Which, from 0; it is not checked.
    """
    return values[index]


def by_reference(value: T) -> T:
    """A NamedTuple of arrays as compiled kernels may take it.

    Args:
        value: A NamedTuple of C-contiguous, writable arrays, or of such NamedTuples.

    Returns:
        An object that only compiled kernels understand, typed as what it stands for.

    Raises:
        ValueError: An array is not contiguous or cannot be written.
    """
    return cast("T", Reference(value))


def _words(value: Any) -> list[int]:
    """Address and lengths of each array, in the order of the fields."""
    if isinstance(value, tuple):
        return [word for part in value for word in _words(part)]
    array: NDArray[Any] = value
    if not (array.flags.c_contiguous and array.flags.writeable and array.flags.aligned):
        message = f"an array of shape {array.shape} is not contiguous, or cannot be written"
        raise ValueError(message)
    return [array.__array_interface__["data"][0], *array.shape]


def reference_type(annotation: Any, numba_type: Any) -> Any:
    """The Numba type of an annotation of a hook, `numba_type` being that of the NamedTuple.

    Args:
        annotation: `Annotated[Board, BY_REFERENCE]` or any other.
        numba_type: Numba's type without the mark.
    """
    if BY_REFERENCE in getattr(annotation, "__metadata__", ()):
        from qoslab.engine.referencetypes import ReferenceType

        return ReferenceType(numba_type)
    return numba_type
