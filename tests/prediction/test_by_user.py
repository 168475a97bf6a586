"""Differences user by user against numbers worked out by hand, and their intervals against chance."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import ttest_1samp

from qoslab.domains.prediction.by_user import user_differences
from qoslab.domains.prediction.figures import paired_by_user
from qoslab.draw.style import attached


def errors(**by_method):
    """One scenario; per method an array of shape (splits, parameters, users)."""
    parts = []
    for method, values in by_method.items():
        for (r, p, u), mae in np.ndenumerate(np.asarray(values, float)):
            parts.append(("", method, r, f"q{p}", u, mae))
    columns = ["scenario", "method", "replication", "parameter", "user", "mae"]
    return pl.DataFrame(parts, schema=columns, orient="row")


def test_differences_are_in_units_of_the_best_methods_mean():
    """Parameters of unlike size: best 1 and 10, rival 20 % and 40 % above; on average 30 %."""
    best = np.array([[[0.5, 1.5], [5.0, 15.0]]])
    rival = best + np.array([[[0.2], [4.0]]])
    row = user_differences(errors(rival=rival, best=best)).row(0, named=True)
    assert (row["best"], row["method"], row["users"], row["splits"]) == ("best", "rival", 2, 1)
    assert row["difference"] == pytest.approx(0.3)
    assert row["high"] - row["low"] == pytest.approx(0.0, abs=1e-12)


def test_the_interval_is_students_over_users():
    rng = np.random.default_rng(0)
    best = rng.random((3, 1, 12)) + 1.0
    rival = best + 0.1 + 0.3 * rng.standard_normal((3, 1, 12))
    row = user_differences(errors(best=best, rival=rival)).row(0, named=True)
    assert row["best"] == "best"
    by_user = ((rival - best) / best.mean())[:, 0].mean(axis=0)
    low, high = ttest_1samp(by_user, 0).confidence_interval(0.95)
    assert (row["low"], row["high"]) == pytest.approx((low, high))


def test_methods_are_paired_where_both_were_run():
    best, rival = np.ones((2, 1, 4)), np.full((1, 1, 4), 1.5)
    row = user_differences(errors(best=best, rival=rival)).row(0, named=True)
    assert (row["splits"], row["users"]) == (1, 4)
    assert row["difference"] == pytest.approx(0.5)


def test_the_figure_names_the_best_and_draws_the_rest():
    best = np.ones((1, 1, 4))
    table = errors(near=best * 1.1, best=best, far=best * 2.0)
    figure = paired_by_user(pl.DataFrame(), {"user_errors": table})
    data = str(attached(figure).to_dicts())
    assert "near" in data
    assert "far" in data
    assert "above best" in figure.axes[0].get_xlabel()
    assert paired_by_user(pl.DataFrame(), {"user_errors": errors(one=best)}) is None
