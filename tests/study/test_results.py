from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from toylab.studies import toy

from qoslab.core.errors import BadInput
from qoslab.study.journal import Journal
from qoslab.study.plan import plan
from qoslab.study.results import Results, default_results
from qoslab.study.store import Store
from qoslab.study.study import Study
from qoslab.study.table import load_table, make_table, metric_columns


def test_the_columns_of_the_table(tails: Path) -> None:
    table = Study.from_file(tails).run(workers=0).table
    assert table.columns == [
        "scenario",
        "load",
        "method",
        "method_id",
        "method.shift",
        "replication",
        "seed_path",
        "status",
        "reason",
        "score",
        "noise_s",
        "counter.steps",
        "scenario_hash",
        "fingerprint",
        "versions",
        "git",
        "host",
        "cpu_s",
        "wall_s",
        "finished_at",
    ]
    assert table["load"].dtype == table["method.shift"].dtype == pl.Float64
    assert table["method.shift"].unique().sort().to_list() == [None, 0.0, 1.0]
    # Common random numbers: what depends on the seed alone is the same for every method.
    assert (
        table.group_by("scenario", "replication").agg(pl.col("noise_s").n_unique())["noise_s"].to_list()
        == [1] * 12
    )


def test_columns_of_varied_values_have_fitting_types(tmp_path: Path) -> None:
    grids = {
        "kind": {"grid": ["a", "b"]},
        "servers": {"grid": [{"count": 1}, {"count": 2}]},
        "load": {"grid": [0.25, 0.5]},
    }
    table = toy(["plain"], scenario=grids, seeds=1).run(tmp_path / "r", workers=0).table
    assert table["kind"].to_list()[0] == "a"
    assert table["servers"].to_list()[0] == '{"count": 1}'
    assert table["scenario"].to_list()[0] == 'kind=a, servers={"count":1}, load=0.25'


def test_series_are_kept_where_asked(tails: Path, tmp_path: Path) -> None:
    heights = {}
    for kept in ("first", "all", "none"):
        results = Study.from_file(tails, {"study.series": kept}).run(tmp_path / kept, workers=2)
        walk = results.series("walk")
        heights[kept] = walk.height
        assert walk.columns[:3] == ["scenario", "method", "replication"]
        assert results.series_names() == ([] if kept == "none" else ["walk"])
        if kept != "none":
            joined = walk.filter(pl.col("t") == 1).join(
                results.table, on=["scenario", "method", "replication"]
            )
            assert (joined["x"] == joined["noise_s"]).all()
    assert heights == {"first": 3 * 6, "all": 3 * 36, "none": 0}


def test_a_lost_series_file_is_no_error(tmp_path: Path) -> None:
    results = toy(["plain"], seeds=2).run(tmp_path / "r", workers=0)
    next((tmp_path / "r" / "series").rglob("*.parquet")).unlink()
    assert results.series("walk").height == 0


def test_the_kept_table_is_used_only_while_it_is_true(tmp_path: Path) -> None:
    results = toy(["plain"], seeds=2).run(tmp_path / "r", workers=0)
    kept = load_table(tmp_path / "r")
    assert kept is not None
    assert kept[0].equals(make_table(Store(tmp_path / "r")))
    assert kept[1] == Store(tmp_path / "r").plan
    with Journal(tmp_path / "r") as journal:
        journal.append([{"kind": "of a later version"}])
    assert load_table(tmp_path / "r") is None
    assert Results.open(tmp_path / "r").table.equals(results.table)
    (tmp_path / "r" / "trials.parquet").write_bytes(b"PAR1 nonsense")
    assert Results.open(tmp_path / "r").table.equals(results.table)


def test_rows_of_another_plan_are_not_mixed_in(tmp_path: Path) -> None:
    toy(["plain"], seeds=4).run(tmp_path / "r", workers=0)
    results = toy([("plain", {"shift": 5.0}), "slow"], seeds=2).run(tmp_path / "r", workers=0)
    assert results.table["method"].to_list() == ["plain", "plain", "slow", "slow"]
    assert results.table["score"].to_list()[0] > 3


def test_what_results_know_of_their_study(tails: Path) -> None:
    results = Study.from_file(tails, {"study.seeds": "2"}).run(workers=0)
    study = Results.open(results.path).study
    assert (study.name, study.domain, study.seeds, study.report.baseline) == ("tails", "toy", 2, "learned")
    assert study.text == tails.read_bytes()
    assert study.scenarios == ("load=0.3", "load=0.6")
    assert [case.label for case in study.methods] == ["plain(shift=0.0)", "plain(shift=1.0)", "learned"]
    assert study.methods[1].build().shift == 1.0
    assert study.overrides == {"study.seeds": "2"}


def test_the_digest_sees_every_number_and_no_order(tmp_path: Path) -> None:
    results = toy(["plain", "slow"], seeds=3).run(tmp_path / "r", workers=0)
    digest = results.digest()
    results.table = results.table.reverse()
    assert results.digest() == digest
    results.table = results.table.with_columns(score=pl.col("score") + 1e-15 * (pl.col("replication") == 1))
    assert results.digest() != digest


def test_members_of_a_metric_have_columns_behind_it(tmp_path: Path) -> None:
    assert metric_columns(["mae", "s"], ["mae[b]", "x[q]", "s", "mae[a]"]) == ["mae", "mae[a]", "mae[b]", "s"]
    results = toy([("families", {"names": ["b", "a"]}), "plain"], seeds=2).run(tmp_path / "r", workers=1)
    columns = results.table.columns
    at = columns.index("score")
    assert columns[at : at + 4] == ["score", "score[a]", "score[b]", "noise_s"]
    assert results.table["score[a]"].null_count() == 2
    assert (tmp_path / "r").exists()


def test_no_results(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no results"):
        Results.open(tmp_path)
    assert default_results("x/tails.toml") == Path("x/tails.results")


def test_a_notebook_shows_one_line(tmp_path: Path) -> None:
    study = toy(["plain"])
    folder = tmp_path / "r"
    before = repr(plan(study, folder))
    results = study.run(folder, workers=1)
    assert repr(results) == f"<Results of 't': 6 done; in {str(folder)!r}>"
    assert before == "<Plan of 't': 6 trials (6 new)>"
    assert repr(plan(study, folder)) == "<Plan of 't': 6 trials (6 cached)>"
