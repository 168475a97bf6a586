"""The committed tables of the studies: a seed of each comes out again, and they say what the pages say of them."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from qoslab import Study
from qoslab.domains.entanglement.links import link_timing, single_pair_rate
from qoslab.domains.entanglement.peer import SIX_NODES, THREE_NODES, WAITS
from qoslab.domains.entanglement.scenario import LinkHardware, NodeHardware

STUDIES = Path(__file__).parents[2] / "studies" / "entanglement"
ONE_COHERENCE = {"scenario.nodes.coherence_s": "{ grid = [0.1] }"}
FULL = pytest.mark.full


def kept(name: str) -> pl.DataFrame:
    return pl.read_parquet(STUDIES / "results" / f"{name}.parquet")


@pytest.mark.parametrize(
    ("name", "overrides", "rows"),
    [
        ("classes-geant", ONE_COHERENCE, 12),
        pytest.param("classes-random", ONE_COHERENCE, 12, marks=FULL),
        pytest.param("classes-geant-own", {"scenario.phases.control": '{ grid = ["own"] }'}, 14, marks=FULL),
        ("one-link", {}, 2),
        ("coherence", {}, 6),
        ("cut-offs", ONE_COHERENCE, 10),
        ("waits", {}, 8),
        ("memory-splits", {"scenario.nodes.coherence_s": "{ grid = [0.01] }"}, 15),
        ("four-nodes", {"scenario.nodes.coherence_s": "{ grid = [0.01] }"}, 5),
        ("one-fibre-shared", {}, 9),
        ("several-paths", {"scenario.nodes.coherence_s": "{ grid = [0.05] }"}, 4),
        ("multiplexing", {"scenario.links.pairs": "{ grid = [8] }", **ONE_COHERENCE}, 10),
        ("multiplexing-rounds", {}, 15),
        ("assignment", {}, 8),
        ("swap-policies", {"scenario.nodes.coherence_s": "{ grid = [0.01] }"}, 10),
        ("purification", {"scenario.nodes.coherence_s": "{ grid = [0.5] }"}, 6),
        ("purification-trade-off", {"scenario.links.initial_fidelity": "{ grid = [0.9] }"}, 6),
        ("swap-orders", {"scenario.nodes.coherence_s": "{ grid = [0.02] }"}, 10),
        ("scalability-16", {}, 1),
        pytest.param("scalability-512", {}, 1, marks=FULL),
        pytest.param("shared-fibres", {}, 12, marks=FULL),
        pytest.param("swap-orders-by-length", {}, 48, marks=FULL),
    ],
)
def test_one_seed_gives_the_committed_numbers(
    name: str, overrides: dict[str, str], rows: int, tmp_path: Path
) -> None:
    overrides = {"study.seeds": "1", "study.series": '"none"', **overrides}
    again = Study.from_file(STUDIES / f"{name}.toml", overrides).run(
        tmp_path / "again", workers=0, quiet=True
    )
    key, metrics = ["scenario", "method", "replication"], ["rate_per_s", "useful_rate_per_s", "memory_use"]
    both = again.table.select(*key, *metrics).join(kept(name).select(*key, *metrics), on=key, suffix="_kept")
    assert len(both) == rows
    for metric in metrics:
        # Other machines may round a linear programme's answer otherwise, but not its paths.
        assert both[metric].to_list() == pytest.approx(both[f"{metric}_kept"].to_list(), rel=1e-9), metric


def z_of(frame: pl.DataFrame, metric: str, expected: float, error: float) -> float:
    """Standard errors of the difference between a column's mean and a figure with an error of its own."""
    values: Any = frame[metric].to_numpy()
    own = values.std(ddof=1) / len(values) ** 0.5
    return float((values.mean() - expected) / (own**2 + error**2) ** 0.5)


def test_the_table_of_coherence_times_is_the_peers() -> None:
    """Six rates; beyond 3.5 standard errors by chance in 3 of 1,000 such tables, and the table is fixed."""
    table = kept("coherence")
    for coherence, measured in THREE_NODES.items():
        rows = table.filter(pl.col("nodes.coherence_s") == coherence)
        z = z_of(rows, "rate_per_s", measured.rate, measured.rate_sd / measured.seeds**0.5)
        assert abs(z) < 3.5, coherence


def test_the_table_of_swap_policies_is_the_peers() -> None:
    """Rates of five orders at 10 ms and three memories per link, within 3.5 standard errors of the difference."""
    table = kept("swap-policies").filter(pl.col("nodes.coherence_s") == 0.01)
    table = table.filter(~pl.col("scenario").str.contains('"pairs":4'))
    for order, measured in SIX_NODES.items():
        label = {"balanced_mirrored": "balanced, mirrored"}.get(order, order.replace("_", " "))
        rows = table.filter(pl.col("method") == label)
        assert len(rows) == 20
        z = z_of(rows, "rate_per_s", measured.rate, measured.rate_sd / measured.seeds**0.5)
        assert abs(z) < 3.5, order


def test_the_table_of_waits_is_the_peers() -> None:
    """Rates and fidelities of eight budgets; the same seeds in all rows, so that they err together."""
    table = kept("waits")
    for label, measured in WAITS.items():
        rows = table.filter(pl.col("method") == label)
        assert len(rows) == 200
        z = z_of(rows, "rate_per_s", measured.rate, measured.rate_sd / measured.seeds**0.5)
        assert abs(z) < 3.5, label
        rows = rows.filter(pl.col("fidelity").is_not_null())
        z = z_of(rows, "fidelity", measured.fidelity, measured.fidelity_sd / measured.seeds**0.5)
        assert abs(z) < 3.5, label


def test_the_table_of_one_link_is_renewal_theory() -> None:
    """The horizon ends within a cycle, so the mean lies below 1 / cycle by at most one pair per run."""
    table = kept("one-link")
    for km in (32.0, 18.0):
        rate = single_pair_rate(link_timing(km, LinkHardware(), NodeHardware(), NodeHardware()))
        rows = table.filter(pl.col("scenario").str.contains(f"={km}"))
        assert len(rows) == 100
        assert abs(z_of(rows, "rate_per_s", rate, 1.0)) < 3.5


def test_rounds_buy_fidelity_with_rate_until_links_are_good() -> None:
    """With noisy gates the gain in fidelity falls with that of new pairs, and turns into a loss."""
    table = kept("purification-trade-off").group_by("links.initial_fidelity", "method")
    means = table.agg(pl.col("rate_per_s", "fidelity").mean())

    def of(method: str, column: str) -> Any:
        rows = means.filter(pl.col("method") == method).sort("links.initial_fidelity")
        return rows[column].to_numpy()

    for first, second in (("none", "1 round"), ("1 round", "2 nested rounds")):
        assert (of(first, "rate_per_s") > 1.8 * of(second, "rate_per_s")).all()
    gain = of("2 nested rounds", "fidelity") - of("none", "fidelity")
    assert (gain[1:] < gain[:-1]).all()
    assert gain[0] > 0.15
    assert gain[-1] < 0


def test_shorter_patience_buys_fidelity() -> None:
    """At 100 ms the mean fidelity falls and the rate rises with the longest wait, over 40 seeds of 3 s."""
    table = kept("cut-offs").filter(
        pl.col("nodes.coherence_s") == 0.1, pl.col("method").str.contains("wait_s")
    )
    means = table.group_by("method.wait_s").agg(pl.col("rate_per_s", "fidelity").mean()).sort("method.wait_s")
    assert means["fidelity"].is_sorted(descending=True)
    assert means["rate_per_s"].is_sorted()
