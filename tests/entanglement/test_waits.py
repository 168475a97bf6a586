"""Longest waits of each repeater, by the side of its pair."""

from pathlib import Path

import pytest

from qoslab import Study
from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.outcome import Outcome
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.methods.shortest_path import ShortestPath
from qoslab.domains.entanglement.model import run
from qoslab.domains.entanglement.peer import chain_scenario


def outcome(wait_s: float | tuple[float, ...]) -> Outcome:
    """40 and 5 km: pairs of the short link wait for those of the long one."""
    scenario = chain_scenario([40.0, 5.0], coherence_s=0.05, horizon_s=2.0, compat="none")
    return next(iter(run(scenario, ShortestPath(wait_s=wait_s), [Seed()], Context())))


def test_one_number_is_that_for_both_sides() -> None:
    assert outcome(0.002) == outcome((0.002, 0.002))
    assert outcome(0.0) == outcome((0.0, 0.0))


def test_the_side_whose_pair_waits_is_limited() -> None:
    """A limit of 1 ms to the right ends nearly every wait; the same to the left ends hardly any."""
    left, right = outcome((0.001, 0.0)), outcome((0.0, 0.001))
    assert right.metrics["cut_share"] > 0.4
    assert left.metrics["cut_share"] < 0.1
    assert right.metrics["fidelity"] > left.metrics["fidelity"] + 0.05


STUDY = """
[study]
name = "waits"
domain = "entanglement"

[scenario]
network.links = [{ source = "S", target = "R", length_km = 5.0 }, { source = "R", target = "D", length_km = 5.0 }]
requests = [{ source = "S", target = "D" }]

[[method]]
id = "shortest_path"
wait_s = [0.004, 0.008, 0.001]
"""


def test_waits_of_another_path_are_refused_with_their_line(tmp_path: Path) -> None:
    file = tmp_path / "study.toml"
    file.write_text(STUDY)
    with pytest.raises(BadInput, match=r"3 waits do not fit the 1 repeaters of the path S-R-D") as error:
        Study.from_file(file)
    assert error.value.problems[0].line == 12
