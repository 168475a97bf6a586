"""Figures hold the numbers of the table, leave out what is not there, and say so by None."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import t

from qoslab.domains.prediction.figures import (
    coverage,
    error_by_density,
    paired_by_user,
    routing,
    task_losses,
    task_weights,
)
from qoslab.draw.palette import COLOURS
from qoslab.draw.style import attached


def table():
    cells = [(d, m, r) for d in (0.05, 0.1) for m in ("a", "b") for r in range(3)]
    nmae = [d + (m == "b") + 0.01 * r for d, m, r in cells]
    density, method, replication = zip(*cells, strict=True)
    rows = pl.DataFrame({"density": density, "method": method, "replication": replication, "nmae": nmae})
    return rows.with_columns(
        (pl.col("nmae") - 0.04).alias("nmae[rt]"), (pl.col("nmae") + 0.04).alias("nmae[tp]")
    )


def test_intervals_of_errors_are_students():
    data = attached(error_by_density(table(), {}))
    row = data.row(0, named=True)
    half = t.ppf(0.975, 2) * 0.01 / np.sqrt(3)
    numbers = [value for value in row.values() if isinstance(value, float)]
    for expected in (0.05, 0.02, 0.02 - half, 0.02 + half):
        assert any(number == pytest.approx(expected) for number in numbers), (row, expected)
    assert len(data) == 8, "two methods, two parameters, two densities"


def test_a_method_has_one_colour_and_a_parameter_one_dash():
    lines = {line.get_label(): line for line in error_by_density(table(), {}).axes[0].get_lines()}
    assert lines["a rt"].get_color() == lines["a tp"].get_color() != lines["b rt"].get_color()
    assert lines["a rt"].get_linestyle() == lines["b rt"].get_linestyle() != lines["a tp"].get_linestyle()


def test_methods_that_share_a_colour_elsewhere_do_not_here():
    """The ninth method of a study has the first one's colour, and dashes are the parameters'."""
    worse = [table().with_columns(pl.lit(f"m{i}").alias("method"), pl.col("^nmae.*$") + 9) for i in range(7)]
    first, ninth = (
        table().filter(pl.col("method") == "a").with_columns(pl.lit(m).alias("method")) for m in "az"
    )
    drawn = error_by_density(pl.concat([first, *worse, ninth]), {}).axes[0].get_lines()
    colours = {line.get_label(): line.get_color() for line in drawn}
    assert colours["a rt"] == COLOURS[0]
    assert colours["z rt"] == colours["z tp"] != colours["a rt"]


def test_only_the_best_methods_are_drawn():
    error = [float(i) for i in range(12) for _ in range(2)]
    rows = pl.DataFrame(
        {
            "density": [0.1, 0.2] * 12,
            "method": [f"m{i:02}" for i in range(12) for _ in range(2)],
            "nmae": error,
            "nmae[rt]": error,
            "nmae[tp]": error,
        }
    )
    text = str(attached(error_by_density(rows, {})).to_dicts())
    assert "m03" in text
    assert "m04" not in text


def test_one_parameter_has_the_error_of_the_table():
    assert error_by_density(table().drop("nmae[tp]"), {}) is None


def test_one_density_is_no_line():
    assert error_by_density(table().filter(pl.col("density") == 0.1), {}) is None
    assert error_by_density(table().drop("density"), {}) is None


def test_coverage_by_method_and_parameter():
    rows = pl.DataFrame(
        {"method": ["c", "c", "plain"], "coverage[rt]": [0.9, 0.92, None], "coverage[tp]": [0.8, 0.8, None]}
    )
    data = str(attached(coverage(rows, {})).to_dicts())
    assert "c rt" in data
    assert "0.91" in data
    assert "plain" not in data
    assert coverage(table(), {}) is None


def of_two_sizes():
    """A study over densities and numbers of parameters, of which the second errs three more."""
    small = table().insert_column(0, pl.lit(2).alias("data.parameters"))
    small = small.with_columns(pl.lit(None, pl.Float64).alias("nmae[x]"))
    large = small.with_columns(
        pl.lit(16).alias("data.parameters"),
        pl.col("nmae", "nmae[rt]", "nmae[tp]") + 3,
        pl.lit(1.0).alias("nmae[x]"),
    )
    return pl.concat([small.cast(large.schema), large]).with_columns(
        (0.9 + pl.col("replication") / 100 - (pl.col("nmae") > 3) / 2).alias("coverage[rt]")
    )


def test_nothing_is_averaged_over_what_else_varies():
    """Of two numbers of parameters the first is drawn, and named; so is the first density where none is on an axis."""
    figure = error_by_density(of_two_sizes(), {})
    assert attached(figure).rows() == attached(error_by_density(table(), {})).rows()
    assert figure.axes[0].get_xlabel().endswith("(data.parameters = 2)")
    found = coverage(of_two_sizes(), {})
    assert (
        found.axes[0]
        .get_xlabel()
        .startswith("share of values inside their intervals at data.parameters = 2, density = 0.05")
    )
    numbers = [value for row in attached(found).rows() for value in row if isinstance(value, float)]
    assert sum(number == pytest.approx(0.91) for number in numbers) == 2
    assert min(numbers) > 0.8


def colours(figure):
    """The colour of each line that is drawn."""
    return [str(line.get_color()) for line in figure.axes[0].get_lines()]


def test_a_method_has_one_colour_in_all_figures():
    """The study's order counts: b comes first, errs more, has no intervals, and keeps the first colour to itself."""
    rows = pl.concat([table().filter(pl.col("method") == m) for m in ("b", "a")])
    assert (
        colours(error_by_density(rows, {})) == [COLOURS[1]] * 2 + [COLOURS[0]] * 2
    )  # a errs less and is drawn first
    told = rows.with_columns(pl.when(pl.col("method") == "a").then(0.9).alias("coverage[rt]"))
    assert set(colours(coverage(told, {}))) == {COLOURS[1]}
    one = pl.DataFrame({"scenario": "", "method": ["b", "a"], "replication": 0, "parameter": "q0"})
    errors = pl.concat([one.with_columns(user=pl.lit(u), mae=pl.Series([2.0 + u, 1.0])) for u in range(3)])
    assert set(colours(paired_by_user(rows, {"user_errors": errors}))) == {COLOURS[0]}
    turned = errors.with_columns(mae=1 / pl.col("mae"))
    assert set(colours(paired_by_user(rows, {"user_errors": turned}))) == {COLOURS[1]}


