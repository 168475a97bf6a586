"""Studies made in Python."""

from __future__ import annotations

import sys
import types
from dataclasses import dataclass

import pytest
from toylab.methods.good import Plain
from toylab.model import Servers, Toy
from toylab.studies import toy

from qoslab.core.errors import BadInput
from qoslab.study.cases import Given, importable, params_of, wants_training
from qoslab.study.study import Study


@dataclass(frozen=True)
class Mine:
    """A method that nobody registered."""

    bonus: float = 1.0

    def score(self, scenario, seed, context) -> float:
        return self.bonus + seed.generator("mine").random()


def test_methods_by_name_by_pair_by_instance_and_by_class() -> None:
    study = toy(["plain", ("slow", {"seconds": {"grid": [0.1, 0.2]}}), Mine, (Mine, {"bonus": 2.0})][:3])
    assert [case.label for case in study.methods] == [
        "plain",
        "slow(seconds=0.1)",
        "slow(seconds=0.2)",
        "Mine",
    ]
    assert toy([Plain(shift=2.0)]).methods[0].id == "toy/plain"
    assert toy([(Mine, {"bonus": 2.0})]).methods[0].source == Given(Mine(2.0))


def test_scenarios_as_table_as_instance_and_as_list() -> None:
    world = Toy(load=0.2, servers=Servers(count=9))
    assert toy(["plain"], scenario=world).scenarios[0].scenario is world
    assert [c.label for c in toy(["plain"], scenario={"load": {"grid": [0.1, 0.2]}}).scenarios] == [
        "load=0.1",
        "load=0.2",
    ]
    study = toy(["plain"], scenario=[world, {"load": {"grid": [0.1, 0.2]}}])
    assert [c.label for c in study.scenarios] == ["case=0", "case=1, load=0.1", "case=1, load=0.2"]


def test_a_check_that_asks_for_seeds_is_given_those_of_its_scenarios_trials(monkeypatch, tmp_path) -> None:
    seen = {}

    def check(scenario, seeds):
        seen[scenario.load] = [seed.path for seed in seeds]
        return ()

    monkeypatch.setattr("toylab.model.check", check)
    found = toy(["plain"], scenario={"load": {"grid": [0.1, 0.2]}}, seeds=2, seed=7)
    assert seen == {
        load: [f"7/{found.name}/load={load}/{number}" for number in (0, 1)] for load in (0.1, 0.2)
    }
    first = seen.copy()
    file = tmp_path / "same.toml"
    text = f'[study]\nname = "{found.name}"\ndomain = "toy"\nseeds = 2\nseed = 7\n'
    file.write_text(text + '[scenario]\nload = { grid = [0.1, 0.2] }\n[[method]]\nid = "plain"\n')
    seen.clear()
    assert [trial.seed.path for trial in Study.from_file(file).plan().trials] == [*first[0.1], *first[0.2]]
    assert seen == first


def test_everything_wrong_is_said_at_once() -> None:
    with pytest.raises(BadInput) as caught:
        toy(["plian", ("plain", {"shift": "a"}), 7], scenario={"load": 2})
    assert len(caught.value.problems) == 4


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"scenario": 5}, "not a table"),
        ({"scenario": []}, "at least one scenario"),
        ({"methods": []}, "at least one method"),
        ({"methods": [int]}, "no dataclass"),
        ({"seeds": 0}, "seeds"),
        ({"report": {"baseline": "nobody"}}, "nobody"),
        ({"report": {"metric": "nothing"}}, "nothing"),
        ({"domain": "none"}, "none"),
    ],
)
def test_wrong_arguments(given: dict, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        Study(**{"name": "t", "domain": "toy", "scenario": {}, "methods": ["plain"]} | given)


def test_a_scenario_of_another_domain_is_refused() -> None:
    from qoslab.core.scenario import Scenario

    with pytest.raises(BadInput, match="works on Toy"):
        toy(["plain"], scenario=Scenario())


def test_a_study_is_frozen_and_equal_to_its_twin() -> None:
    assert toy(["plain"]) == toy(["plain"])
    assert toy(["plain"]).with_seeds(9).seeds == 9
    with pytest.raises(AttributeError):
        toy(["plain"]).seeds = 3  # type: ignore[misc]


def test_importable_classes() -> None:
    assert importable(Plain())
    local = type("Local", (), {"__module__": "__main__"})
    assert not importable(local())
    ghost = types.ModuleType("ghost_module")
    sys.modules["ghost_module"] = ghost
    try:
        cls = type("Ghost", (), {"__module__": "ghost_module"})
        assert not importable(cls())
        ghost.Ghost = cls
        assert importable(cls())
    finally:
        del sys.modules["ghost_module"]


def test_parameters_and_training() -> None:
    [learned] = toy(["learned"]).methods
    assert params_of(learned.source) == {"weights": "train", "fails": False}
    assert wants_training(learned.build())
    assert not wants_training(Plain())
