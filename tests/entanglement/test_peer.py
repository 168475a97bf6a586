"""Figures of MQNS and the random networks that it was run on."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from qoslab.core.check import Check
from qoslab.core.context import Context
from qoslab.core.errors import MissingData
from qoslab.core.seeds import Seed
from qoslab.datasets import AlteredData, resolver
from qoslab.domains.entanglement.data import random_sixteen_networks
from qoslab.domains.entanglement.model import run
from qoslab.domains.entanglement.peer import (
    RANDOM_SIXTEEN,
    TENTH_NETWORK,
    InstalledPaths,
    network_scenario,
    random_sixteen,
    together,
)

NETWORKS = {
    "7": {"edges": [["a", "b"], ["b", "c"], ["a", "c"], ["c", "d"]], "paths": [["a", "b", "c"], ["c", "d"]]},
    "8": {"edges": [["a", "b"], ["b", "c"], ["c", "d"]], "paths": [["a", "b", "c"], ["d", "c", "b"]]},
}
RUNS = [
    {"seed": 7, "etg": 360, "requests": {"a-c": [83.0, 0.486], "c-d": [116.0, 0.61]}},
    {"seed": 8, "etg": 0, "requests": {"a-c": [0.0, 0.0], "d-b": [0.0, 0.0]}},
]


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """Two networks of the files' form: one whose first path is not its users' shortest, and an opposed one."""
    for name, content in (
        ("random16_topologies.json", NETWORKS),
        ("random16_mqns_results.json", {"runs": RUNS}),
    ):
        (tmp_path / name).write_text(json.dumps(content))
    return Context(dataset=lambda reference: tmp_path / reference.removeprefix("mqns-runs/"))


def test_networks_and_runs_are_read_together(context: Context) -> None:
    first, second = random_sixteen_networks(context.dataset)
    assert (first.name, first.link_pairs, first.opposed()) == ("7", 360, None)
    assert first.requests[0].path == ("a", "b", "c")
    assert [each.rate_per_s for each in first.requests] == [83.0, 116.0]
    assert [each.fidelity for each in first.requests] == [0.486, 0.61]
    assert second.opposed() == ("b", "c")


def test_the_installed_paths_are_run(context: Context) -> None:
    """Users with a link of their own swap nothing there, and on the detour that was installed they do."""
    network = random_sixteen_networks(context.dataset)[0]
    scenario = network_scenario(network)
    paths = tuple(each.path for each in network.requests)
    (detour,) = run(scenario, InstalledPaths(paths), [Seed()], Context())
    (direct,) = run(scenario, InstalledPaths((("a", "c"), paths[1])), [Seed()], Context())
    assert detour.counters["swaps_succeeded"] > 30
    assert direct.counters["swaps_succeeded"] == 0


def test_rows_of_each_network(context: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run outside of our spread fails its own row; the network that the peer cannot share is told, and run apart."""
    monkeypatch.setitem(RUNS[0]["requests"], "a-c", [200.0, 0.486])  # type: ignore[arg-type]
    path = context.dataset("mqns-runs/random16_mqns_results.json")
    path.write_text(json.dumps({"runs": RUNS}))
    rows = list(random_sixteen(30, context))
    assert len(rows) == 5 + 3
    assert [row.name for row in rows if row.status == "not run"] == [
        "rate, 16 nodes, network 8, memories shared"
    ]
    assert "b-c is used in both" in rows[5].note
    failed = {row.name for row in rows if row.status == "fail"}
    assert "rate, 16 nodes, network 7, a to c" in failed
    assert "fidelity, 16 nodes, network 7, a to c" not in failed


def test_without_the_files_hops_stand_for_networks() -> None:
    """36 rows over paths of as many hops, and one that says what is missing; chance of a failure 1 in 58."""
    rows = list(random_sixteen(30, Context()))
    assert len(rows) == 2 * sum(map(len, RANDOM_SIXTEEN.values())) + 1
    assert rows[-1].status == "not run"
    assert {row.status for row in rows[:-1]} == {"pass"}


def test_altered_files_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QOSLAB_DATA", raising=False)
    (tmp_path / "mqns-runs").mkdir()
    with pytest.raises(MissingData, match="mqns-runs"):
        random_sixteen_networks(resolver(tmp_path))
    (tmp_path / "mqns-runs" / "random16_topologies.json").write_text("{}")
    with pytest.raises(AlteredData, match="bytes are unknown or altered"):
        random_sixteen_networks(resolver(tmp_path))


def row(name: str, z: float) -> Check:
    return Check.within(name, "", expected=0.0, got=z, low=-3.5, high=3.5, note=f"z = {z:+.2f}")


def test_rows_together() -> None:
    """Ten z of 1 pass, ten of 2 do not (23.2 at 1 %); link pairs and rows that were not run do not count."""
    idle: list[Any] = [
        row("link pairs, 16 nodes, network 7", 3.0),
        Check.not_run("x", "", expected=0.0, note="y"),
    ]
    assert together([row("rate", 1.0)] * 10 + idle).got == pytest.approx(10.0)
    assert together([row("rate", 1.0)] * 10 + idle).status == "pass"
    assert together([row("rate", 2.0)] * 10).status == "fail"


@pytest.mark.data
@pytest.mark.skipif(not os.environ.get("QOSLAB_DATA"), reason="QOSLAB_DATA does not name the data folder")
def test_the_ten_networks() -> None:
    """Nine networks of five rows, and two rows and a reason for the tenth; 30 runs each, 47 rows at 3.5 sigma: 2 %."""
    rows = list(random_sixteen(30, Context(dataset=resolver())))
    assert len(rows) == 9 * 5 + 3
    assert [row.status for row in rows if row.status != "pass"] == ["not run"]
    assert TENTH_NETWORK.rate in {row.expected for row in rows}
