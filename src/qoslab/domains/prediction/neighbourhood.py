# mypy: disable-error-code="no-any-return"
"""Pearson correlations over common cells, and means over the most correlated rows that know a column, compiled.

The work follows the known cells: sums of a pair of rows are gathered over the columns that both know, and each row asks
the others from the most correlated one downwards until every column has its answers. No matrix of all pairs is kept.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.core.context import Context
from qoslab.domains.prediction.averages import mean_along
from qoslab.domains.prediction.data import FloatArray
from qoslab.engine.kernel import compiled, kernel
from qoslab.engine.tournament import replay, replay_all

__all__ = ["Cells", "complete_rows", "correlate", "neighbours", "pearson"]

IntArray = NDArray[np.int64]

_SUMS = 6
"""Sums of a pair of rows: cells, x, y, x^2, y^2 and xy."""

_DUST = 1e-15
"""Squared deviations, for each value and relative to the squares they are a difference of, that are rounding alone."""

_DIGIT = 1e-10
"""Correlations are counted in these: their last digits are rounding."""

_BLOCK = 256
"""Rows between two looks at the clock."""


class Cells(NamedTuple):
    """Known cells of a table, by row and by column, with values as deviations from the mean of their row.

    Attributes:
        row_start: Where each row begins among the cells by row, shape (rows + 1,).
        column: Column of each cell, by row.
        row_value: Deviation of each cell, by row.
        column_start: Where each column begins among the cells by column, shape (columns + 1,).
        row: Row of each cell, by column.
        column_value: Deviation of each cell, by column.
    """

    row_start: IntArray
    column: IntArray
    row_value: FloatArray
    column_start: IntArray
    row: IntArray
    column_value: FloatArray


def pearson(table: FloatArray) -> FloatArray:
    """Pearson correlation between rows over the columns both know, each with its mean over those columns.

    Args:
        table: Shape (rows, columns), NaN where unknown.

    Returns:
        Shape (rows, rows), in [-1, 1]; exactly 1 or -1 with two common columns, for two points lie on a line; 0 where
        fewer are common or one side does not vary, and on the diagonal.
    """
    cells, _ = _cells(table)
    sums = np.empty((len(table), _SUMS))
    out = np.empty((len(table), len(table)))
    fill = compiled(correlate)
    for row, target in enumerate(out):
        fill(cells, row, sums, target)
    return out


def neighbours(table: FloatArray, count: int, context: Context | None = None) -> FloatArray:
    """Mean of a row plus the weighted deviations of its most correlated rows from their means; NaN without any.

    Args:
        table: Shape (rows, columns), NaN where unknown.
        count: For each cell, the number of rows with the largest positive correlation that are asked, among those that
            know the column, and all whose correlation equals the last one's.
        context: Its time limit is kept.
    """
    cells, mean = _cells(table)
    out = np.empty(table.shape)
    fill = compiled(complete_rows)
    for first in range(0, len(table), _BLOCK):
        if context is not None:
            context.check_time()
        fill(cells, mean, count, first, out[first : first + _BLOCK])
    return out


def _cells(table: FloatArray) -> tuple[Cells, FloatArray]:
    """The known cells, and the mean of each row (the overall mean for a row without data)."""
    mask = np.isfinite(table)
    mean = mean_along(table[None], axis=2)[0][:, 0].copy()
    above = table - mean[:, None]
    rows, columns = np.nonzero(mask.T)[::-1]
    cells = Cells(
        _starts(mask.sum(axis=1)),
        np.nonzero(mask)[1],
        above[mask],
        _starts(mask.sum(axis=0)),
        rows,
        above[rows, columns],
    )
    return cells, mean


def _starts(counts: IntArray) -> IntArray:
    return np.concatenate([[0], np.cumsum(counts)])


@kernel
def correlate(cells: Cells, row: int, sums: FloatArray, out: FloatArray) -> None:
    """Correlations of one row with all rows.

    Args:
        cells: The table.
        row: The row.
        sums: Room for sums, shape (rows, 6); what is there is lost.
        out: Receives the correlations, shape (rows,).
    """
    sums[:] = 0.0
    for at in range(cells.row_start[row], cells.row_start[row + 1]):
        column, x = cells.column[at], cells.row_value[at]
        for place in range(cells.column_start[column], cells.column_start[column + 1]):
            other, y = cells.row[place], cells.column_value[place]
            sums[other, 0] += 1.0
            sums[other, 1] += x
            sums[other, 2] += y
            sums[other, 3] += x * x
            sums[other, 4] += y * y
            sums[other, 5] += x * y
    for other in range(len(out)):
        n = sums[other, 0]
        out[other] = 0.0
        if n < 2.0 or other == row:
            continue
        x, y = sums[other, 1], sums[other, 2]
        spread_x, spread_y = sums[other, 3] - x * x / n, sums[other, 4] - y * y / n
        # Differences of nearly equal sums leave dust where a row does not vary over the common columns.
        if spread_x <= _DUST * n * sums[other, 3] or spread_y <= _DUST * n * sums[other, 4]:
            continue
        found = (sums[other, 5] - x * y / n) / math.sqrt(spread_x * spread_y)
        # Rounding would break ties between neighbours that are all equally correlated, by the order of columns.
        found = math.copysign(1.0, found) if n == 2.0 else math.floor(found / _DIGIT + 0.5) * _DIGIT
        out[other] = min(1.0, max(-1.0, found))


@kernel
def complete_rows(cells: Cells, mean: FloatArray, count: int, begin: int, out: FloatArray) -> None:
    """Predictions of `neighbours` for the rows from `begin` on.

    Args:
        cells: The table.
        mean: Mean of each row.
        count: Neighbours that each cell asks.
        begin: The first row.
        out: Receives the predictions, shape (rows of this call, columns).
    """
    rows, columns = len(cells.row_start) - 1, len(cells.column_start) - 1
    sums, similarity = np.empty((rows, 6)), np.empty(rows)
    width = 1
    while width < rows:
        width *= 2
    order, who = np.empty(2 * width), np.empty(2 * width, np.int64)
    asked, least = np.empty(columns, np.int64), np.empty(columns)
    total, above = np.empty(columns), np.empty(columns)
    for row in range(begin, begin + len(out)):
        correlate(cells, row, sums, similarity)
        for leaf in range(width):
            order[width + leaf] = math.inf
            who[width + leaf] = leaf
            if leaf < rows and similarity[leaf] > 0.0:
                order[width + leaf] = -similarity[leaf]
        replay_all(order, who)
        asked[:] = 0
        total[:] = 0.0
        above[:] = 0.0
        waiting = columns
        last = 0.0
        while order[1] < 0.0 and (waiting > 0 or -order[1] >= last):
            weight, other = -order[1], who[1]
            for at in range(cells.row_start[other], cells.row_start[other + 1]):
                column = cells.column[at]
                if asked[column] >= count and weight < least[column]:
                    continue
                asked[column] += 1
                if asked[column] == count:
                    least[column] = weight
                    waiting -= 1
                    last = weight
                total[column] += weight
                above[column] += weight * cells.row_value[at]
            replay(order, who, width + other, math.inf, other)
        for column in range(columns):
            out[row - begin, column] = math.nan
            if total[column] > 0.0:
                out[row - begin, column] = mean[row] + above[column] / total[column]
