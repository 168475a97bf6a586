"""The scanner against tomllib: every value of a document has a place, and the place holds that value."""

import math
import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.core.toml_writer import documents

from qoslab.core.errors import BadInput
from qoslab.core.located import parse_toml
from qoslab.core.toml_positions import MAX_DEPTH, ScanError, TooDeep, key_parts, scan, value_end

RELAXED = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))


KNOWN = """\
title = "é"
[owner]  # who
  name = 1
deep."x y" = 2
[[link]]
to = 3
[[link]]
[link.hop]
n = 4
[grid]
load = [  # [[link]]
  {a = 1}, {b = 2}]
text = '''
[grid]'''
after = 5
"""


def leaves(node, path=()):
    if isinstance(node, dict | list):
        for key, item in node.items() if isinstance(node, dict) else enumerate(node):
            yield from leaves(item, (*path, key))
            yield (*path, key), item


def same(left, right):
    if isinstance(left, float) and isinstance(right, float):
        return left == right or (math.isnan(left) and math.isnan(right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


@RELAXED
@given(documents())
def test_every_value_has_a_place_that_holds_it(made):
    text, tree = made
    document = parse_toml(text)
    assert same(document.tree, tree)  # the writer of this test is right
    index = document.index()
    paths = dict(leaves(tree))
    assert set(index) == set(paths)
    for path, value in paths.items():
        place = index[path]
        written = document.text[place.value.start : place.value.end]
        if written.startswith("[") and isinstance(value, dict):
            assert document.text[: place.value.start].rpartition("\n")[2].strip(" \t") == ""  # a header
        elif place.value == place.key and place.keyed:
            assert isinstance(value, dict)  # a table that only dotted keys or deeper headers make
        elif not (written.startswith("[[") and is_header(document.text, place)):
            assert same(tomllib.loads(f"value = {written}")["value"], value)
        if place.keyed:
            name = [part for part in path if isinstance(part, str)][-1]
            words = document.text[place.key.start : place.key.end]
            assert [word for word, _ in key_parts(words, 0)[0]] == [name]


def is_header(text, place):
    return place.value.start < place.key.start < place.value.end


@RELAXED
@given(documents(), st.data())
def test_a_few_places_are_those_of_the_whole_index(made, data):
    document = parse_toml(made[0])
    index = document.index()
    if index:
        some = data.draw(st.sets(st.sampled_from(sorted(index, key=str)), max_size=4))
        assert document.places(some) == {path: index[path] for path in some}
    assert document.place(("no", "such", "key")) is None


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        (("title",), 1, 9),
        (("owner", "name"), 3, 10),
        (("owner", "deep", "x y"), 4, 14),
        (("owner", "deep"), 4, 1),
        (("link",), 5, 1),
        (("link", 0, "to"), 6, 6),
        (("link", 1), 7, 1),
        (("link", 1, "hop", "n"), 9, 5),
        (("link", 1, "hop"), 8, 1),
        (("grid", "load", 1, "b"), 12, 17),
        (("grid", "text"), 13, 8),
        (("grid", "after"), 15, 9),
    ],
)
def test_lines_and_columns_of_a_known_document(path, line, column):
    document = parse_toml(KNOWN)
    assert document.line_column(document.place(path).value.start) == (line, column)


def test_a_header_says_more_than_what_mentioned_its_table_first():
    document = parse_toml("[a.b]\nx = 1\n[a]\ny = 2\n")
    assert document.line_column(document.place(("a",)).value.start) == (3, 1)


@given(st.integers(MAX_DEPTH - 2, MAX_DEPTH + 3), st.sampled_from(["[", "{", ".", "header"]))
def test_depth_is_limited_alike_in_every_form(depth, form):
    text = {
        "[": "a = " + "[" * depth + "]" * depth,
        "{": "a = " + "{b=" * (depth - 1) + "1" + "}" * (depth - 1),
        ".": ".".join("a" * depth) + " = 1",
        "header": "[" + ".".join("a" * depth) + "]",
    }[form]
    if depth <= MAX_DEPTH:
        parse_toml(text)
    else:
        with pytest.raises(BadInput, match="more than 64 levels"):
            parse_toml(text)


@given(st.text())
def test_text_that_is_not_toml_ends_the_scan_and_nothing_else(text):
    stopped = 0
    try:
        scan(text, lambda path, place: None)
    except ScanError as error:
        stopped = error.offset
    assert 0 <= stopped <= len(text)


@given(st.text(st.sampled_from("[]{}=.,'\"\\\n# a1-:T"), max_size=60))
def test_the_scanner_takes_all_that_tomllib_takes(text):
    try:
        tomllib.loads(text)
    except ValueError:
        return
    scan(text, lambda path, place: None)


def test_value_end_and_key_parts():
    assert value_end("[1, {a = ']'}] # x", 0) == 14
    assert [word for word, _ in key_parts("a . \"b\\u0021\".'c.d' = 1", 0)[0]] == ["a", "b!", "c.d"]
    with pytest.raises(ScanError):
        key_parts("a..b", 0)
    with pytest.raises(TooDeep):
        key_parts(".".join("a" * 70), 0)
