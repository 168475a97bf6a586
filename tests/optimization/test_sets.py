"""Local sets of agents: half-spaces, boxes and balls, in projections, in optima and in a user's file."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.optimization.data import make_problem
from qoslab.domains.optimization.methods.dgd import Dgd
from qoslab.domains.optimization.methods.projected_subgradient import ProjectedSubgradient
from qoslab.domains.optimization.model import run
from qoslab.domains.optimization.oracle import central_cost
from qoslab.domains.optimization.problems.median import Median
from qoslab.domains.optimization.problems.sets import Balls, Boxes, HalfSpaces
from qoslab.domains.optimization.problems.smooth import Quadratic
from qoslab.domains.optimization.problems.solve import solve
from qoslab.domains.optimization.scenario import OptimizationScenario
from qoslab.domains.optimization.tables import ProblemTable
from qoslab.domains.optimization.task import make_task

Q = [0.6, 1.0, 1.4, 0.8, 2.0]
R = [[1.0, 0.0], [3.0, 1.0], [2.0, -1.0], [2.5, 2.0], [1.5, 0.5]]
BOX = {
    "kind": "box",
    "low": [[0.0, -1.0]] * 4 + [[0.2, -5.0]],
    "high": [[0.8, 3.0]] + [[9.0, 0.25]] * 4,
}
BALL = {
    "kind": "ball",
    "centres": [[0.0, 0.0], [1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [9.0, 9.0]],
    "radius": [1.5, 1.0, 1.2, 1.4, 20.0],
}

FILE = f"""
import math

def data(agent, n, rng):
    return {Q}[agent], {R}[agent]

def cost(x, data):
    q, r = data
    return q * sum(math.cosh(a - b) for a, b in zip(x, r))

def gradient(x, data):
    q, r = data
    return [q * math.sinh(a - b) for a, b in zip(x, r)]
