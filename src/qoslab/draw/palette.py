"""Colours that most eyes can tell apart, with a marker and a dash for those that cannot.

The hues are Okabe and Ito's (2008), without black and yellow, which vanish on a dark or a white page, and with a
violet, an olive and a grey of ours between them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["COLOURS", "FAINT", "INK", "Look", "looks"]

INK = "#3b4252"
"""Text and axes; becomes the page's own text colour where a figure stands inside a page."""

FAINT = "#9aa0ab"
"""Grids and reference lines: visible on white and on black."""

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5fc7", "#8c8c3c")

_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
Dash = str | tuple[int, tuple[float, ...]]
DASHES: tuple[Dash, ...] = (
    "-",
    (0, (5.0, 1.5)),
    (0, (1.5, 1.2)),
    (0, (6.0, 1.5, 1.5, 1.5)),
    (0, (3.0, 1.2)),
)


class Look(NamedTuple):
    """How one method is drawn in every figure of a report.

    Attributes:
        colour: Hex colour.
        marker: Matplotlib marker.
        dash: Matplotlib line style.
    """

    colour: str
    marker: str
    dash: Dash


def looks(labels: Iterable[str]) -> dict[str, Look]:
    """One look per label, by position: pass all of a study's methods, in its order, for every figure.

    The cycles have lengths 8, 9 and 5, so that 360 labels differ, and neighbours differ in all three.

    Args:
        labels: Labels; repeated ones count once.
    """
    found: dict[str, Look] = {}
    for label in labels:
        if label not in found:
            i = len(found)
            found[label] = Look(
                COLOURS[i % len(COLOURS)], _MARKERS[i % len(_MARKERS)], DASHES[i % len(DASHES)]
            )
    return found
