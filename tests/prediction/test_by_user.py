"""Differences user by user against numbers worked out by hand, and their intervals against chance."""

import json

import numpy as np
import polars as pl
import pytest
from scipy.stats import ttest_1samp

from qoslab.app.main import main
from qoslab.core.errors import BadInput
from qoslab.domains.prediction.by_user import paired, user_differences
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


def test_parameters_count_alike_where_a_user_lacks_one_in_a_split():
    """The rival errs twice as much in q0 and as much in q1; the first user was not asked for q1 in the second split."""
    best = np.ones((2, 2, 3))
    table = errors(best=best, rival=best * np.array([[[2.0], [1.0]]]))
    lacks = (pl.col("user") == 0) & (pl.col("replication") == 1) & (pl.col("parameter") == "q1")
    (row,) = user_differences(table.filter(~lacks)).to_dicts()
    assert row["difference"] == pytest.approx(0.5)
    assert row["high"] - row["low"] == pytest.approx(0.0, abs=1e-12)


def test_files_of_single_precision_are_averaged_in_double():
    rng = np.random.default_rng(0)
    short = errors(best=rng.random((3, 2, 40)), rival=rng.random((3, 2, 40)) + 1).cast({"mae": pl.Float32})
    assert user_differences(short).equals(user_differences(short.cast({"mae": pl.Float64})))


def test_who_missed_the_hard_split_is_not_the_best_for_that():
    """Error 1 in the first split and 9 in the second, of which `lucky` has the first alone; there `best` is better."""
    hard = np.array([[[1.0] * 4], [[9.0] * 4]])
    table = errors(best=hard, lucky=hard[:1] + 0.5, third=hard * 1.1)
    found = {row["method"]: row for row in user_differences(table).to_dicts()}
    assert {row["best"] for row in found.values()} == {"best"}
    assert (found["lucky"]["difference"], found["lucky"]["splits"]) == (pytest.approx(0.5), 1)
    assert (found["third"]["difference"], found["third"]["splits"]) == (pytest.approx(0.1), 2)


def test_where_no_split_is_common_those_with_the_most_are_compared():
    """One method has the easy split, another the hard one, two have both: the best is one of these two."""
    hard = np.array([[[1.0] * 4], [[9.0] * 4]])
    table = errors(easy=hard[:1] * 0.9, worse=hard * 1.1, best=hard, late=hard * 0.9)
    table = table.filter((pl.col("method") != "late") | (pl.col("replication") == 1))
    assert set(user_differences(table)["best"]) == {"best"}


def test_methods_that_never_met_are_compared_by_their_means():
    table = errors(a=np.full((2, 1, 4), 2.0), b=np.ones((2, 1, 4)))
    table = table.filter((pl.col("method") == "a") == (pl.col("replication") == 0))
    (row,) = user_differences(table).to_dicts()
    assert (row["best"], row["users"], row["splits"]) == ("b", 0, 0)
    assert np.isnan(row["difference"])


def test_a_parameter_that_half_of_the_methods_predict_exactly_decides_nothing_alone():
    """In units of the mean there, where the median is zero; of the rival, where the best errs nowhere."""
    table = errors(
        a=np.array([[[1.0] * 3, [0.0] * 3]]),
        b=np.array([[[2.0] * 3, [0.0] * 3]]),
        c=np.array([[[3.0] * 3, [0.1] * 3]]),
    )
    found = {row["method"]: (row["best"], row["difference"]) for row in user_differences(table).to_dicts()}
    assert found == {"b": ("a", pytest.approx(0.5)), "c": ("a", pytest.approx(1.5))}


def test_the_figure_names_the_best_and_draws_the_rest():
    best = np.ones((1, 1, 4))
    table = errors(near=best * 1.1, best=best, far=best * 2.0)
    figure = paired_by_user(pl.DataFrame(), {"user_errors": table})
    data = str(attached(figure).to_dicts())
    assert "near" in data
    assert "far" in data
    assert "above best, in %" in figure.axes[0].get_xlabel()
    elsewhere = table.with_columns(scenario=pl.lit("density=0.2"))
    here = table.with_columns(scenario=pl.lit("density=0.1"))
    both = paired_by_user(pl.DataFrame(), {"user_errors": pl.concat([here, elsewhere])})
    assert "above best at density=0.1, in %" in both.axes[0].get_xlabel()
    assert paired_by_user(pl.DataFrame(), {"user_errors": errors(one=best)}) is None


