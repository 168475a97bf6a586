"""Figures show the numbers of the table and of the series, and nothing where there are none."""

import numpy as np
import polars as pl
import pytest

from qoslab.domains.optimization.figures import budgets, convergence, protection

pytest.importorskip("matplotlib")


def lines(figure):
    return {line.get_label(): [float(y) for y in line.get_ydata()] for line in figure.axes[0].lines}


def test_budgets_of_the_first_agent_stand_beside_the_optimal_one():
    steps = pl.DataFrame(
        {"round": [0, 1, 2] * 2, "agent": [0] * 3 + [1] * 3, "decision": [0.4, 0.5, 0.6, 9.0, 9.0, 9.0]}
    )
    steps = steps.with_columns(
        scenario=pl.lit("s"),
        method=pl.lit("negotiated"),
        replication=pl.lit(0),
        entry=pl.lit(0),
        optimal=pl.Series([0.7, 0.7, 0.8] * 2),
    )
    found = list(lines(budgets(steps.head(0), {"decisions": steps})).values())
    assert [0.4, 0.5, 0.6] in found
    assert [0.7, 0.7, 0.8] in found
    assert not any(9.0 in values for values in found)
    assert budgets(steps, {"decisions": steps.head(0)}) is None


def test_protection_is_the_mean_over_seeds_at_each_probability():
    rows = pl.DataFrame(
        {
            "eavesdropper.interception": [0.1, 0.1, 0.9, 0.9],
            "method": ["extra"] * 4,
            "protection_of_innovations": [0.8, 0.6, 0.2, 0.1],
            "protection_of_states_scaled": [0.3, 0.1, 0.0, 0.0],
        }
    )
    drawn = [value for value in lines(protection(rows, {})).values() if len(value) == 2]
    assert drawn == [pytest.approx([0.7, 0.15]), pytest.approx([0.2, 0.0])]
    noisy = pl.concat([rows.with_columns(privacy=pl.lit("none")), rows.with_columns(privacy=pl.lit("much"))])
    values = pl.Series([*noisy["protection_of_innovations"][:4], 9.0, 9.0, 9.0, 9.0])
    noisy = noisy.with_columns(protection_of_innovations=values).select("privacy", *rows.columns)
    assert [9.0, 9.0] not in lines(protection(noisy, {})).values()
    without = rows.drop("protection_of_states_scaled")
    assert [v for v in lines(protection(without, {})).values() if len(v) == 2] == [pytest.approx([0.7, 0.15])]
    assert protection(rows.head(2), {}) is None
    assert protection(rows.drop("eavesdropper.interception"), {}) is None


def test_protection_holds_what_else_varies_and_says_so():
    """Nodes 10 keep 0.9 and 0.8, nodes 40 keep 0.1 and 0.0: the mean of both, 0.5 and 0.4, is of no network."""
    rows = pl.DataFrame(
        {
            "scenario": ["a", "b", "c", "d"],
            "nodes": [10, 10, 40, 40],
            "eavesdropper.interception": [0.1, 0.9] * 2,
            "method": ["extra"] * 4,
            "protection_of_innovations": [0.9, 0.8, 0.1, 0.0],
        }
    )
    figure = protection(rows, {})
    assert [v for v in lines(figure).values() if len(v) == 2] == [[0.9, 0.8]]
    assert figure.axes[0].get_xlabel() == "probability of interception\n(nodes = 10)"
    assert protection(rows[1:], {}) is None


def test_predictions_end_where_rounding_stopped_the_error():
    steps = pl.DataFrame(
        {"round": [0, 1, 2, 3], "error": [1.0, 1e-8, 1e-15, 1e-15], "predicted": [1.0, 1e-8, 1e-16, 1e-24]}
    ).with_columns(scenario=pl.lit("s"), method=pl.lit("fast"), replication=pl.lit(0))
    figure = convergence(steps, {"convergence": steps})
    first, second = figure.axes[0].lines
    assert list(first.get_ydata()) == [1.0, 1e-8, 1e-15, 1e-15]
    np.testing.assert_array_equal(second.get_ydata(), [1.0, 1e-8, np.nan, np.nan])
    assert first.get_color() != second.get_color()
