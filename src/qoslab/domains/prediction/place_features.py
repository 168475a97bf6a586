"""What a table says of places: features of a cell from others whose user or service stands at the same place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from qoslab.domains.prediction.data import Codes, FloatArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["place_features"]

Float32Array = NDArray[np.float32]

_Sum = Callable[[FloatArray], FloatArray]

_EMPTY = 1e-3
"""Cells that every mean counts as 0 besides: where a place has no data it is that, and the weight tells."""


def place_features(
    logs: FloatArray, left: FloatArray, users: Mapping[str, Codes], services: Mapping[str, Codes]
) -> Iterator[Float32Array]:
    """Means over places, of values and of what factors leave over, with the logarithm of the cells behind them.

    For each kind of place: over users at the user's place for the same service, over services at the service's place
    for the same user, over all pairs of these two places, over services at the service's place for all users; then
    the codes, with which trees can part places. Of sums over places no clique of users or services is made.

    Args:
        logs: Shape (P, users, services), NaN where unknown.
        left: What the factors leave over of it.
        users: For each kind one code per user, shape (users,); -1 is unknown, and a place of nobody.
        services: The same for services.

    Yields:
        Arrays that can be broadcast to shape (users, services).
    """
    there = np.isfinite(logs)
    quantities = [np.where(there, table, 0.0) for table in (logs, left)]
    for kind in sorted({*users, *services}):
        for total in _sums(users.get(kind), services.get(kind)):
            for p, cells in enumerate(there):
                weight = total(cells.astype(np.float64)) + _EMPTY
                for tables in quantities:
                    yield (total(tables[p]) / weight).astype(np.float32)
                yield np.log(weight).astype(np.float32)
    yield from (codes.astype(np.float32)[:, None] for _, codes in sorted(users.items()))
    yield from (codes.astype(np.float32)[None, :] for _, codes in sorted(services.items()))


def _sums(users: Codes | None, services: Codes | None) -> Iterator[_Sum]:
    """Sums of a table over places of one kind, back in every cell that they concern."""
    at, of = (None if codes is None else _members(codes) for codes in (users, services))
    if at is not None:
        yield partial(_over_users, at)
    if of is not None:
        yield partial(_over_services, of)
        yield partial(_over_all, of)
    if at is not None and of is not None:
        yield partial(_over_pairs, at, of)


def _over_users(at: csr_array, table: FloatArray) -> FloatArray:
    return np.asarray(at @ (at.T @ table))


def _over_services(of: csr_array, table: FloatArray) -> FloatArray:
    return np.asarray((table @ of) @ of.T)


def _over_all(of: csr_array, table: FloatArray) -> FloatArray:
    return np.asarray(((table.sum(axis=0) @ of) @ of.T)[None, :])


def _over_pairs(at: csr_array, of: csr_array, table: FloatArray) -> FloatArray:
    return np.asarray(at @ (at.T @ table @ of) @ of.T)


def _members(codes: Codes) -> csr_array:
    """Who stands at which place, shape (n, places); nobody of whom that is unknown."""
    from scipy.sparse import csr_array

    known = np.flatnonzero(codes >= 0)
    shape = (len(codes), int(codes.max(initial=0)) + 1)
    return csr_array((np.ones(len(known)), (known, codes[known])), shape=shape)
