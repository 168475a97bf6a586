"""Committed tables of this domain: one seed is run again and must agree."""

from pathlib import Path

import polars as pl
import pytest

from qoslab import Study

FOLDER = Path(__file__).parents[2] / "studies" / "optimization"


def test_one_seed_of_leakage_gives_the_committed_numbers(tmp_path):
    table = pl.read_parquet(FOLDER / "results" / "leakage.parquet")
    changes = {
        "study.seeds": "1",
        "scenario.eavesdropper.interception": "{ grid = [0.3] }",
        "study.series": '"none"',
    }
    study = Study.from_file(FOLDER / "leakage.toml", changes)
    again = study.run(tmp_path / "again", workers=0, quiet=True).table
    key, metrics = ["scenario", "method", "replication"], ["protection_of_innovations", "error", "messages"]
    both = again.select(*key, *metrics).join(table.select(*key, *metrics), on=key, suffix="_kept")
    assert len(both) == 3
    for metric in metrics:
        assert both[metric].to_list() == pytest.approx(both[f"{metric}_kept"].to_list(), rel=1e-9, abs=1e-12)