def course(**columns):
    place = {"scenario": [""] * 2, "method": ["s"] * 2, "replication": [0] * 2, "step": [5, 10]}
    return {"training": pl.DataFrame(place | columns)}


def test_courses_show_one_run_task_by_task():
    series = course(
        **{
            "loss[rt]": [0.5, 0.4],
            "weight[rt]": [1.0, 1.1],
            "open[rt]": [1.0, 0.5],
            "entropy[rt]": [1.0, 0.9],
        }
    )
    second = series["training"].with_columns(replication=pl.lit(1), step=pl.col("step") * 100)
    both = {"training": pl.concat([series["training"], second.cast(series["training"].schema)])}
    for figure, words in (
        (routing, ("open[rt]", "entropy[rt]")),
        (task_weights, ("weight[rt]",)),
        (task_losses, ("loss[rt]",)),
    ):
        data = attached(figure(pl.DataFrame(), both))
        assert all(word in str(data.to_dicts()) for word in words)
        assert "500" not in str(data.to_dicts())


def test_courses_of_several_methods_and_scenarios_stand_side_by_side():
    """A parameter alone beside itself among others: where its loss ends lower alone, transfer is negative."""
    alone = course(**{"loss[rt]": [0.5, 0.3], "loss[tp]": [None, None]})["training"].cast({"loss[tp]": float})
    both = course(**{"loss[rt]": [0.5, 0.4], "loss[tp]": [0.8, 0.7]})["training"]
    named = [one.with_columns(scenario=pl.lit(name)) for one, name in ((alone, "rt"), (both, "rt, tp"))]
    figure = task_losses(pl.DataFrame(), {"training": pl.concat(named)})
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["rt", "rt, tp"]
    assert figure.axes[0].get_ylabel() == "loss"  # over the mean only where values are scaled by it
    data = attached(figure)
    last = data.filter(pl.col("step") == 10).select("panel", "label", "value").rows()
    assert last == [("rt", "loss[rt]", 0.3), ("rt, tp", "loss[rt]", 0.4), ("rt, tp", "loss[tp]", 0.7)]
    methods = pl.concat([both, both.with_columns(method=pl.lit("t"))])
    assert attached(task_losses(pl.DataFrame(), {"training": methods}))[
        "panel"
    ].unique().sort().to_list() == [
        "s",
        "t",
    ]


def test_a_course_is_that_of_the_first_replication_that_it_has():
    """The first trial of a method may have failed."""
    both = course(**{"loss[rt]": [0.5, 0.4]})["training"]
    later = [both.with_columns(replication=pl.lit(r), method=pl.lit("t")) for r in (2, 3)]
    later[1] = later[1].with_columns(pl.col("loss[rt]") + 9)
    table = pl.concat([both.cast(later[0].schema), *later])
    data = attached(task_losses(pl.DataFrame(), {"training": table}))
    assert data.select("panel", "value").rows() == [("s", 0.5), ("s", 0.4), ("t", 0.5), ("t", 0.4)]


@pytest.mark.parametrize(
    ("count", "note"), [(12, ""), (13, "1 more is not shown"), (15, "3 more are not shown")]
)
def test_panels_that_are_not_shown_are_counted(count, note):
    one = course(**{"loss[rt]": [0.5, 0.4]})["training"]
    methods = pl.concat([one.with_columns(method=pl.lit(f"m{i}")) for i in range(count)])
    silent = one.with_columns(pl.lit(None, pl.Float64).alias("loss[rt]"), method=pl.lit("silent"))
    figure = task_losses(pl.DataFrame(), {"training": pl.concat([silent, methods])})
    assert [axes.get_title(loc="left") for axes in figure.axes] == [f"m{i}" for i in range(12)]
    assert figure.get_supxlabel() == note


def test_methods_that_do_not_train_have_no_course():
    assert routing(pl.DataFrame(), course()) is None
    assert routing(pl.DataFrame(), {"training": course(**{"open[rt]": [None, None]})["training"]}) is None
