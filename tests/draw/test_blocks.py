"""Building blocks: what is drawn is what was given, no global state, the same bytes every time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import polars as pl
import pytest

from qoslab import draw
from qoslab.draw.spacetime import Travel

RNG = np.random.default_rng(0)
X = np.array([0.5, 0.7, 0.9])
BLOCKS: dict[str, Callable[[], Any]] = {
    "lines": lambda: draw.lines(
        X, {"a": draw.Band(X, X - 0.1, X + 0.1), "_b$x$": draw.Band(2 * X)}, log_y=True
    ),
    "names": lambda: draw.lines(
        ["p", "q"], {"a": draw.Band([1, 2], [0.5, 1], [2, 3]), "b": draw.Band([2.0, np.nan])}
    ),
    "time": lambda: draw.time_series(np.arange(5000), {"a": np.arange(5000.0)}, events={"fails": 100.0}),
    "convergence": lambda: draw.convergence(
        np.arange(1, 50), {"a": 1 / np.arange(1, 50), "b": np.zeros(49)}, log_x=True, slope=-1
    ),
    "panels": lambda: draw.panels(
        {f"course {i}": draw.Course([1, 2], {"a": [i, 2], "$b" if i else "c": [1, i]}) for i in range(4)}
        | {"in fractions": draw.Course([0.5, 1.5], {"a": [0.25, np.nan]})}
    ),
    "cdf": lambda: draw.distribution({"a": [3.0, 1.0, 2.0], "none": []}),
    "ccdf": lambda: draw.distribution({"a": np.arange(1, 2000.0)}, tail=True, log_x=True),
    "bars": lambda: draw.bars(["a", "b"], [1.0, 2.0], [0.5, -np.inf], [1.5, np.inf]),
    "forest": lambda: draw.forest(
        ["a", "b"], [1.0, np.nan], [0.5, -np.inf], [np.inf, np.inf], groups=["x", "y"], solid=[True, False]
    ),
    "forest-log": lambda: draw.forest(
        ["a", "b"], [0.5, 200.0], [-0.1, 100.0], [0.9, np.inf], groups=["x", "x"], reference=1.0, log=True
    ),
    "heat": lambda: draw.heat_map([[1.0, np.nan], [2.0, 3.0]], ["r", "s"], ["t", "u"], centre=2.0),
    "heat-empty": lambda: draw.heat_map([[np.nan]], ["r"], ["t"]),
    "network": lambda: draw.network_map(
        [[0, 0], [1, 1], [2, 0]],
        [[0, 1], [1, 2]],
        names=["A", "B", "C"],
        link_values=[0.1, 0.9],
        node_values=[0, 1, 2],
    ),
    "network-bare": lambda: draw.network_map(np.empty((0, 2)), np.empty((0, 2)), geographic=True),
    "space-time": lambda: draw.space_time(
        ["A", "B"], [Travel("photon", 0, 0, 1, 1), Travel("memory", 1, 1, 1, 3)]
    ),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_saved_twice_the_same_bytes_and_no_trace_of_when_or_where(name: str, tmp_path: Path) -> None:
    first = draw.save(BLOCKS[name](), tmp_path / "a" / name)
    second = draw.save(BLOCKS[name](), tmp_path / "b" / name)
    assert [path.suffix for path in first] == [".pdf", ".svg", ".csv"]
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()
    pdf = first[0].read_bytes()
    assert pdf.startswith(b"%PDF")
    assert b"CreationDate" not in pdf
    assert b"<dc:date>" not in first[1].read_bytes()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == sorted(
        f"{name}.{e}" for e in ("csv", "pdf", "svg")
    )


@pytest.mark.parametrize("name", BLOCKS)
def test_drawing_leaves_no_global_state(name: str) -> None:
    before = dict(mpl.rcParams)
    BLOCKS[name]()
    assert dict(mpl.rcParams) == before
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_type_is_embedded(tmp_path: Path) -> None:
    pdf, svg, _ = draw.save(BLOCKS["lines"](), tmp_path / "f")
    assert b"/FontFile2" in pdf.read_bytes()
    assert b"/Type3" not in pdf.read_bytes()
    assert b"<text" not in svg.read_bytes()


def test_lines_draw_the_numbers_and_keep_them() -> None:
    figure = draw.lines(X, {"a": draw.Band(X, X - 0.1, X + 0.1), "b": draw.Band(2 * X)}, xlabel="load")
    by_label = {line.get_label(): line.get_ydata() for line in figure.axes[0].get_lines()}
    assert by_label["a"].tolist() == X.tolist()
    assert by_label["b"].tolist() == (2 * X).tolist()
    data = draw.attached(figure)
    assert data is not None
    assert data.filter(pl.col("label") == "a")["low"].to_list() == (X - 0.1).tolist()
    assert data.columns == ["label", "load", "value", "low", "high"]


def test_panels_of_whole_numbers_and_fractions_keep_them() -> None:
    """A course without quantities has no panel."""
    figure = draw.panels(
        {
            "whole": draw.Course([1, 2], {"a": [3, 4]}),
            "none": draw.Course([1, 2], {}),
            "parts": draw.Course([0.5], {"a": [0.25]}),
        },
        xlabel="step",
    )
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["whole", "parts"]
    rows = draw.attached(figure).select("panel", "step", "value").rows()
    assert rows == [("whole", 1.0, 3.0), ("whole", 2.0, 4.0), ("parts", 0.5, 0.25)]


@pytest.mark.parametrize("courses", [{}, {"none": draw.Course([1, 2], {})}])
def test_panels_of_nothing_are_refused(courses: dict[str, draw.Course]) -> None:
    with pytest.raises(ValueError, match="courses: there is none with a quantity"):
        draw.panels(courses)


def test_labels_are_taken_literally() -> None:
    figure = BLOCKS["lines"]()
    assert len(figure.legends[0].get_texts()) == 2, "a leading underscore hides nothing"


def test_distribution_is_right() -> None:
    data = draw.attached(draw.distribution({"a": [3.0, 1.0, 2.0, 2.0]}, xlabel="x"))
    assert data is not None
    assert data["x"].to_list() == [1.0, 2.0, 2.0, 3.0]
    assert data["share"].to_list() == [0.25, 0.5, 0.75, 1.0]
    tail = draw.attached(draw.distribution({"a": RNG.exponential(size=100_000)}, tail=True, xlabel="x"))
    assert tail is not None
    assert tail.height <= 400
    assert tail["share"].min() == pytest.approx(1e-5)
    expected = np.exp(-tail["x"].to_numpy())
    near = tail["share"].to_numpy() > 1e-3
    assert np.allclose(tail["share"].to_numpy()[near], expected[near], rtol=0.2)


def test_convergence_leaves_out_what_has_no_logarithm() -> None:
    data = draw.attached(draw.convergence([1, 2, 3], {"a": [1.0, 0.0, -1.0]}))
    assert data is not None
    assert np.isnan(data["value"].to_numpy()).tolist() == [False, True, True]


def test_long_series_are_thinned_but_keep_their_ends() -> None:
    data = draw.attached(draw.time_series(np.arange(100_000), {"a": np.arange(100_000.0)}))
    assert data is not None
    assert data.height <= 2000
    assert (data["value"].min(), data["value"].max()) == (0.0, 99_999.0)


def test_a_bare_figure_saves_the_lines_found_in_it(tmp_path: Path) -> None:
    with draw.style():
        figure, (axes,) = draw.new_figure("column")
        axes.plot([1, 2], [3, 4], label="a")
        axes.plot([1, 2], [5, 6])
    table = pl.read_csv(draw.save(figure, tmp_path / "f")[2])
    assert table.rows() == [(0, "a", 1.0, 3.0), (0, "a", 2.0, 4.0)]


def test_svg_for_a_page_has_its_own_ids_and_the_pages_ink() -> None:
    text = draw.svg_text(BLOCKS["lines"](), prefix="fig-1", title="a < b & c")
    assert text.startswith("<svg")
    assert text.endswith("</svg>")
    assert "<title>a &lt; b &amp; c</title>" in text
    assert draw.INK not in text
    assert "currentColor" in text
    ids = [part.split('"')[0] for part in text.split(' id="')[1:]]
    assert ids
    assert all(name.startswith("fig-1-") for name in ids)
    for used in [part.split('"')[0] for part in text.split('href="#')[1:]]:
        assert used in ids


def test_importing_draw_loads_no_matplotlib() -> None:
    code = "import sys, qoslab.draw; sys.exit(any(m.split('.')[0] in {'matplotlib', 'polars'} for m in sys.modules))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_forest_of_ratios_shows_small_and_large_ones() -> None:
    figure = draw.forest(["a", "b"], [0.8, 150.0], [0.0, 120.0], [0.9, 170.0], reference=1.0, log=True)
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    low, high = axes.get_xlim()
    assert 0 < low < 0.8
    assert high > 170


@pytest.mark.parametrize(("reference", "parts"), [(0.0, 3), (10.0, 1)])
def test_headings_do_not_stand_on_the_line(reference: float, parts: int) -> None:
    """Two headings make a pause each where the line is on their side, and none where it is far from them."""
    figure = draw.forest(
        ["a", "b"], [9.0, 1.0], [8.0, 1.0], [10.0, 2.0], groups=["x", "y"], reference=reference
    )
    lines = figure.axes[0].collections[0].get_segments()
    assert len(lines) == parts
    assert all(line[0, 0] == reference for line in lines)


@pytest.mark.parametrize(("columns", "text"), [(4, "0.123"), (16, "0.12"), (60, None)])
def test_numbers_in_cells_have_the_figures_that_fit(columns: int, text: str | None) -> None:
    figure = draw.heat_map(np.full((1, columns), 0.12345), ["r"], [str(c) for c in range(columns)])
    written = [one.get_text() for one in figure.axes[0].texts]
    assert written == ([] if text is None else [text] * columns)


def test_a_straight_network_has_room_and_colours_begin_at_nothing() -> None:
    figure = draw.network_map([[0, 0], [1, 0], [4, 0]], [[0, 1], [1, 2]], link_values=[3.0, 3.0])
    axes = figure.axes[0]
    low, high = axes.get_ylim()
    assert high - low >= 1.2
    assert axes.collections[0].get_clim() == (0.0, 3.0)


@pytest.mark.parametrize("width", ["column", "middle", "page"])
def test_a_legend_of_long_names_stays_within_the_figure(width):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    names = ["row_stochastic_tracking", "row_stochastic_tracking, predicted", "frost", "frost, predicted"]
    names += ["negotiated, penalty 1000", "40 to the core, 60 to access", "push_pull", "x"]
    for labels in (names, names[4:], names[::-1], [name.upper() for name in names[:3]]):
        figure = draw.lines(X, {label: draw.Band(X) for label in labels}, width=width)
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        (legend,) = figure.legends
        assert legend.get_window_extent(canvas.get_renderer()).x1 <= figure.bbox.x1 + 1
    few = draw.lines(X, {label: draw.Band(X) for label in "abcd"}, width=width)
    assert few.legends[0]._ncols == 4
