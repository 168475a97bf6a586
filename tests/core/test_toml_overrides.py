"""Values from the command line reach their place, or are refused by the words that were written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from qoslab.core.errors import BadInput
from qoslab.core.located import parse_toml, set_value, validate, with_overrides
from qoslab.core.scenario import Part
from qoslab.core.toml_overrides import parse_value

TEXT = (
    '[study]\nseeds = 3\n[scenario]\nload = { grid = [1, 2] }\n[[method]]\nid = "a"\n[[method]]\nid = "b"\n'
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        (" 1.5 ", 1.5),
        ("true", True),
        ("[1, 'a']", [1, "a"]),
        ("{grid = [1, 2]}", {"grid": [1, 2]}),
        ('"1"', "1"),
        ("", ""),
        ("True", "True"),
        ("least work left", "least work left"),
        ("1 # one", "1 # one"),
        ("1\nb = 2", "1\nb = 2"),
        ("#", "#"),
        ("a.toml", "a.toml"),
    ],
)
def test_a_text_is_a_toml_value_where_it_is_one(text, value):
    assert parse_value(text) == value
    assert type(parse_value(text)) is type(value)


@given(st.text())
def test_any_text_is_a_value_or_bad_input(text):
    try:
        value = parse_value(text)
    except BadInput:
        value = None
    assert value is not None or text.strip()[0] in "[{\"'"


def test_values_are_set_in_a_copy():
    tree = parse_toml(TEXT).tree
    changed = set_value(tree, "method.1.alpha", 0.5)
    assert changed["method"][1] == {"id": "b", "alpha": 0.5}
    assert tree == parse_toml(TEXT).tree
    assert set_value(tree, "report.metric", "p99")["report"] == {"metric": "p99"}
    assert set_value(tree, 'scenario."a b".c', 1)["scenario"]["a b"] == {"c": 1}
    assert set_value(tree, "scenario.load.grid.1", 9)["scenario"]["load"]["grid"] == [1, 9]


def test_a_table_may_be_named_by_its_label_or_id():
    text = "[[method]]\nid = 'a'\nalpha = -1\n[[method]]\nid = 'a'\nlabel = 'a(x=1)'\nbeta = 2\n"
    tree = parse_toml(text).tree
    assert set_value(tree, 'method."a(x=1)".beta', 3)["method"][1]["beta"] == 3
    assert set_value(tree, "method.a.alpha", 3)["method"][0]["alpha"] == 3
    with pytest.raises(BadInput, match=r"several tables of 'method' are 'b'\n  .*method\.0 is the first"):
        set_value(parse_toml("[[method]]\nid = 'b'\n[[method]]\nid = 'b'\n").tree, "method.b.alpha", 3)


def test_problems_of_a_named_table_say_its_name_once():
    document = parse_toml("[[method]]\nid = 'a'\nalpha = -1\n[[method]]\nid = 'b'\n[[method]]\nid = 'b'\n")
    assert str(document.problem(("method", 0, "alpha"), "is wrong")).startswith(
        "3:9: method.a.alpha: is wrong"
    )
    assert document.problem(("method", 2, "id"), "is wrong").field == "method.2.id"
    changed = with_overrides(document, {"method.a.alpha": "5", "method.1.c": "6"})
    assert str(changed.problem(("method", 0, "alpha"), "is wrong")) == "--set method.a.alpha=5: is wrong"
    assert str(changed.problem(("method", 1, "c"), "is wrong")) == "--set method.1.c=6: is wrong"


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("scenaro.load", "did you mean 'scenario'?"),
        ("method.2.id", "its items are 0 to 1"),
        ("method.x.id", "there is no method 'x'"),
        ("scenario.load.grid.x", "an array without item 'x'"),
        ("method.7", "an array without item '7'"),
        ("study.seeds.x", "'study.seeds' is a value, not a table"),
        ("study..x", "this is not a key"),
        ("", "this is not a key"),
        ("a b", "this is not a key"),
        (".".join("a" * 100), "this is not a key"),
    ],
)
def test_keys_that_lead_nowhere(key, words):
    with pytest.raises(BadInput) as caught:
        set_value(parse_toml(TEXT).tree, key, 1)
    assert words in str(caught.value)
    assert str(caught.value).startswith(f"--set {key}"[:100])


def test_all_wrong_overrides_are_named():
    with pytest.raises(BadInput) as caught:
        with_overrides(parse_toml(TEXT), {"method.7.id": "x", "study.seeds": "[1", "study.name": "fine"})
    assert [one.field for one in caught.value.problems] == ["--set method.7.id=x", "--set study.seeds=[1"]


class Servers(Part):
    count: int = Field(ge=1)


class World(Part):
    load: float = Field(lt=1)
    servers: Servers = Servers(count=1)


def test_problems_of_overridden_values_name_the_option():
    document = with_overrides(parse_toml(TEXT), {"scenario.load": "1.5", "scenario.servers": "{cuont = 1}"})
    with pytest.raises(BadInput) as caught:
        validate(World, document.tree["scenario"], document, ("scenario",))
    assert sorted(str(one) for one in caught.value.problems) == [
        "--set scenario.load=1.5: must be less than 1, is 1.5",
        "--set scenario.servers={cuont = 1}: scenario.servers.cuont: there is no such key\n  did you mean 'count'?",
    ]
    assert all(one.line is None for one in caught.value.problems)
