from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from toylab.domain import TOY
from toylab.model import Servers, Toy
from toylab.studies import toy

from qoslab.core.errors import MissingData
from qoslab.core.seeds import Seed
from qoslab.study.cases import ScenarioCase
from qoslab.study.fingerprint import (
    MISSING,
    canonical,
    changes,
    method_parts,
    pair_digest,
    scenario_parts,
    trial_digest,
)


def nowhere(name: str) -> Path:
    raise MissingData(name)


def parts_of(scenario: Toy) -> dict[str, str]:
    return scenario_parts(ScenarioCase("", {}, scenario), nowhere)


def test_equal_scenarios_have_equal_parts_and_any_value_counts() -> None:
    base = parts_of(Toy())
    assert parts_of(Toy(load=0.5)) == base
    for other in (
        Toy(load=0.6),
        Toy(kind="b"),
        Toy(servers=Servers(count=3)),
        Toy(servers=Servers(speeds=(1.0, 1.0))),
    ):
        assert changes(base, parts_of(other)) == ["scenario"]


def test_an_input_file_counts_by_content_not_by_place(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "t.csv").write_text("1,2")

    def world(name: str) -> Toy:
        return Toy.model_validate({"trace": f"{name}/t.csv"}, context={"base": str(tmp_path)})

    assert parts_of(world("a")) == parts_of(world("b"))
    (tmp_path / "b" / "t.csv").write_text("1,3")
    assert changes(parts_of(world("a")), parts_of(world("b"))) == ["input t.csv", "scenario"]


def test_parameters_and_code_count_for_a_method() -> None:
    def parts(method: object) -> dict[str, str]:
        return method_parts(toy([method]).methods[0], TOY)

    plain = parts("plain")
    assert {"code toylab.model", "code toylab.methods.good", "code qoslab.core.seeds"} <= plain.keys()
    assert "code toylab.methods.bad" not in plain
    assert changes(plain, parts(("plain", {"shift": 2.0}))) == ["parameters"]
    assert parts(("plain", {"shift": 0.0})) == plain


def test_weights_count_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w").write_text("1")
    (tmp_path / "v").write_text("1")

    def parts(name: str) -> dict[str, str]:
        return method_parts(toy([("learned", {"weights": name})]).methods[0], TOY)

    before = parts("w")
    assert parts("v") == before
    (tmp_path / "w").write_text("2")
    assert changes(before, parts("w")) == ["weights"]
    assert "weights" not in parts("train")


def test_a_class_of_this_session_counts_by_its_code() -> None:
    def made(source: str) -> type:
        names: dict = {"dataclass": dataclass, "__name__": "__main__"}
        exec(source, names)
        return names["Mine"]

    text = "@dataclass(frozen=True)\nclass Mine:\n    x: int = 1\n    def score(self, a, b, c):\n        return {}\n"
    one, two = (method_parts(toy([made(text.format(n))]).methods[0], TOY) for n in (1, 2))
    assert changes(one, two) == ["class"]
    assert method_parts(toy([made(text.format(1))]).methods[0], TOY) == one


def test_a_missing_dataset_is_a_part_of_its_own() -> None:
    from qoslab.core.scenario import DatasetName, Scenario

    class World(Scenario):
        data: DatasetName = "d/f"

    case = ScenarioCase("", {}, World.model_validate({"data": "d/f"}))
    assert scenario_parts(case, nowhere)["data d/f"] == MISSING


def test_digests_of_pair_and_trial() -> None:
    pair = pair_digest({"a": "1"}, {"b": "2"})
    assert pair != pair_digest({"a": "1", "b": "2"}, {})
    names = {
        trial_digest(pair, seed)
        for seed in (Seed(), Seed(1), Seed(0, "s"), Seed(0, "", "x"), Seed(0, "", "", 1))
    }
    assert len(names) == 5


class Colour(enum.Enum):
    RED = "red"


def test_canonical_values() -> None:
    given = {
        "e": Colour.RED,
        "a": np.arange(2),
        "n": np.float64(1.5),
        "t": (1, 2),
        "s": {2, 1},
        "d": date(2026, 1, 2),
    }
    assert canonical(given) == {
        "e": "red",
        "a": ["array", "int64", [2], [0, 1]],
        "n": 1.5,
        "t": [1, 2],
        "s": [1, 2],
        "d": "2026-01-02",
    }
    assert canonical(float("inf")) == "inf"
    assert canonical(1) != canonical(1.0) or repr(canonical(1)) != repr(canonical(1.0))
    with pytest.raises(TypeError, match="object"):
        canonical(object())
