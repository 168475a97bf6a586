"""What every method of the domain must survive: cold users and services, one cell, uneven and many parameters."""

import importlib.util

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.domains.prediction.data import Known
from qoslab.domains.prediction.model import Prediction
from qoslab.testing.methods import registered_methods

SEED = np.random.SeedSequence(7)
PROBES = {"learn": "torch", "bench": "surprise"}


def complete(entry, known):
    probe = PROBES.get(entry.extra or "")
    if probe and importlib.util.find_spec(probe) is None:
        pytest.skip(f"needs the extra '{entry.extra}'")
    found = entry.cls(**entry.example).predict(known, SEED, Context())
    values = found.values if isinstance(found, Prediction) else found
    assert values.shape == known.values.shape
    assert np.isfinite(values).all()
    return values


def table(parameters=2, users=9, services=14, share=0.5, seed=0):
    rng = np.random.default_rng(seed)
    values = np.exp(rng.standard_normal((parameters, users, services)))
    return np.where(rng.random((users, services)) < share, values, np.nan)


every_method = pytest.mark.parametrize("entry", registered_methods("prediction"), ids=lambda entry: entry.id)


@every_method
def test_cold_users_and_services_are_predicted(entry):
    values = table()
    values[:, 2], values[:, :, 5] = np.nan, np.nan
    codes = {"country": np.array([0, 1, 2] * 3), "as": np.array([-1, 3, 4] * 3)}
    groups = {"country": np.arange(14) % 3, "as": np.full(14, -1)}
    complete(entry, Known(("a", "b"), values, codes, groups))


@every_method
@pytest.mark.parametrize("side", ["users", "services"])
def test_places_may_be_those_of_one_side(entry, side):
    """Users whose country is known and services of which nothing is, or the other way round."""
    places = {"users": {"country": np.arange(9) % 3}, "services": {"country": np.arange(14) % 3}}
    sides = [places[one] if one == side else {} for one in ("users", "services")]
    complete(entry, Known(("a", "b"), table(), *sides))


@every_method
def test_parameters_may_know_different_cells(entry):
    values = table(parameters=3)
    values[0] = table(parameters=1, seed=1)[0]
    complete(entry, Known(("a", "b", "c"), values))


@every_method
def test_one_known_cell_is_enough(entry):
    values = np.full((1, 3, 4), np.nan)
    values[0, 1, 2] = 5.0
    known = Known(("q",), values)
    if entry.name == "conformal":  # it must hide cells from its method, and says so
        with pytest.raises(BadInput, match="cell"):
            complete(entry, known)
        return
    complete(entry, known)


@every_method
def test_a_parameter_that_is_zero_everywhere_is_no_fault(entry):
    values = table()
    values[1] = np.where(np.isfinite(values[1]), 0.0, np.nan)
    assert np.abs(complete(entry, Known(("a", "b"), values))[1]).max() < 1.0