"""


def make(table, n=5):
    return make_problem(TypeAdapter(ProblemTable).validate_python(table), n, np.random.default_rng(0))


def drawn(kind, rng, rows=5, p=3):
    if kind is Boxes:
        low = rng.standard_normal((rows, p)) - 1.0
        high = low + rng.uniform(0.1, 2.0, (rows, p))
        low[0, 0], high[1, 1] = -np.inf, np.inf
        return Boxes(low, high)
    if kind is Balls:
        return Balls(rng.standard_normal((rows, p)), rng.uniform(0.1, 1.5, rows))
    normals = rng.standard_normal((rows, p))
    return HalfSpaces(normals / np.linalg.norm(normals, axis=1)[:, None], rng.standard_normal(rows))


@pytest.mark.parametrize("kind", [HalfSpaces, Boxes, Balls])
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), size=st.sampled_from([0.1, 1.0, 10.0]))
def test_projections_are_the_nearest_points_and_distances_those_to_them(kind, seed, size):
    rng = np.random.default_rng(seed)
    sets, x = drawn(kind, rng), size * rng.standard_normal((5, 3))
    nearest = sets.project(x)
    for i in range(5):
        own = sets.rows([i])
        assert own.distance(nearest[i : i + 1])[0] <= 1e-12 * (1.0 + size)
        assert own.distance(x[i : i + 1])[0] == pytest.approx(np.linalg.norm(nearest[i] - x[i]), abs=1e-12)
        # x - P(x) makes an obtuse angle with every way from P(x) into the set: so it is the nearest point.
        others = own.project(nearest[i] + rng.standard_normal((50, 3)) * rng.uniform(0, 3, (50, 1)))
        assert ((others - nearest[i]) @ (x[i] - nearest[i])).max() <= 1e-9 * (1.0 + size)
    assert sets.distance(x) == pytest.approx(np.max([sets.rows([i]).distance(x) for i in range(5)], axis=0))


@pytest.mark.parametrize("kind", [HalfSpaces, Boxes, Balls])
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_room_is_not_negative_in_the_intersection_alone_and_cuts_hold_it(kind, seed):
    rng = np.random.default_rng(seed)
    sets, points = drawn(kind, rng, rows=2), 1.5 * rng.standard_normal((200, 3))
    within = sets.distance(points) <= 0
    assert [(sets.room(x) >= 0).all() for x in points] == within.tolist()
    a, b = sets.cuts(points[0])
    assert (points[within] @ a.T <= b + 1e-12).all()
    away = 1e-6 * rng.standard_normal(3)
    moved = (sets.room(points[0] + away) - sets.room(points[0] - away)) / 2.0
    np.testing.assert_allclose(moved, sets.room_slope(points[0]) @ away, atol=1e-12)


@pytest.mark.parametrize("kind", [HalfSpaces, Boxes, Balls])
@pytest.mark.parametrize("seed", range(8))
def test_some_point_inside_is_found_where_there_is_one_however_small_the_place(kind, seed):
    rng = np.random.default_rng(seed)
    sets, point = drawn(kind, rng, rows=9), rng.standard_normal(3)
    # All moved so that they have a place around this point in common, a hundredth wide.
    if kind is HalfSpaces:
        sets = HalfSpaces(sets.normals, sets.normals @ point + rng.uniform(0.005, 0.01, 9))
    elif kind is Boxes:
        sets = Boxes(np.minimum(sets.low, point - 0.005), np.maximum(sets.high, point + 0.005))
    else:
        apart = rng.standard_normal((9, 3))
        unit = apart / np.linalg.norm(apart, axis=1)[:, None]
        sets = Balls(point + unit * (sets.radii - 0.005)[:, None], sets.radii)
    assert sets.distance(sets.inside()[None])[0] == 0


@pytest.mark.parametrize("kind", [HalfSpaces, Boxes, Balls])
@pytest.mark.parametrize("seed", range(8))
def test_sets_on_two_sides_of_a_gap_are_found_to_have_no_point_in_common(kind, seed):
    rng = np.random.default_rng(seed)
    sets, way = drawn(kind, rng), np.array([0.0, 1.0, 0.0] if kind is Boxes else [0.6, 0.8, 0.0])
    if kind is HalfSpaces:
        normals, offsets = sets.normals.copy(), sets.offsets.copy()
        normals[[1, 3]], offsets[[1, 3]] = [way, -way], [2.0, -2.01]
        sets = HalfSpaces(normals, offsets)
    elif kind is Boxes:
        low, high = sets.low.copy(), sets.high.copy()
        high[1, 1], low[3, 1], high[3, 1] = low[1, 1] + 0.1, low[1, 1] + 0.11, 99.0
        sets = Boxes(low, high)
    else:
        centres = sets.centres.copy()
        centres[3] = centres[1] + way * (sets.radii[1] + sets.radii[3] + 0.01)
        sets = Balls(centres, sets.radii)
    with pytest.raises(BadInput, match=r"those of agents \d(, \d)+ exclude each other"):
        sets.inside()


def test_balls_that_touch_have_their_one_point():
    sets = Balls(np.array([[0.0, 0.0], [3.0, 4.0]]), np.array([2.0, 3.0]))
    np.testing.assert_allclose(sets.inside(), [1.2, 1.6], atol=1e-4)


@pytest.mark.parametrize(
    ("sets", "who"),
    [
        (
            {
                "kind": "box",
                "low": [[0.0, 1.0], [0.0, 0.0], [-9.0, -9.0]],
                "high": [[9.0, 9.0], [9.0, 0.5], [9.0, 9.0]],
            },
            "0, 1",
        ),
        (
            {"kind": "ball", "centres": [[0.0, 0.0], [9.0, 9.0], [3.0, 0.0]], "radius": [1.0, 30.0, 1.5]},
            "0, 2",
        ),
    ],
    ids=["boxes", "balls"],
)
@pytest.mark.parametrize("kind", ["quadratic", "median"])
def test_sets_that_exclude_each_other_name_their_agents(kind, sets, who):
    with pytest.raises(BadInput, match=f"agents {who} exclude each other"):
        solve(make({"kind": kind, "dimension": 2, "sets": sets}, 3))


@pytest.mark.parametrize("sets", [BOX, BALL], ids=["boxes", "balls"])
@pytest.mark.parametrize("kind", ["quadratic", "huber", "logistic", "median"])
def test_optima_in_sets_cost_what_a_convex_solver_finds(kind, sets):
    pytest.importorskip("cvxpy")
    table = {"kind": kind, "dimension": 1 if kind == "logistic" else 2, "sets": sets}
    costs = make(table)
    best = solve(costs)
    assert costs.violation(best[None])[0] <= 1e-8
    assert costs.total(best[None])[0] == pytest.approx(central_cost(costs), rel=1e-7)
    # The sets count: without them the optimum costs less.
    assert solve(make({**table, "sets": None}))[0] != pytest.approx(best[0], abs=1e-6)


def test_a_solver_that_was_given_other_sets_would_disagree():
    pytest.importorskip("cvxpy")
    inner, outer = (
        make({"kind": "quadratic", "dimension": 2, "sets": {"kind": "ball", "radius": r}})
        for r in (0.1, 0.11)
    )
    assert central_cost(outer) < central_cost(inner) - 1e-4


@pytest.mark.parametrize("sets", [BOX, BALL], ids=["boxes", "balls"])
def test_a_users_file_keeps_to_its_sets_and_ends_where_cvxpy_does(tmp_path, sets):
    """cosh(x) = min t with exp(x) + exp(-x) <= 2 t, which a conic solver takes."""
    cp = pytest.importorskip("cvxpy")
    (tmp_path / "cost.py").write_text(FILE)
    problem = {"kind": "file", "file": str(tmp_path / "cost.py"), "dimension": 2, "sets": sets}
    scenario = world(problem)
    task = make_task(scenario, Seed(), Context())
    x = cp.Variable(2)
    cost = sum(
        0.5 * q * cp.sum(cp.exp(x - np.array(r)) + cp.exp(np.array(r) - x)) for q, r in zip(Q, R, strict=True)
    )
    program = cp.Problem(cp.Minimize(cost), limits(cp, x, sets))
    program.solve(solver=cp.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10)
    assert task.cost == pytest.approx(program.value, rel=1e-7)
    np.testing.assert_allclose(task.optimum, x.value, atol=2e-4)
    [found] = run(scenario, ProjectedSubgradient(power=0.6), [Seed()], Context())
    assert found.metrics["error"] < 0.05
    assert found.metrics["infeasibility"] < 0.05
    [agreed] = run(scenario, Dgd(), [Seed()], Context())
    assert agreed.metrics["error"] < 0.1


def limits(cp, x, sets):
    if sets["kind"] == "box":
        return [one for row in sets["low"] for one in [x >= row]] + [x <= row for row in sets["high"]]
    return [cp.norm(x - np.array(m)) <= r for m, r in zip(sets["centres"], sets["radius"], strict=True)]


def world(problem, **changes):
    base = {"network": {"generate": {"model": "ring", "nodes": 5}}, "problem": problem, "rounds": 2000}
    return OptimizationScenario.model_validate(base | changes)


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        ({"low": 0.0}, "low is of kind = 'box', and kind is 'half-space'"),
        ({"kind": "ball", "offset": 1.0}, "offset is of kind = 'half-space', and kind is 'ball'"),
        ({"kind": "box"}, "a box needs low or high"),
        ({"kind": "ball", "radius": [1.0, 0.0]}, "radius must be positive: entry 1 is 0"),
        ({"kind": "ball", "radius": -1.0}, "radius must be positive: entry 0 is -1"),
    ],
)
def test_a_table_of_sets_says_what_is_wrong_with_it(sets, words):
    with pytest.raises(ValidationError, match=words):
        world({"kind": "quadratic", "sets": sets})


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        ({"kind": "box", "low": [[0.0], [1.0]]}, r"sets.low: needs numbers of shape \(5, 1\)"),
        ({"kind": "box", "low": 1.0, "high": 0.0}, "the box of agent 0 is empty: entry 0 from 1 to 0"),
        ({"kind": "ball", "radius": [1.0]}, r"sets.radius: needs numbers of shape \(5,\)"),
        ({"kind": "ball", "centres": [[1.0]]}, r"sets.centres: needs numbers of shape \(5, 1\)"),
    ],
)
def test_sets_must_fit_the_agents(sets, words):
    with pytest.raises(BadInput, match=words):
        make({"kind": "quadratic", "sets": sets})


def test_one_number_is_everybodys_and_ends_that_are_not_given_are_open():
    box = make({"kind": "quadratic", "dimension": 2, "sets": {"kind": "box", "high": 0.25}})
    assert isinstance(box, Quadratic)
    assert (box.sets.low == -np.inf).all()
    assert (box.sets.high == 0.25).all()
    assert box.sets.low.shape == box.sets.high.shape == (5, 2)
    ball = make({"kind": "median", "sets": {"kind": "ball"}})
    assert isinstance(ball, Median)
    assert (ball.sets.radii == 1.0).all()
    assert not ball.sets.centres.any()


@pytest.mark.full
@pytest.mark.parametrize("sets", [BOX, BALL], ids=["boxes", "balls"])
def test_agents_as_processes_keep_to_their_sets_alike(tmp_path, sets):
    (tmp_path / "cost.py").write_text(FILE)
    problem = {"kind": "file", "file": str(tmp_path / "cost.py"), "dimension": 2, "sets": sets}
    errors = []
    for how in ("arrays", "local"):
        [found] = run(world(problem, agents=how, rounds=30), ProjectedSubgradient(), [Seed()], Context())
        errors.append(found.metrics["error"])
    assert errors[1] == pytest.approx(errors[0], rel=1e-12)