def test_against_a_method_that_is_not_the_best():
    best = np.ones((1, 1, 4))
    table = errors(far=best * 2.0, best=best, near=best * 1.5)
    found = {row["method"]: row["difference"] for row in user_differences(table, "far").to_dicts()}
    assert found == {"best": pytest.approx(-0.5), "near": pytest.approx(-0.25)}


def test_the_command_reads_a_file_and_takes_one_parameter(tmp_path):
    """Of two parameters the rival is better in one and worse in the other."""
    best, rival = np.ones((2, 2, 4)), np.ones((2, 2, 4))
    rival[:, 0], rival[:, 1] = 1.5, 0.9
    file = tmp_path / "errors.parquet"
    errors(best=best, rival=rival).write_parquet(file)
    (whole,) = paired(file)
    assert (whole["best"], whole["difference"], whole["splits"], whole["users"]) == ("best", 0.2, 2, 4)
    assert paired(file, parameter="q1")[0]["best"] == "rival"
    assert paired(file, parameter="q1", against="best")[0]["difference"] == -0.1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"against": "bset"}, "there is no method 'bset'.*best"),
        ({"parameter": "rt"}, "there is no parameter 'rt'.*q0"),
        ({"scenario": "x"}, "there is no scenario 'x'"),
    ],
)
def test_what_the_file_lacks_is_named(tmp_path, changes, message):
    file = tmp_path / "errors.parquet"
    errors(best=np.ones((1, 1, 3)), rival=np.ones((1, 1, 3))).write_parquet(file)
    with pytest.raises(BadInput, match=f"(?s){message}"):
        paired(file, **changes)


def test_nothing_to_compare_is_said(tmp_path):
    """One method; then two that no scenario has both of, and one of these against the others."""
    file, ones = tmp_path / "errors.parquet", np.ones((1, 1, 3))
    errors(alone=ones).write_parquet(file)
    with pytest.raises(BadInput, match=r"(?s)no scenario has two methods.*rows of alone"):
        paired(file)
    parts = [errors(**{name: ones}).with_columns(scenario=pl.lit(name)) for name in ("a", "b")]
    pl.concat(parts).write_parquet(file)
    with pytest.raises(BadInput, match=r"(?s)no scenario has 'a' and another method.*rows of a, b"):
        paired(file, against="a")


def test_what_is_no_series_is_refused(tmp_path):
    file = tmp_path / "x.parquet"
    with pytest.raises(BadInput, match="cannot be read"):
        paired(file)
    pl.DataFrame({"method": ["a"]}).write_parquet(file)
    with pytest.raises(BadInput, match="no column 'scenario'"):
        paired(file)
    errors(best=np.ones((1, 1, 3))).clear().write_parquet(file)
    with pytest.raises(BadInput, match="no rows"):
        paired(file)


STUDY = """
[study]
name = "small"
domain = "prediction"
seeds = 2
series = "all"

[scenario]
data = { kind = "planted", users = 8, services = 15 }
density = 0.4

[[method]]
id = "item_mean"

[[method]]
id = "user_mean"
"""


def test_from_a_study_to_its_pairs(tmp_path, monkeypatch, capsys):
    """The command line from end to end; the difference is that of the table, as both splits have all users."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(STUDY)
    assert main(["run", "small.toml", "--workers", "0"]) == 0
    assert main(["export", "small.results", "--series", "user_errors", "--out", "there"]) == 0
    capsys.readouterr()
    assert main(["prediction", "paired", "there/user-errors.parquet", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert {row["best"], row["method"]} == {"item_mean", "user_mean"}
    assert (row["users"], row["splits"]) == (8, 2)
    assert row["low"] < row["difference"] < row["high"]
    assert main(["export", "small.results", "--series", "nothing"]) == 2
    assert "no trial kept a series 'nothing'" in capsys.readouterr().err
