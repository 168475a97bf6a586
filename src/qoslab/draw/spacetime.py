"""Space-time diagram: stations side by side, time upwards, what travels between them as slanted lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from qoslab.draw.curves import plain
from qoslab.draw.palette import FAINT, Look, looks
from qoslab.draw.style import Width, attach, legend, new_figure, style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Travel", "space_time"]


class Travel(NamedTuple):
    """Something that leaves one station and reaches another, or stays (a stored state) between two times.

    Attributes:
        kind: What it is; each kind has its look.
        origin: Index of the station it leaves.
        start: When.
        target: Index of the station it reaches; the origin for something stored.
        end: When.
    """

    kind: str
    origin: int
    start: float
    target: int
    end: float


def space_time(
    stations: Sequence[str],
    travels: Sequence[Travel],
    *,
    positions: Sequence[float] | None = None,
    xlabel: str = "",
    ylabel: str = "time (s)",
    styles: Mapping[str, Look] | None = None,
    width: Width = "middle",
) -> Figure:
    """Messages, photons or stored states between stations on a line.

    Args:
        stations: Names of the stations, from left to right.
        travels: What moved or was stored; stored ones are drawn thick.
        positions: Where the stations stand; evenly spaced where None.
        xlabel: Name of the positions, with its unit.
        ylabel: Name of the time axis.
        styles: Looks by kind; by position where None.
        width: Width of the figure.
    """
    import polars as pl

    x = list(positions) if positions is not None else [float(i) for i in range(len(stations))]
    kinds = list(dict.fromkeys(travel.kind for travel in travels))
    known = styles or looks(kinds)
    named: set[str] = set()
    with style():
        figure, (axes,) = new_figure(width, aspect=0.8)
        for place in x:
            axes.axvline(place, color=FAINT, linewidth=0.8)
        for travel in travels:
            look, stored = known[travel.kind], travel.origin == travel.target
            axes.plot(
                [x[travel.origin], x[travel.target]],
                [travel.start, travel.end],
                color=look.colour,
                linestyle="-" if stored else look.dash,
                linewidth=3.0 if stored else 1.2,
                solid_capstyle="butt",
                label=plain(travel.kind) if travel.kind not in named else "_nolegend_",
            )
            named.add(travel.kind)
        axes.set_xticks(x, [plain(name) for name in stations])
        axes.grid(visible=False, axis="x")
        axes.set(xlabel=xlabel, ylabel=ylabel)
        legend(figure, axes)
    rows = [(t.kind, stations[t.origin], t.start, stations[t.target], t.end) for t in travels]
    schema = {"kind": pl.String, "from": pl.String, "start": pl.Float64, "to": pl.String, "end": pl.Float64}
    return attach(figure, pl.DataFrame(rows, schema=schema, orient="row"))
