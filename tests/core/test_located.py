"""Validation names every mistake once, in plain words, at its line."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field, ValidationError, field_validator, model_validator
from tests.core.toml_writer import MARKER, Writer

from qoslab.core.errors import BadInput
from qoslab.core.located import parse_toml, problems_of, validate, validate_dataclass
from qoslab.core.scenario import Part, Scenario

RELAXED = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


class Link(Part):
    source: str = Field(description="one end")
    target: str = Field(description="other end")
    km: float = Field(1.0, ge=0)


class Ring(Part):
    model: Literal["ring"]
    nodes: int = Field(ge=3, le=1000)


class Cayley(Part):
    model: Literal["cayley"]
    depth: int = Field(ge=1)


class Delay(Part):
    mean_s: float = Field(gt=0)
    jitter_s: float = Field(0.0, ge=0)


class World(Scenario):
    load: float = Field(gt=0, lt=1, description="offered load per server")
    title: str = Field("world", min_length=2, max_length=12)
    links: tuple[Link, ...] = Field((), max_length=5)
    shape: Annotated[Ring | Cayley, Field(discriminator="model")] = Ring(model="ring", nodes=3)
    delay: float | Literal["none", "default"] | Delay = 0.0
    rates: dict[str, Annotated[float, Field(ge=0)]] = Field({}, description="by name")
    retry: bool = False

    @field_validator("title")
    @classmethod
    def _no_exclamation(cls, value):
        if "!" in value:
            message = "must not shout"
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _together(self):
        if self.retry and self.load > 0.9:
            message = "retries need a load of 0.9 or less"
            raise ValueError(message)
        return self


def problems(text, model=World, at=("scenario",)):
    document = parse_toml(text)
    values = document.tree
    for key in at:
        values = values[key]
    with pytest.raises(BadInput) as caught:
        validate(model, values, document, at)
    return caught.value.problems


def told(text):
    return [(one.line, one.column, one.field, one.message, one.hint) for one in problems(text)]


def test_all_mistakes_at_once_sorted_by_place():
    text = (
        "[scenario]\n"
        "lod = 0.5\n"
        'title = "x"\n'
        "retry = 1\n"
        'shape = { model = "rin", nodes = 4 }\n'
        "rates = { a = -1.0, b = nan }\n"
        "[[scenario.links]]\n"
        'source = "a"\n'
        "km = '3'\n"
    )
    assert told(text) == [
        (2, 1, "scenario.lod", "there is no such key", "did you mean 'load'?"),
        (3, 9, "scenario.title", "must have at least 2 characters, is 'x'", None),
        (4, 9, "scenario.retry", "must be true or false, is 1", None),
        (5, 19, "scenario.shape.model", "must be 'ring' or 'cayley', is 'rin'", "did you mean 'ring'?"),
        (6, 15, "scenario.rates.a", "must be at least 0, is -1.0", None),
        (6, 25, "scenario.rates.b", "must be a finite number, is nan", None),
        (7, 1, "scenario.links.0.target", "is missing", "other end"),
        (9, 6, "scenario.links.0.km", "must be a number, is '3'", None),
    ]


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ("load = 1", 8, "must be less than 1, is 1"),
        ("load = true", 8, "must be a number, is true"),
        ("load = inf", 8, "must be a finite number, is inf"),
        ("load = 2024-01-01", 8, "must be a number, is 2024-01-01"),
        ("load = 0.5\ntitle = 'oh!'", 9, "must not shout"),
        ("load = 0.5\ntitle = 'thirteen long'", 9, "must have at most 12 characters, is 'thirteen long'"),
        ("load = 0.5\nlinks = 3", 9, "must be an array, is 3"),
        ("load = 0.5\nlinks = [3]", 10, "must be a table, is 3"),
        ("load = 0.5\nlinks = {}", 9, "must be an array, is a table"),
        ("load = 0.5\nshape = 'ring'", 9, "must be a table, is 'ring'"),
        ("load = 0.5\nshape = {nodes = 3}", 9, "is missing"),
        ("load = 0.5\nshape = {model = 'ring', nodes = 2}", 34, "must be at least 3, is 2"),
        ("load = 0.5\nshape = {model = 'ring', nodes = 3, depth = 1}", 37, "there is no such key"),
        ("load = 0.5\nshape.model = 'ring'", 1, "is missing"),
        ("load = 0.5\nshape = {model = 'ring', nodes = 3.0}", 34, "must be a whole number, is 3.0"),
    ],
)
def test_each_kind_of_mistake_in_plain_words(line, column, message):
    text = f"[scenario]\n{line}\n"
    (problem,) = problems(text)
    assert (problem.line, problem.column, problem.message) == (text.count("\n"), column, message)
    assert problem.quote == text.splitlines()[-1]
    assert not {"input", "pydantic", "type="} & set(str(problem).lower().split())


@pytest.mark.parametrize(
    ("value", "column", "field", "message"),
    [
        ("'none at all'", 9, "delay", "must be a number or 'none' or 'default' or a table, is 'none at all'"),
        ("true", 9, "delay", "must be a number or 'none' or 'default' or a table, is true"),
        ("nan", 9, "delay", "must be a finite number, is nan"),
        ("{mean_s = 0}", 19, "delay.mean_s", "must be greater than 0, is 0"),
        ("{jitter_s = 1}", 9, "delay.mean_s", "is missing"),
        ("{mean_s = 1, jiter_s = 1}", 22, "delay.jiter_s", "there is no such key"),
    ],
)
def test_of_a_union_only_the_branch_that_was_meant(value, column, field, message):
    (problem,) = problems(f"[scenario]\nload = 0.5\ndelay = {value}\n")
    assert (problem.line, problem.column, problem.field, problem.message) == (
        3,
        column,
        f"scenario.{field}",
        message,
    )


def test_a_rule_over_several_fields_stands_at_the_table():
    (problem,) = problems("# x\n[scenario]\nretry = true\nload = 0.95\n")
    assert (problem.line, problem.message) == (2, "retries need a load of 0.9 or less")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a = 1\n[scenario]\nretry = true\n", 2),
        ("a = 1\n\nscenario = {retry = true}\n", 3),
        ("a = 1\n\nscenario.retry = true\nscenario.title = 'xx'\n", 3),
        ("[scenario.rates]\na = 1\n[scenario]\n", 3),
        ("a = 1\n[scenario.rates]\na = 1\n", 2),
    ],
)
def test_a_missing_key_stands_at_its_table(text, line):
    (problem,) = problems(text)
    assert (problem.line, problem.field, problem.hint) == (line, "scenario.load", "offered load per server")


def test_a_key_missing_at_the_root_has_no_line():
    (problem,) = problems("retry = true", at=())
    assert (problem.line, problem.field) == (None, "load")


def test_values_from_python_have_fields_without_lines():
    with pytest.raises(BadInput) as caught:
        validate(World, {"load": 2.0, "links": [{"source": "a"}]})
    assert [str(one) for one in caught.value.problems] == [
        "load: must be less than 1, is 2.0",
        "links.0.target: is missing\n  other end",
    ]
    assert (
        validate(World, {"load": np.float64(0.5), "shape": {"model": "ring", "nodes": np.int64(4)}}).load
        == 0.5
    )


def test_a_case_of_a_grid_points_at_its_value_in_the_grid():
    document = parse_toml("[scenario]\nload = { grid = [\n0.5,\n1.5] }\n")
    moved = document.aliased({("scenario", "load"): ("scenario", "load", "grid", 1)})
    with pytest.raises(BadInput) as caught:
        validate(World, {"load": 1.5}, moved, ("scenario",))
    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.field) == (4, 1, "scenario.load")


def test_many_problems_are_counted():
    rates = ", ".join(f"k{n} = -1.0" for n in range(500))
    found = problems(f"[scenario]\nload = 0.5\nrates = {{{rates}}}\n")
    assert len(found) == 201
    assert found[-1].message == "and 300 more problems"


def test_problems_of_takes_pydantics_own_error():
    values = {"load": 3}
    with pytest.raises(ValidationError) as caught:
        World.model_validate(values)
    assert [one.message for one in problems_of(caught.value, World, values)] == ["must be less than 1, is 3"]


def test_the_document_can_name_problems_of_its_own():
    document = parse_toml("[a]\nb = 1\n")
    problem = document.problem(("a", "b"), "is odd", hint="choose another", of="key")
    assert (problem.line, problem.column, problem.quote, problem.hint) == (2, 1, "b = 1", "choose another")
    assert document.problem(("a", "x", "y"), "is absent").line == 1


# One fault in a random document, in any style of writing: its marker stands on the line that must be named.

WORLDS = st.fixed_dictionaries(
    {"load": st.floats(0.1, 0.9)},
    optional={
        "title": st.text("abcdef \n#[", min_size=2, max_size=8),
        "retry": st.just(False),
        "links": st.lists(
            st.fixed_dictionaries(
                {"source": st.text("ab]\n", max_size=5), "target": st.text(max_size=3)},
                optional={"km": st.integers(0, 9) | st.floats(0, 9)},
            ),
            max_size=4,
        ),
        "shape": st.fixed_dictionaries({"model": st.just("ring"), "nodes": st.integers(3, 9)}),
        "delay": st.floats(0, 1) | st.just("none") | st.fixed_dictionaries({"mean_s": st.floats(0.1, 1)}),
        "rates": st.dictionaries(st.text(max_size=4), st.floats(0, 5), max_size=4),
    },
)
DOCUMENTS = st.fixed_dictionaries(
    {"scenario": WORLDS},
    optional={
        "first": st.text(),
        "before": st.dictionaries(st.text(max_size=3), st.lists(st.text()), max_size=3),
    },
)


def places_for_fault(world):
    """Tables of a world by path, and the keys in them that can be given a wrong kind of value."""
    yield (), ["load", "links", "shape", "retry", "rates"]
    for number in range(len(world.get("links", []))):
        yield ("links", number), ["km"]
    for name, keys in {"shape": ["nodes"], "delay": ["mean_s"]}.items():
        if isinstance(world.get(name), dict):
            yield (name,), keys
    if world.get("rates"):
        yield ("rates",), list(world["rates"])


@RELAXED
@given(DOCUMENTS, st.data())
def test_one_fault_gives_one_problem_at_its_line(tree, data):
    path, keys = data.draw(st.sampled_from(list(places_for_fault(tree["scenario"]))))
    table = tree["scenario"]
    for part in path:
        table = table[part]
    unknown = path != ("rates",) and data.draw(st.booleans())
    key = MARKER if unknown else data.draw(st.sampled_from(keys))
    table[key] = 1 if unknown else MARKER
    text = Writer(data.draw).write(tree)
    (problem,) = problems(text)
    lines = text.replace("\r\n", "\n").split("\n")
    (line,) = [number for number, words in enumerate(lines, 1) if MARKER in words]
    assert problem.line == line
    assert lines[line - 1][problem.column - 1 :].lstrip("\"'").startswith(MARKER)
    assert problem.field == ".".join(str(part) for part in ("scenario", *path, key)) or path == ("rates",)


# Dataclasses: the parameters of methods.


@dataclass(frozen=True)
class Window:
    size: int
    decay: float = 1.0


@dataclass(frozen=True)
class Policy:
    alpha: Annotated[float, Field(gt=0, le=1, description="smoothing")]
    sizes: tuple[int, ...] = (1,)
    window: Window | None = None
    mode: Literal["a", "b"] | float = "a"
    names: list[str] = field(default_factory=list)
    copy: bool = False
    derived: int = field(default=3, init=False)

    def __post_init__(self):
        if sum(self.sizes) == 9:
            message = "sizes must not sum to 9"
            raise ValueError(message)


def test_a_dataclass_is_made_of_a_table():
    values = {"alpha": 1, "sizes": [1, 2], "window": {"size": 3}, "mode": 2, "names": ["x"], "copy": True}
    made = validate_dataclass(Policy, values)
    assert made == Policy(1.0, (1, 2), Window(3), 2.0, ["x"], True)
    assert isinstance(made.alpha, float)
    assert validate_dataclass(Policy, {"alpha": 0.5}) == Policy(0.5)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, "alpha: is missing\n  smoothing"),
        ({"alpha": 0}, "alpha: must be greater than 0, is 0"),
        ({"alpha": "1"}, "alpha: must be a number, is '1'"),
        ({"alpha": True}, "alpha: must be a number, is true"),
        ({"alpha": float("nan")}, "alpha: must be a finite number, is nan"),
        ({"alpha": 1, "sizes": [1, 2.0]}, "sizes.1: must be a whole number, is 2.0"),
        ({"alpha": 1, "sizes": [True]}, "sizes.0: must be a whole number, is true"),
        ({"alpha": 1, "sizes": 1}, "sizes: must be an array, is 1"),
        ({"alpha": 1, "window": {"sise": 1}}, "window.sise: there is no such key\n  did you mean 'size'?"),
        ({"alpha": 1, "window": {}}, "window.size: is missing"),
        ({"alpha": 1, "mode": "c"}, "mode: must be 'a' or 'b' or a number, is 'c'"),
        ({"alpha": 1, "copy": 1}, "copy: must be true or false, is 1"),
        ({"alpha": 1, "derived": 1}, "derived: there is no such key"),
        ({"alhpa": 1}, "alhpa: there is no such key\n  did you mean 'alpha'?"),
        ({"alpha": 1, "sizes": [9]}, "sizes must not sum to 9"),
    ],
)
def test_wrong_parameters_are_rejected_by_name(values, words):
    with pytest.raises(BadInput) as caught:
        validate_dataclass(Policy, values)
    (problem,) = caught.value.problems
    assert str(problem).startswith(words)


@dataclass(frozen=True)
class Mean:
    id: Literal["mean"] = "mean"


@dataclass(frozen=True)
class Trimmed:
    share: Annotated[float, Field(ge=0)] = 0.1
    id: Literal["trimmed"] = "trimmed"


@dataclass(frozen=True)
class Merge:
    by: Literal["mean", "trimmed"] | Annotated[Mean | Trimmed, Field(discriminator="id")] = "mean"


def test_a_name_may_stand_for_a_table_of_that_name():
    assert validate_dataclass(Merge, {"by": "trimmed"}) == Merge("trimmed")
    assert validate_dataclass(Merge, {"by": {"id": "trimmed", "share": 1}}) == Merge(Trimmed(1.0))


@pytest.mark.parametrize(
    ("by", "words"),
    [
        ("trimed", "by: must be 'mean' or 'trimmed' or a table, is 'trimed'\n  did you mean 'trimmed'?"),
        ({"id": "trimed"}, "by.id: must be 'mean' or 'trimmed', is 'trimed'\n  did you mean 'trimmed'?"),
        ({"share": 1}, "by.id: is missing"),
        ({"id": "trimmed", "share": -1}, "by.share: must be at least 0, is -1"),
        ({"id": "trimmed", "shar": 1}, "by.shar: there is no such key\n  did you mean 'share'?"),
        ({"id": "mean", "share": 1}, "by.share: there is no such key\n  known: id"),
        (2, "by: must be 'mean' or 'trimmed' or a table, is 2"),
    ],
)
def test_of_a_name_or_a_table_the_one_that_was_meant_is_told(by, words):
    with pytest.raises(BadInput) as caught:
        validate_dataclass(Merge, {"by": by})
    (problem,) = caught.value.problems
    assert str(problem) == words


def test_parameters_in_a_file_are_located():
    document = parse_toml("[[method]]\nid = 'x'\n[[method]]\nid = 'y'\nalpha = -1\nbeta = 2\n")
    values = {key: value for key, value in document.tree["method"][1].items() if key != "id"}
    with pytest.raises(BadInput) as caught:
        validate_dataclass(Policy, values, document, ("method", 1))
    assert [(one.line, one.field) for one in caught.value.problems] == [
        (5, "method.y.alpha"),
        (6, "method.y.beta"),
    ]


def test_an_annotation_that_means_nothing_is_the_authors_mistake():
    @dataclass(frozen=True)
    class Broken:
        value: "NoSuchType"  # noqa: F821

    with pytest.raises(TypeError, match="Broken"):
        validate_dataclass(Broken, {"value": 1})


@given(
    st.dictionaries(
        st.text(max_size=6) | st.sampled_from(["alpha", "sizes", "window", "mode", "names"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(st.text(max_size=3) | st.sampled_from(["size", "decay"]), inner, max_size=3)
            ),
        ),
        max_size=4,
    )
)
def test_any_table_is_a_policy_or_bad_input(values):
    try:
        validate_dataclass(Policy, values)
    except BadInput as error:
        str(error)
