"""Outcomes refuse what would poison a table; scenarios refuse what is not meant."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import Field, ValidationError

from qoslab.core.errors import BadInput, MissingExtra, Problem, did_you_mean
from qoslab.core.outcome import Outcome
from qoslab.core.scenario import DatasetName, InputFile, Part, Scenario, dataset_names, input_files


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_metric_must_be_finite(value):
    with pytest.raises(ValueError, match="leave a metric out"):
        Outcome({"delay_s": value})


def test_columns_of_a_series_have_one_length():
    with pytest.raises(ValueError, match="differ in length"):
        Outcome({"x": 1.0}, series={"cdf": {"x": np.zeros(2), "y": np.zeros(3)}})


class Inner(Part):
    steps: tuple[float, ...] = Field((1.0,), description="steps")


class World(Scenario):
    inner: Inner = Field(Inner(), description="inner")
    trace: InputFile | None = Field(None, description="a file")
    data: tuple[DatasetName, ...] = Field((), description="datasets")


def test_arrays_become_tuples_and_whole_numbers_floats():
    assert World.model_validate({"inner": {"steps": [1, 2.5]}}).inner.steps == (1.0, 2.5)


@pytest.mark.parametrize("steps", [["1"], [True], [float("nan")], 1.0])
def test_nothing_is_silently_converted(steps):
    with pytest.raises(ValidationError):
        World.model_validate({"inner": {"steps": steps}})


def test_named_files_are_found_relative_to_the_study(tmp_path):
    (tmp_path / "trace.csv").write_text("1,2\n")
    world = World.model_validate({"trace": "trace.csv", "data": ["a/b"]}, context={"base": tmp_path})
    assert input_files(world) == [tmp_path / "trace.csv"]
    assert dataset_names(world) == ["a/b"]


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValidationError, match="there is no file"):
        World.model_validate({"trace": "nothing.csv"}, context={"base": tmp_path})


def test_a_problem_reads_like_a_compiler_message():
    problem = Problem(
        message="must be above 0",
        path=Path("a.toml"),
        line=3,
        column=8,
        quote="load = -1",
        field="load",
        hint="x",
    )
    assert str(problem) == "a.toml:3:8: load: must be above 0\n    load = -1\n           ^\n  x"


def test_errors_survive_the_way_from_a_worker():
    import pickle

    bad = BadInput([Problem(message="one"), Problem(message="two")])
    assert pickle.loads(pickle.dumps(bad)).problems == bad.problems
    extra = pickle.loads(pickle.dumps(MissingExtra("federation/fedavg", "learn")))
    assert "pip install 'qoslab[learn]'" in str(extra)


def test_hints():
    assert did_you_mean("sedd", ["sed", "lsq"]) == "did you mean 'sed'?"
    assert did_you_mean("zzz", ["sed", "lsq"]) == "known: lsq, sed"
    assert did_you_mean("zzz", [f"m{i}" for i in range(99)]) is None
