"""The interval programme against all trees; the other orders' shares; files and mistakes in them."""

import time
from dataclasses import replace

import numpy as np
import pytest

from qoslab.core.errors import BadInput
from qoslab.domains.entanglement.swaporder.command import plan_swaps
from qoslab.domains.entanglement.swaporder.dynamic import interval_orders
from qoslab.domains.entanglement.swaporder.exact import evaluate
from qoslab.domains.entanglement.swaporder.path import Goal, SwapLink, SwapPath
from qoslab.domains.entanglement.swaporder.plan import from_ranks, plan
from qoslab.domains.entanglement.swaporder.tree import all_trees


def random_path(rng, repeaters, attempts=(20, 120), success=(0.05, 0.6)):
    links = tuple(
        SwapLink(int(rng.integers(*attempts)), float(rng.uniform(*success)), float(rng.uniform(0.9, 1)))
        for _ in range(repeaters + 1)
    )
    return SwapPath(links, tuple(float(q) for q in rng.uniform(0.3, 1, repeaters)))


def test_the_programme_finds_the_optimum_of_200_paths():
    rng = np.random.default_rng(1)
    for _ in range(200):
        path = random_path(rng, int(rng.integers(3, 7)))
        best = plan(path, "exhaustive")
        assert plan(path).value == pytest.approx(best.value, rel=1e-9)
        assert best.value >= plan(path, "greedy").value


def test_moments_alone_where_pairs_are_many():
    rng = np.random.default_rng(1)
    for _ in range(60):
        path = random_path(rng, int(rng.integers(3, 6)))
        path = replace(
            path, swaps=(0.5,) * path.repeaters, links=tuple(replace(x, werner=1.0) for x in path.links)
        )
        best = plan(path, "exhaustive").value
        assert max(evaluate(path, order.tree).mean for order in interval_orders(path)) >= 0.99 * best
        exact = interval_orders(path, limit=2, tails=True)
        assert max(evaluate(path, order.tree).mean for order in exact) == pytest.approx(best, rel=1e-9)


def test_the_programme_finds_the_optimum_at_small_capacities():
    rng = np.random.default_rng(2)
    for _ in range(40):
        path = random_path(rng, int(rng.integers(2, 6)), attempts=(1, 8), success=(0.2, 0.9))
        assert plan(path).value == pytest.approx(plan(path, "exhaustive").value, rel=1e-9)


def test_all_trees_are_tried():
    path = random_path(np.random.default_rng(3), 4)
    best = max(evaluate(path, tree).mean for tree in all_trees(0, 5))
    assert plan(path, "exhaustive").pairs == pytest.approx(best)


def test_shares_of_the_usual_orders():
    # 60 paths of 3-5 repeaters, q = 1/2, other draws than the published 0.976, 0.707 and 0.475.
    rng = np.random.default_rng(4)
    shares = {name: [] for name in ("greedy", "balanced", "left_to_right")}
    for _ in range(60):
        path = random_path(rng, int(rng.integers(3, 6)))
        path = replace(path, swaps=(0.5,) * path.repeaters)
        best = plan(path, "exhaustive").value
        for name, found in shares.items():
            found.append(plan(path, name).value / best)
    means = {name: np.mean(found) for name, found in shares.items()}
    assert 0.95 < means["greedy"] < 0.9999
    assert 0.62 < means["balanced"] < 0.80
    assert 0.30 < means["left_to_right"] < 0.55


def test_purification_and_fidelity_reach_the_optimum_of_all_ways():
    rng = np.random.default_rng(5)
    gained = 0
    for _ in range(12):
        path = replace(random_path(rng, 2), gate=0.99)
        for objective in ("secret_key", "distillable"):
            goal = Goal(objective, 0.0, 1)
            found, best = plan(path, "interval", goal), plan(path, "exhaustive", goal)
            assert found.value >= 0.97 * best.value
            gained += found.value > plan(path, "interval", Goal(objective)).value * 1.0001
    assert gained


def test_a_minimum_fidelity_is_kept():
    path = SwapPath((SwapLink(200, 0.5, 0.88),) * 3, (0.5, 0.5))
    assert plan(path, "interval", Goal("pairs", 0.8)).value == 0
    found = plan(path, "interval", Goal("pairs", 0.8, 2))
    assert found.value > 0
    assert found.fidelity >= 0.8
    assert found.order.rounds


def test_long_paths_take_no_time():
    path = random_path(np.random.default_rng(6), 100)
    start = time.process_time()
    found = plan(path)
    assert time.process_time() - start < 1.0
    assert found.value >= plan(path, "greedy").value
    assert found.value >= plan(path, "balanced").value


