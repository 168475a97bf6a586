from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from qoslab.study.grid import expand, grids, label_of, size


def test_no_grid_is_one_point_without_a_label() -> None:
    [point] = expand({"load": 0.5})
    assert (point.tree, point.values, label_of(point.values)) == ({"load": 0.5}, {}, "")


def test_product_in_file_order_last_fastest() -> None:
    points = list(expand({"b": {"x": {"grid": [1, 2]}}, "a": {"grid": ["p", "q"]}, "c": 0}))
    assert [label_of(p.values) for p in points] == ["b.x=1, a=p", "b.x=1, a=q", "b.x=2, a=p", "b.x=2, a=q"]
    assert points[1].tree == {"b": {"x": 1}, "a": "q", "c": 0}


def test_values_may_be_tables_and_stand_in_arrays() -> None:
    points = list(expand({"links": [{"km": {"grid": [1.0, 2.0]}}], "net": {"grid": [{"n": 3}, {"n": 4}]}}))
    assert label_of(points[3].values) == 'links.0.km=2.0, net={"n":4}'
    assert points[3].tree == {"links": [{"km": 2.0}], "net": {"n": 4}}


def test_a_grid_with_other_keys_or_no_array_is_an_ordinary_table() -> None:
    for table in ({"grid": 3}, {"grid": [1], "rows": 2}):
        assert [p.tree for p in expand({"g": table})] == [{"g": table}]


def test_a_whole_section_is_no_grid() -> None:
    assert [p.tree for p in expand({"grid": [1, 2]})] == [{"grid": [1, 2]}]


def test_aliases_lead_to_the_place_in_the_file() -> None:
    last = list(expand({"load": {"grid": [0.1, 0.2]}}))[1]
    assert last.aliases(("scenario",)) == {("scenario", "load"): ("scenario", "load", "grid", 1)}


values = st.one_of(st.integers(), st.floats(allow_nan=False), st.text(max_size=3), st.booleans())
grid = st.lists(values, min_size=1, max_size=3).map(lambda items: {"grid": items})
trees = st.dictionaries(
    st.text("abc", min_size=1, max_size=2),
    st.one_of(values, grid, st.dictionaries(st.text("xyz", min_size=1, max_size=1), grid, max_size=2)),
    max_size=3,
)


@given(trees)
def test_as_many_points_as_combinations_and_no_grid_left(tree: dict[str, Any]) -> None:
    points = list(expand(tree))
    assert len(points) == size(tree) == math.prod(len(items) for _, items in grids(tree))
    assert all(not list(grids(point.tree)) for point in points)
    assert len({tuple(point.choices.values()) for point in points}) == len(points)
