"""Tables of sizes: a cumulative distribution given at points, linear between them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qoslab.core.errors import BadInput, Problem
from qoslab.domains.balancing.traces.sources import Limits, lines

__all__ = ["SizeTable", "read_sizes"]

Reals = NDArray[np.float64]
_LIMITS = Limits(bytes=1 << 24)


@dataclass(frozen=True)
class SizeTable:
    """A distribution of sizes.

    Attributes:
        values: Sizes, not decreasing, shape (k,).
        shares: Cumulative shares at these, from 0 to 1, not decreasing, shape (k,). Two equal sizes are an atom.
    """

    values: Reals
    shares: Reals

    def quantile(self, share: Reals | float) -> Reals:
        """Sizes at cumulative shares: uniform random numbers in, random sizes out."""
        return np.asarray(np.interp(share, self.shares, self.values))

    @property
    def mean(self) -> float:
        """The mean size."""
        return float(np.sum(np.diff(self.shares) * (self.values[1:] + self.values[:-1]) / 2))

    @property
    def scv(self) -> float:
        """The squared coefficient of variation: variance over squared mean."""
        low, high = self.values[:-1], self.values[1:]
        second = float(np.sum(np.diff(self.shares) * (low * low + low * high + high * high) / 3))
        return second / self.mean**2 - 1

    def scaled(self, mean: float) -> SizeTable:
        """The same shape with another mean."""
        return SizeTable(self.values * (mean / self.mean), self.shares)


def read_sizes(path: str | Path) -> SizeTable:
    """A table of two columns: size, and cumulative share as a fraction (to 1) or in per cent (to 100).

    Args:
        path: A text file; lines that begin with `#` and empty ones are left out.

    Returns:
        The table; where its first share is not 0, the first size is an atom of that share.

    Raises:
        BadInput: The file cannot be read or is no such table; all bad lines are named.
    """
    path = Path(path)
    rows: list[tuple[float, float]] = []
    problems: list[Problem] = []
    for number, raw, _ in lines(path, _LIMITS):
        text = raw.decode("utf-8", "replace").partition("#")[0].strip()
        if not text:
            continue
        problem = _row(text, rows)
        if problem is not None:
            problems.append(Problem(message=problem, path=path, line=number, quote=text[:160]))
            if len(problems) == 10:
                break
    if problems:
        raise BadInput(problems)
    return _table(rows, path)


def _row(text: str, rows: list[tuple[float, float]]) -> str | None:
    words = text.replace(",", " ").split()
    try:
        size, share = (float(word) for word in words)
    except ValueError:
        return "must be two numbers: a size and a cumulative share"
    if not (0 <= size < np.inf and 0 <= share <= 100):
        return "sizes are not negative, shares lie between 0 and 1, or 0 and 100"
    if rows and (size < rows[-1][0] or share < rows[-1][1]):
        return "sizes and shares must not decrease"
    rows.append((size, share))
    return None


def _table(rows: list[tuple[float, float]], path: Path) -> SizeTable:
    if len(rows) < 2:
        raise BadInput(Problem(message="has fewer than two lines", path=path))
    values, shares = np.array(rows).T
    whole = shares[-1]
    # Published tables stop a rounding short of the whole, such as 99.9999.
    if not (abs(whole - 1) < 1e-3 or abs(whole - 100) < 0.1):
        message = f"the last share is {whole:g}: it must be 1, or 100 per cent"
        raise BadInput(Problem(message=message, path=path))
    shares = shares / whole
    if shares[0] > 0:
        values, shares = np.append(values[0], values), np.append(0.0, shares)
    table = SizeTable(values, shares)
    if not table.mean > 0:
        raise BadInput(Problem(message="the mean size is zero", path=path))
    return table