def test_published_shapes():
    # Increasing lengths: from the short side; decreasing: mirrored; a poor link in the middle: joined last.
    def path(*successes):
        return SwapPath(tuple(SwapLink(100, p) for p in successes), (0.5,) * (len(successes) - 1))

    assert plan(path(0.2, 0.2, 0.2, 0.2)).ranks == [2, 0, 1, 0, 2]
    assert plan(path(0.8, 0.4, 0.2, 0.1)).ranks == plan(path(0.1, 0.2, 0.4, 0.8)).ranks[::-1]
    middle = plan(path(0.5, 0.5, 0.1, 0.5, 0.5)).ranks
    assert middle[1] == middle[4] == 0


def test_ranks_give_back_their_order():
    path = random_path(np.random.default_rng(7), 6)
    found = plan(path)
    assert evaluate(path, from_ranks(found.ranks).tree).mean == pytest.approx(found.pairs)


FILE = """
swap_success = [0.5, 0.6]
objective = "secret_key"
[[link]]
attempts = 80
success = 0.3
fidelity = 0.99
[[link]]
attempts = 60
success = 0.2
fidelity = 0.985
[[link]]
attempts = 90
success = 0.4
fidelity = 0.99
"""


def test_the_command_lists_all_orders(tmp_path):
    file = tmp_path / "path.toml"
    file.write_text(FILE)
    rows = plan_swaps(file, all_trees=True)
    assert rows[0]["share_of_best"] == 1.0
    assert {row["order"] for row in rows} >= {"interval", "greedy", "exhaustive"}
    assert all(len(row["ranks"].split()) == 4 for row in rows)


def test_a_file_may_say_how_long_swaps_take(tmp_path):
    file = tmp_path / "path.toml"
    values = {}
    for delays in ("0.0", "0.2", "[0.0, 0.2]"):
        file.write_text(f"swap_delay_s = {delays}\nslot_s = 1.0\n" + FILE.replace("secret_key", "pairs"))
        values[delays] = plan_swaps(file)[0]["value"]
    assert values["0.0"] > values["[0.0, 0.2]"] > values["0.2"] > 0
    file.write_text(FILE.replace("secret_key", "pairs"))
    assert plan_swaps(file)[0]["value"] == values["0.0"]


def test_swaps_that_leave_no_time_are_told(tmp_path):
    file = tmp_path / "path.toml"
    file.write_text("swap_delay_s = 0.2\nslot_s = 0.1\n" + FILE)
    with pytest.raises(BadInput, match=r"no order is done in 0\.1 s") as error:
        plan_swaps(file)
    assert error.value.problems[0].line == 2


def test_small_rates_are_told_and_not_rounded_away(tmp_path):
    file = tmp_path / "path.toml"
    file.write_text("swap_success = 0.5\n" + "[[link]]\nattempts = 10\nsuccess = 0.3\n" * 41)
    rows = plan_swaps(file)
    assert all(0 < row["value"] == row["pairs_per_slot"] < 1e-6 for row in rows)


@pytest.mark.parametrize(
    ("old", "new", "message", "line"),
    [
        ("attempts = 80", "attempts = 0", "attempts", 5),
        ("success = 0.3", "success = 1.3", "success", 6),
        ("[0.5, 0.6]", "[0.5]", "swap_success: has 1 values for 2 repeaters", 2),
        ("[0.5, 0.6]", "[]", "swap_success: has 0 values for 2 repeaters", 2),
        ("[0.5, 0.6]", "[0.5, 1.6]", "swap_success", 2),
        ("[0.5, 0.6]", "0.0", "swap_success", 2),
        ("secret_key", "secret", "objective", 3),
        ("[0.5, 0.6]", "0.5\nswap_delay_s = [0.1]", "has 1 values for 2 repeaters", 3),
        ("[0.5, 0.6]", "0.5\nswap_delay_s = [0.1, -0.1]", "swap_delay_s", 3),
        ("[0.5, 0.6]", "0.5\nslot_s = 0.0", "slot_s", 3),
    ],
)
def test_a_wrong_file_is_refused(tmp_path, old, new, message, line):
    file = tmp_path / "path.toml"
    file.write_text(FILE.replace(old, new, 1))
    with pytest.raises(BadInput, match=message) as error:
        plan_swaps(file)
    assert error.value.problems[0].line == line


@pytest.mark.parametrize("least", ["", "minimum_fidelity = 0.9\n"])
def test_a_path_without_any_good_order_says_so(tmp_path, least):
    """Told at the fidelity that is wanted, or at the objective that wants it, both in the third line."""
    file = tmp_path / "path.toml"
    text = FILE.replace('objective = "secret_key"\n', least) if least else FILE
    file.write_text(text.replace("0.985", "0.5"))
    with pytest.raises(BadInput, match="no order gives a pair that counts") as error:
        plan_swaps(file)
    assert error.value.problems[0].line == 3


def test_too_long_a_path_is_not_enumerated():
    with pytest.raises(BadInput, match="10 repeaters are too many"):
        plan(random_path(np.random.default_rng(8), 10), "exhaustive")
