"""Tables of long studies that are committed: a small part is run again and must agree."""

import os
from pathlib import Path

import polars as pl
import pytest

from qoslab import Study
from qoslab.core.registry import registry

STUDIES = Path(__file__).parents[2] / "studies"
TABLES = sorted(STUDIES.glob("*/results/*.parquet"))

needs_data = pytest.mark.skipif(
    "QOSLAB_DATA" not in os.environ, reason="needs the data folder: set QOSLAB_DATA"
)


@pytest.mark.parametrize("file", sorted(STUDIES.glob("*/*.toml")), ids=lambda path: path.stem)
def test_every_study_is_valid(file):
    Study.from_file(file)


@pytest.mark.parametrize("table", TABLES, ids=lambda path: path.stem)
def test_a_committed_table_is_small_whole_and_belongs_to_its_study(table):
    """It has the methods of its study and of NAME-learned.toml, which train for longer on the same splits."""
    study = Study.from_file(table.parents[1] / f"{table.stem}.toml")
    learned = table.parents[1] / f"{table.stem}-learned.toml"
    methods = [*study.methods, *(Study.from_file(learned).methods if learned.exists() else ())]
    rows = pl.read_parquet(table)
    assert table.stat().st_size < 1_000_000
    assert set(rows["method"]) == {method.label for method in methods}
    assert set(rows["scenario"]) == {case.label for case in study.scenarios}
    assert (rows["status"] == "done").all()
    assert rows["versions"].null_count() == 0


SMALL_CASES = {
    "azure-llm-code": {"scenario.servers.count": "{ grid = [16] }"},
    "azure-llm-conv": {"scenario.servers.count": "{ grid = [32] }"},
    "azure-vm-drift": {
        "scenario.load": "{ grid = [0.7] }",
        "scenario.drift.dataset": '{ grid = ["azure-vm-noise/redis_get_50conn_long_eastus_B8ms.csv"] }',
    },
    "flow-sizes": {"scenario.sizes.dataset": '{ grid = ["flow-sizes/FbHdp_distribution.txt"] }'},
    "nasa-rates": {"scenario.load": "{ grid = [0.3] }"},
    "rlb-notebook": {"scenario.load": "{ grid = [0.845] }"},
    "rlb-notebook-first": {"scenario.load": "{ grid = [0.645] }"},
    "rlb-poster": {"scenario.load": "{ grid = [0.8] }"},
    "rlb-table-b": {"scenario.servers.count": "{ grid = [4] }", "scenario.balancers": "{ grid = [1] }"},
    "rlb-table-b-trainings": {},
    "rlb-table-b-trainings-20": {},
    "rlb-table-b-20": {"scenario.servers.count": "{ grid = [8] }", "scenario.balancers": "{ grid = [2] }"},
    "rlb-poster-b": {"scenario.servers.count": "{ grid = [8] }", "scenario.balancers": "{ grid = [1] }"},
    "rlb-table-a": {"scenario.load": "{ grid = [0.8] }"},
    "rlb-table-a-20": {"scenario.load": "{ grid = [0.7] }"},
    "rlb-table-a-published": {},
    "twitter-rates": {"scenario.load": "{ grid = [0.3] }"},
    "marllb-7": {},
    "marllb-24": {},
    "marllb-7-qmix": {},
    "marllb-7-rules": {},
    "marllb-24-rules": {},
    "rlb-notebook-rules": {"scenario.load": "{ grid = [0.845] }"},
    "rlb-notebook-first-rules": {"scenario.load": "{ grid = [0.645] }"},
    "blind-1x8": {},
    "blind-1x8-fresh": {},
    "blind-exponent-1x8": {},
    "blind-trainings-1x8": {},
    "blind-trainings-2x64": {},
    "blind-exponent-step": {
        "scenario.changes": "{ grid = [[{ at_s = 60.0, servers = [0, 1, 2, 3, 4, 5, 6, 7], "
        'action = "speed", speed = 0.5 }]] }'
    },
    "blind-unknown": {
        "scenario.servers": '{ grid = [{ count = 8, speeds = [1.0, 2.0], weights = "equal" }] }',
        "scenario.sizes": '{ grid = [{ law = "lognormal", mean_s = 0.1, scv = 400.0 }] }',
    },
    "blind-2x64": {},
    "blind-4x128": {},
    "blind-sizes": {
        "scenario.servers.count": "{ grid = [4] }",
        "scenario.balancers": "{ grid = [16] }",
    },
    "blind-trouble": {},
    "blind-drift": {
        "scenario.drift.dataset": '{ grid = ["azure-vm-noise/redis_get_50conn_long_eastus_B8ms.csv"] }'
    },
    "blind-step": {
        "scenario.changes": "{ grid = [[{ at_s = 270.0, servers = [0, 1, 2, 3, 4, 5, 6, 7], "
        'action = "speed", speed = 0.5 }]] }'
    },
    "blind-cold": {
        "scenario.servers": '{ grid = [{ count = 8, cores = [1, 2], limit = 64, weights = "cores" }] }',
        "scenario.load": "{ grid = [0.8] }",
        "scenario.sizes": '{ grid = [{ law = "exponential", mean_s = 0.5 }] }',
    },
    "blind-rivals-trouble": {},
    "blind-rivals-drift": {
        "scenario.drift.dataset": '{ grid = ["azure-vm-noise/redis_get_50conn_long_eastus_B8ms.csv"] }'
    },
    "blind-rivals-step": {
        "scenario.changes": "{ grid = [[{ at_s = 60.0, servers = [0, 1, 2, 3, 4, 5, 6, 7], "
        'action = "speed", speed = 0.5 }]] }'
    },
    "blind-rivals-llm-code": {"scenario.servers.count": "{ grid = [8] }"},
    "blind-rivals-llm-conv": {"scenario.servers.count": "{ grid = [48] }"},
    "blind-llm-code": {"scenario.servers.count": "{ grid = [4] }"},
    "blind-llm-conv": {"scenario.servers.count": "{ grid = [32] }"},
}
"""Of each study of balancing, one case."""


def test_every_study_of_balancing_has_its_table():
    studies = {path.stem for path in (STUDIES / "balancing").glob("*.toml")}
    tables = {path.stem for path in TABLES if path.parents[1].name == "balancing"}
    assert studies == tables == set(SMALL_CASES)


def without_training(study):
    """The study less the methods that learn in its runs: torch's sums differ between processors, and it takes long."""
    kept = [case for case in study.methods if registry.method(*case.id.split("/")).extra != "learn"]
    object.__setattr__(study, "methods", tuple(kept))
    return study


@needs_data
@pytest.mark.parametrize("name", sorted(SMALL_CASES))
def test_a_study_gives_the_committed_numbers(name, tmp_path):
    """One seed of one case; numbers agree to 1e-9, which any change of the simulator would break."""
    table = pl.read_parquet(STUDIES / "balancing" / "results" / f"{name}.parquet")
    overrides = {"study.seeds": "1", "study.series": '"none"'} | SMALL_CASES[name]
    study = without_training(Study.from_file(STUDIES / "balancing" / f"{name}.toml", overrides))
    again = study.run(tmp_path / "again", workers=0, quiet=True).table
    key = ["scenario", "method", "replication"]
    metrics = ["response_time_mean_s", "response_time_p99_s", "fairness_jain", "utilisation"]
    both = again.select(*key, *metrics).join(table.select(*key, *metrics), on=key, suffix="_kept")
    assert len(both) == len(study.methods) * len(study.scenarios)
    for metric in metrics:
        assert both[metric].to_list() == pytest.approx(both[f"{metric}_kept"].to_list(), rel=1e-9), metric
