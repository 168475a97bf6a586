"""The committed tables of the classes of routing: one seed of one case comes out again."""

from pathlib import Path

import polars as pl
import pytest

from qoslab import Study

STUDIES = Path(__file__).parents[2] / "studies" / "entanglement"


@pytest.mark.parametrize("name", ["classes-geant", pytest.param("classes-random", marks=pytest.mark.full)])
def test_one_seed_gives_the_committed_numbers(name, tmp_path):
    table = pl.read_parquet(STUDIES / "results" / f"{name}.parquet")
    overrides = {
        "study.seeds": "1",
        "study.series": '"none"',
        "scenario.nodes.coherence_s": "{ grid = [0.1] }",
        "scenario.horizon_s": "0.3",
    }
    again = Study.from_file(STUDIES / f"{name}.toml", overrides).run(
        tmp_path / "again", workers=0, quiet=True
    )
    key, metrics = ["scenario", "method", "replication"], ["rate_per_s", "useful_rate_per_s", "memory_use"]
    both = again.table.select(*key, *metrics).join(table.select(*key, *metrics), on=key, suffix="_kept")
    assert len(both) == 12
    for metric in metrics:
        # Other machines may round a linear programme's answer otherwise, but not its paths.
        assert both[metric].to_list() == pytest.approx(both[f"{metric}_kept"].to_list(), rel=1e-9), metric
