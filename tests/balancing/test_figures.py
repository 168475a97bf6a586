"""The domain's figures mark methods that reached no steady state, and say what their marks mean."""

from __future__ import annotations

from types import SimpleNamespace

import matplotlib.colors
import numpy as np
import polars as pl
import pytest

from qoslab import draw
from qoslab.core.registry import registry
from qoslab.domains.balancing import figures
from qoslab.report.figures import domain_figures
from qoslab.report.marks import with_caveats

MEANING = dict(registry.domain("balancing").caveats)["unsteady"]
LOADS = (0.5, 0.7, 0.9)
METHODS = ("random", "sed")
UNSTEADY = {(0.7, "random"), (0.9, "random")}


def _table(unsteady=frozenset(UNSTEADY), counts=(None,)):
    """Three seeds per cell, all with 10 * load * (1 + position of the method) + count / 100 as 99.9th percentile."""
    rows = [
        {"scenario": f"{load}/{count}", "load": load}
        | ({} if count is None else {"servers.count": count})
        | {"method": method, "replication": seed, "status": "done"}
        | {"response_time_p999_s": 10 * load * (1 + place) + (count or 0) / 100}
        | {"counter.unsteady": 1 if (load, method) in unsteady else None}
        for count in counts
        for load in LOADS
        for place, method in enumerate(METHODS)
        for seed in range(3)
    ]
    return pl.DataFrame(rows, schema_overrides={"counter.unsteady": pl.Int64})


def _series(name, **columns):
    parts = [
        pl.DataFrame(columns).select(
            *columns, scenario=pl.lit(f"{load}/None"), method=pl.lit(method), replication=pl.lit(0)
        )
        for load in LOADS
        for method in METHODS
    ]
    return {name: pl.concat(parts)}


def _hollow(figure):
    lines = figure.axes[0].lines
    return [line for line in lines if matplotlib.colors.to_hex(line.get_markerfacecolor()) == "#ffffff"]


def _footnote(figure):
    text = figure.get_supxlabel()
    return " ".join(text.split())


def _results(table, series):
    study = SimpleNamespace(domain="balancing")
    empty = pl.DataFrame({"scenario": [], "method": [], "replication": []})
    return SimpleNamespace(study=study, table=table, series=lambda name: series.get(name, empty))


SERIES = {
    "exceeded": ("response_time", {"share": [0.0, 0.5, 0.9], "response_time_s": [1.0, 2.0, 3.0]}),
    "fairness_over_time": ("fairness", {"time_s": [1.0, 2.0, 3.0], "jain": [0.5, 0.6, 0.7]}),
    "server_utilisation": ("servers", {"server": [0, 1], "utilisation": [0.5, 1.0]}),
}


def test_the_report_hands_the_caveats_to_the_figures():
    """The cells that the report marks in its own tables, with the domain's own words."""
    drawn = {one.name: one.figure for one in domain_figures(_results(_table(), {}))}
    (line,) = _hollow(drawn["tail-over-load"])
    assert np.asarray(line.get_xdata()).tolist() == [0.7, 0.9]
    np.testing.assert_allclose(line.get_ydata(), [7.0, 9.0])
    assert (
        _footnote(drawn["tail-over-load"]) == f"Hollow markers: in most of its trials the method {MEANING}."
    )


def test_a_cell_is_marked_where_most_of_its_runs_are():
    """One of three runs is not most of them, two are."""
    table = _table(frozenset())
    for odd, marked in (([1, None, None], 0), ([1, None, 1], 1)):
        column = pl.Series("counter.unsteady", [*odd, *[None] * (len(table) - 3)], dtype=pl.Int64)
        rows = with_caveats(table.with_columns(column), "balancing")
        assert len(_hollow(figures.tail_over_load(rows, {}))) == marked
        assert rows["caveat"].drop_nulls().to_list() == [MEANING] * 3 * marked


@pytest.mark.parametrize("name", SERIES)
def test_figures_of_the_heaviest_case_put_a_sign_behind_the_name(name):
    needed, columns = SERIES[name]
    figure = getattr(figures, name)(with_caveats(_table(), "balancing"), _series(needed, **columns))
    names = draw.attached(figure).to_series().unique(maintain_order=True).to_list()
    assert names == ["random †", "sed"]
    assert _footnote(figure) == f"Shown is 0.9/None. †: in most of its trials the method {MEANING}."


@pytest.mark.parametrize("name", SERIES)
def test_the_case_of_highest_load_is_shown_wherever_the_grid_names_it(name):
    """A grid of falling loads ends with the lowest one."""
    needed, columns = SERIES[name]
    series = {needed: _series(needed, **columns)[needed].reverse()}
    figure = getattr(figures, name)(with_caveats(_table(frozenset()).reverse(), "balancing"), series)
    assert _footnote(figure) == "Shown is 0.9/None."


@pytest.mark.parametrize("name", SERIES)
def test_a_caveat_of_another_case_is_none_of_theirs(name):
    needed, columns = SERIES[name]
    rows = with_caveats(_table(frozenset({(0.5, "sed")})), "balancing")
    figure = getattr(figures, name)(rows, _series(needed, **columns))
    assert _footnote(figure) == "Shown is 0.9/None."
    assert draw.attached(figure).to_series().unique(maintain_order=True).to_list() == ["random", "sed"]


@pytest.mark.parametrize("rows", [_table(), with_caveats(_table(frozenset()), "balancing")])
def test_without_caveats_nothing_is_marked(rows):
    """So it is, too, for a table as a study leaves it, drawn in a notebook."""
    figure = figures.tail_over_load(rows, {})
    assert not _hollow(figure)
    assert not _footnote(figure)


def test_of_a_grid_over_other_fields_the_first_values_are_shown():
    """Means over cases of different size would be of nothing, and their intervals of no seeds."""
    figure = figures.tail_over_load(with_caveats(_table(counts=(16, 64)), "balancing"), {})
    random = draw.attached(figure).filter(pl.col("label") == "random")
    np.testing.assert_allclose(random["value"], [5.16, 7.16, 9.16])
    np.testing.assert_allclose(random["high"] - random["low"], 0.0, atol=1e-9)
    assert figure.axes[0].get_xlabel() == "load (servers.count = 16)"


def test_a_footnote_is_broken_to_the_width_of_its_figure():
    """No line leaves the figure, and the axes end above the sentence."""
    figure = draw.footnote(draw.bars(["a", "b"], [1.0, 2.0]), f"†: {MEANING}, " * 4)
    figure.draw_without_rendering()
    (note,) = [text for text in figure.texts if text.get_text().startswith("†")]
    box = note.get_window_extent()
    assert "\n" in note.get_text()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1
    assert box.y1 < figure.axes[0].get_window_extent().y0
