"""Rows of digits: what they are held to, and that they fail where the instance is another one."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.domains.optimization import digits
from qoslab.domains.optimization.checks import near
from qoslab.domains.optimization.instances import a1, d1, work
from qoslab.domains.optimization.methods.row_stochastic_tracking import RowStochasticTracking
from qoslab.domains.optimization.theory import tapped_average


def failed(rows):
    return [row.name for row in rows if row.status != "pass"]


def test_digits_hold_to_half_a_unit_of_the_last():
    assert near("", 0.1234, 0.12345, 5e-5).status == near("", 0.1234, 0.12335, 5e-5).status == "pass"
    assert near("", 0.1234, 0.123451, 5e-5).status == near("", 0.1234, 0.123349, 5e-5).status == "fail"


@pytest.mark.parametrize(("caught", "factor"), [(0.3, 1.0), (0.3, 3.0), (0.7, 0.9), (0.5, 0.0)])
def test_the_spread_of_a_guess_by_enumeration(caught, factor):
    path = np.array([1.0, 2.5, 2.0, 2.25, 3.0])[:, None]
    sent = np.array([1.0, 1.5, -0.5, 0.25, 0.75])
    mean = square = 0.0
    for flags in product((0.0, 1.0), repeat=5):
        chance = float(np.prod([caught if flag else 1 - caught for flag in flags]))
        error = (3.0 - factor * sent @ np.array(flags)) ** 2
        mean, square = mean + chance * error, square + chance * error**2
    assert digits.square_spread(path, caught, factor) == pytest.approx(np.sqrt(square - mean**2), abs=1e-7)


def test_without_the_division_tracking_ends_where_perron_entries_weigh_the_costs():
    """Other costs than A1's, for which that point is not 0: the one of sum pi_i q_i (x - c_i)^2."""
    task = a1()
    shifted = replace(task, costs=replace(task.costs, target=task.costs.target + np.arange(10.0)[:, None]))
    weights = np.tile([0.8 / 7.0, 0.6 / 7.0], 5) * np.asarray(task.costs.curvature)
    expected = float(weights @ shifted.costs.target[:, 0] / weights.sum())
    lone = work(shifted, digits._Undivided(0.02), 3000, Context()).x
    np.testing.assert_allclose(lone, expected, atol=1e-9)
    divided = work(task, RowStochasticTracking(0.02), 3000, Context()).x
    np.testing.assert_allclose(divided, -1.0, atol=1e-9)


def test_multipliers_of_d1_say_where_the_prototype_was_off():
    rows = {row.name: row for row in digits.budget_digits()}
    assert failed(rows.values()) == []
    notes = [row.note for name, row in rows.items() if "multiplier" in name]
    assert len(notes) == 6
    off = [note for note in notes if "off" in note]
    assert [note.split()[5].rstrip(",") for note in off] == ["10.8754", "16.3127", "24.4724"]
    assert "9 / 0.606470^2 = 24.4694" in off[-1]


def test_rows_of_another_instance_fail(monkeypatch):
    monkeypatch.setattr(digits, "d1", lambda: d1((8.01, 12.0)))
    names = failed(digits.budget_digits())
    assert "D1 budget of access networks, class 0" in names
    assert "D1 multiplier of access network 0, class 0" in names
    assert "D1 multiplier of access network 0, class 1" not in names
    path = tapped_average(400)
    assert failed(digits.leakage_digits(path, quick=True)) == []
    longer = failed(digits.leakage_digits(1.02 * path, quick=True))
    assert {"F1 end of the path", "F1 quadratic variation"} <= set(longer)
    assert sum("trials" in name for name in longer) >= 10
