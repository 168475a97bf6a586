"""Courses of the same quantities side by side, on one scale."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from qoslab.draw.curves import Band, draw_line, plain
from qoslab.draw.palette import looks
from qoslab.draw.style import attach, legend, new_figure, style

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

__all__ = ["Course", "panels"]

_BESIDE = 3
"""Panels in a row."""

_LETTERS = 34
"""Letters in a line of a panel's title."""


class Course(NamedTuple):
    """Quantities over one grid: the grid, shape (points,), and by label values of the same shape."""

    x: ArrayLike
    values: Mapping[str, ArrayLike]


def panels(courses: Mapping[str, Course], *, xlabel: str = "", ylabel: str = "") -> Figure:
    """One panel for each course, three in a row; a quantity has the same look in all, and all have one scale.

    Args:
        courses: By title; those without quantities have no panel, and one at least has some.
        xlabel: Name of the grid, with its unit.
        ylabel: Name of the quantities, with their unit.

    Raises:
        ValueError: No course has a quantity.
    """
    courses = {title: course for title, course in courses.items() if course.values}
    if not courses:
        message = "courses: there is none with a quantity, so that nothing can be drawn"
        raise ValueError(message)
    known = looks(dict.fromkeys(label for course in courses.values() for label in course.values))
    beside = min(_BESIDE, len(courses))
    rows = -(-len(courses) // beside)
    with style():
        figure, axes = new_figure(
            "page", aspect=0.04 + 0.36 * rows, rows=rows, columns=beside, sharex=True, sharey=True
        )
        for place, (title, (x, values)) in enumerate(courses.items()):
            grid = np.asarray(x, dtype=np.float64)
            for label, look in known.items():  # what a course lacks is an empty line: the legend needs it
                value = values.get(label, np.full(grid.size, np.nan))
                draw_line(axes[place], grid, label, Band(value), look, marks=False)
            axes[place].set_title(plain(textwrap.fill(title, _LETTERS)), loc="left")
            last, first = place + beside >= len(courses), place % beside == 0
            axes[place].tick_params(labelbottom=last)
            axes[place].set(xlabel=xlabel if last else "", ylabel=ylabel if first else "")
        for unused in axes[len(courses) :]:
            unused.remove()
        legend(figure, axes[0])
    return attach(figure, _tidy(courses, xlabel or "x"))


def _tidy(courses: Mapping[str, Course], name: str) -> pl.DataFrame:
    import polars as pl

    parts = [
        pl.DataFrame(
            {
                "panel": title,
                "label": label,
                name: np.asarray(x, dtype=np.float64),
                "value": np.asarray(value, dtype=np.float64),
            }
        )
        for title, (x, values) in courses.items()
        for label, value in values.items()
    ]
    return pl.concat(parts)
