"""The committed table of this domain: one seed is run again and must agree."""

from pathlib import Path

import polars as pl
import pytest

from qoslab import Study

FOLDER = Path(__file__).parents[2] / "studies" / "federation"


def test_one_seed_of_server_learning_gives_the_committed_numbers(tmp_path):
    pytest.importorskip("sklearn")
    table = pl.read_parquet(FOLDER / "results" / "server-learning.parquet")
    changes = {"study.seeds": "1", "scenario.partition.alpha": "{ grid = [0.1] }", "study.series": '"none"'}
    study = Study.from_file(FOLDER / "server-learning.toml", changes)
    again = study.run(tmp_path / "again", workers=0, quiet=True).table
    key, metrics = ["scenario", "method", "replication"], ["accuracy", "rounds_to_target", "traffic_mb"]
    both = again.select(*key, *metrics).join(table.select(*key, *metrics), on=key, suffix="_kept")
    assert len(both) == 11
    for metric in metrics:
        found, kept = both[metric].to_list(), both[f"{metric}_kept"].to_list()
        assert [value is None for value in found] == [value is None for value in kept]
        # Sums of other processors round otherwise, and one of 360 test samples may change sides.
        for one, other in zip(found, kept, strict=True):
            assert one is None or one == pytest.approx(other, abs=0.02, rel=0.1)
