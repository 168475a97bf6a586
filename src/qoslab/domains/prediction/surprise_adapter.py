"""Tables for the library Surprise, and the way back from its numbering."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from qoslab.core.errors import MissingExtra
from qoslab.domains.prediction.data import FloatArray

__all__ = ["each_side", "require_surprise", "trainset"]


def require_surprise(what: str) -> Any:
    """The module `surprise`.

    Args:
        what: Who needs it, `DOMAIN/METHOD`, for the message.

    Raises:
        MissingExtra: It is not installed.
    """
    try:
        import surprise  # type: ignore[import-untyped]
    except ImportError:
        raise MissingExtra(what, "bench") from None
    return surprise


def trainset(table: FloatArray, what: str) -> Any:
    """The known cells of a table as a `surprise.Trainset`.

    Args:
        table: Shape (users, services), NaN where unknown.
        what: Who needs Surprise, `DOMAIN/METHOD`, for the message.

    Raises:
        MissingExtra: Surprise is not installed.
    """
    surprise = require_surprise(what)
    users, services = np.nonzero(np.isfinite(table))
    values = table[users, services]
    rows = [(int(u), int(s), float(y), None) for u, s, y in zip(users, services, values, strict=True)]
    scale = (float(values.min()), float(values.max()))
    reader = surprise.Reader(rating_scale=scale)
    return surprise.dataset.Dataset(reader).construct_trainset(rows)


def each_side(data: Any, shape: tuple[int, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Surprise's number of each of our users and services; -1 for who has no known cell."""
    users = np.array([_inner(data.to_inner_uid, u) for u in range(shape[0])])
    services = np.array([_inner(data.to_inner_iid, s) for s in range(shape[1])])
    return users, services


def _inner(convert: Any, raw: int) -> int:
    try:
        return int(convert(raw))
    except ValueError:  # it has no known cell
        return -1
