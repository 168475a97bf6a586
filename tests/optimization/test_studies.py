"""Committed tables of this domain: one seed is run again and must agree."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from qoslab import Study

FOLDER = Path(__file__).parents[2] / "studies" / "optimization"


CASES = [
    (
        "leakage",
        "scenario.eavesdropper.interception",
        "{ grid = [0.3] }",
        ["protection_of_innovations", "error"],
        3,
    ),
    (
        "qos-budgets",
        "scenario.measurement_noise",
        "{ grid = [5.0] }",
        ["error", "infeasibility", "messages"],
        8,
    ),
    ("qos-capacity", "scenario.measurement_noise", "{ grid = [5.0] }", ["error", "infeasibility"], 6),
    (
        "privacy",
        "scenario.eavesdropper.interception",
        "{ grid = [0.5] }",
        [
            "error",
            "protection_of_states",
            "protection_of_states_scaled",
            "protection_of_innovations",
            "protection_of_target",
        ],
        9,
    ),
    (
        "rate-by-topology",
        "scenario.network.generate.nodes",
        "{ grid = [10] }",
        ["error", "rate_predicted"],
        10,
    ),
    (
        "rate-by-graph",
        "scenario.network.generate",
        '{ grid = [{ model = "star", leaves = 15 }] }',
        ["error", "rate", "rate_predicted"],
        5,
    ),
    (
        "steps",
        "scenario.rounds",
        "1500",
        ["rate", "rate_predicted", "step", "step_limit", "step_certified"],
        5,
    ),
    ("noise", "scenario.measurement_noise", "{ grid = [1.0] }", ["error", "optimality_gap"], 4),
]


@pytest.mark.parametrize(
    ("name", "field", "value", "metrics", "rows"), CASES, ids=[case[0] for case in CASES]
)
def test_one_seed_gives_the_committed_numbers(tmp_path, name, field, value, metrics, rows):
    table = pl.read_parquet(FOLDER / "results" / f"{name}.parquet")
    changes = {"study.seeds": "1", field: value, "study.series": '"none"'}
    # What a convex solver finds beside is tests/optimization/test_oracle.py's.
    changes["scenario.oracle"] = '"own"'
    study = Study.from_file(FOLDER / f"{name}.toml", changes)
    again = study.run(tmp_path / "again", workers=0, quiet=True).table
    key = ["scenario", "method", "replication"]
    both = again.select(*key, *metrics).join(table.select(*key, *metrics), on=key, suffix="_kept")
    assert len(both) == rows
    for metric in metrics:
        for found, kept in both.select(metric, f"{metric}_kept").iter_rows():
            assert found == kept or found == pytest.approx(kept, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.toml")))
def test_a_convex_solver_finds_the_optimum_that_every_trial_is_judged_by(name):
    """The committed column of CVXPY's costs beside our own solvers', in every trial of every study."""
    table = pl.read_parquet(FOLDER / "results" / f"{name}.parquet")
    own, solver = table["cost_optimal"], table["cost_oracle"]
    assert len(table) >= 50
    assert own.null_count() == solver.null_count() == 0
    np.testing.assert_allclose(own.to_numpy(), solver.to_numpy(), rtol=1e-8, atol=1e-8)
