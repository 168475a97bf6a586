"""Figures for papers and pages: palette, style, building blocks, saving.

Every building block takes plain arrays, returns a `matplotlib.figure.Figure` and leaves no global state behind.
Matplotlib is imported when a figure is drawn, not when this package is.
"""

from qoslab.draw.bars import bars, forest
from qoslab.draw.curves import Band, convergence, lines, time_series
from qoslab.draw.distribution import distribution
from qoslab.draw.heat import heat_map
from qoslab.draw.network import network_map
from qoslab.draw.palette import INK, Look, looks
from qoslab.draw.panels import Course, panels
from qoslab.draw.save import save, svg_text
from qoslab.draw.spacetime import space_time
from qoslab.draw.style import attach, attached, footnote, new_figure, style

__all__ = [
    "INK",
    "Band",
    "Course",
    "Look",
    "attach",
    "attached",
    "bars",
    "convergence",
    "distribution",
    "footnote",
    "forest",
    "heat_map",
    "lines",
    "looks",
    "network_map",
    "new_figure",
    "panels",
    "save",
    "space_time",
    "style",
    "svg_text",
    "time_series",
]
