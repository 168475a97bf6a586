"""Trees where a feature has no value at all, which scikit-learn cannot bin."""

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.domains.prediction.data import Known
from qoslab.domains.prediction.fold_features import readable
from qoslab.domains.prediction.methods.boosted_factors import BoostedFactors
from qoslab.domains.prediction.methods.gradient_boosting import GradientBoosting

pytest.importorskip("sklearn", reason="needs the extra 'learn'")
SEED = np.random.SeedSequence(0)


def measured(how):
    rng = np.random.default_rng(0)
    rows, columns = {"one user": (1, 400), "one service": (400, 1)}.get(how, (30, 300))
    values = np.exp(rng.standard_normal((2, rows, columns)))
    if how == "each service once":
        values[:, rng.integers(rows, size=columns)[None] != np.arange(rows)[:, None]] = np.nan
    if how == "parameters apart":
        values[:, rng.random((rows, columns)) < 0.7] = np.nan
        values[0, :, : columns // 2] = values[1, :, columns // 2 :] = np.nan
    return values


@pytest.mark.parametrize("method", [BoostedFactors(sweeps=3, trees=10), GradientBoosting(trees=10)])
@pytest.mark.parametrize("how", ["one user", "one service", "each service once", "parameters apart"])
def test_features_that_no_cell_has_are_passed_over(method, how):
    """A lone user has no neighbours, a service that was measured once no margin without that cell."""
    values = measured(how)
    found = method.predict(Known(("a", "b"), values), SEED, Context())
    assert np.isfinite(found).all()
    for table, known in zip(found, values, strict=True):
        assert np.nanmin(known) <= table.min()
        assert table.max() <= np.nanmax(known)


def test_columns_with_a_value_stay_as_they_are():
    x = np.array([[1.0, np.nan, np.nan], [np.nan, np.nan, 2.0]], np.float32)
    np.testing.assert_array_equal(readable(x), np.array([[1, 0, np.nan], [np.nan, 0, 2]], np.float32))
    whole = x[:, [0, 2]]
    assert readable(whole) is whole
