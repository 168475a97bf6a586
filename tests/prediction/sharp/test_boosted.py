"""SHARP-QoS and trees together: what is hidden from whom, which shares follow, and what the average is made of."""

import numpy as np
import pytest

pytest.importorskip("torch")

from qoslab.core.context import Context, TimeLimitExceeded
from qoslab.domains.prediction.data import Known
from qoslab.domains.prediction.intervals import child
from qoslab.domains.prediction.methods.boosted_factors import BoostedFactors
from qoslab.domains.prediction.methods.sharp_boosted import SHARES, SharpBoosted, errors_by_share
from qoslab.domains.prediction.methods.sharp_qos import SharpQos
from qoslab.domains.prediction.model import Prediction

SMALL = {"steps": 10, "rank": 4, "hidden": 8, "width": 4, "trees": 5, "folds": 2}
SEED = np.random.SeedSequence(3)


def _world(users=30, services=40, seed=0):
    rng = np.random.default_rng(seed)
    truth = rng.random((users, 3)) @ rng.random((3, services)) * np.array([1.0, 20.0])[:, None, None]
    return truth, Known(("rt", "tp"), np.where(rng.random(truth.shape[1:]) < 0.5, truth, np.nan))


@pytest.fixture
def stand_ins(monkeypatch):
    """Instead of both models, tables; what they were given is written down."""
    given = {"network": [], "trees": []}

    def install(network, trees):
        def learn(self, known, seed, context):
            given["network"].append(known.values)
            return Prediction(network.copy(), series={"training": {"step": np.arange(1)}})

        def grow(self, known, seed, context):
            given["trees"].append(known.values)
            return trees.copy()

        monkeypatch.setattr(SharpQos, "predict", learn)
        monkeypatch.setattr(BoostedFactors, "predict", grow)
        return given

    return install


def _shift(truth, *by):
    return truth + np.array(by)[:, None, None]


def test_errors_by_share_are_those_of_the_closed_form():
    """One above and one three below the truth: |4a - 3|, least at 3/4; of a parameter without cells nothing is said."""
    truth, known = _world()
    compared = known.values.copy()
    compared[1] = np.nan
    errors = errors_by_share(_shift(truth, 1.0, 1.0), _shift(truth, -3.0, -3.0), compared)
    np.testing.assert_allclose(errors[:, 0], np.abs(4 * SHARES - 3), atol=1e-12)
    assert SHARES[errors[:, 0].argmin()] == pytest.approx(0.75)
    assert np.isnan(errors[:, 1]).all()


def test_every_parameter_has_its_own_share(stand_ins):
    """The network is right of the first parameter and far off in the second: shares of 1 and 0 give the truth."""
    truth, known = _world()
    stand_ins(_shift(truth, 0.0, 5.0).clip(0), _shift(truth, 0.5, 0.0))
    found = SharpBoosted(held_out=0.2).predict(known, SEED, Context())
    np.testing.assert_allclose(found.values[0], truth[0].clip(*_range(known, 0)))
    np.testing.assert_allclose(found.values[1], truth[1])


def _range(known, parameter):
    return np.nanmin(known.values[parameter]), np.nanmax(known.values[parameter])


def test_the_hidden_cells_are_seen_by_nobody_before_the_shares_are_found(stand_ins):
    truth, known = _world()
    given = stand_ins(truth, truth)
    found = SharpBoosted(held_out=0.2).predict(known, SEED, Context())
    (network,), (first, last) = given["network"], given["trees"]
    cells = np.isfinite(known.values)
    assert np.isfinite(network).sum() == cells.sum() - 2 * round(0.2 * cells[0].sum())
    np.testing.assert_array_equal(network, first)
    np.testing.assert_array_equal(network[np.isfinite(network)], known.values[np.isfinite(network)])
    np.testing.assert_array_equal(last, known.values)
    hidden = cells & ~np.isfinite(network)
    errors = [
        np.abs(truth[p].clip(*_range(Known(known.parameters, network), p)) - truth[p]) for p in range(2)
    ]
    for p, name in enumerate(known.parameters):
        assert found.series["shares"][f"mae[{name}]"][-1] == pytest.approx(
            errors[p][hidden[p]].mean(), abs=1e-12
        )
    assert "training" in found.series


def test_without_hidden_cells_it_is_the_mean_of_both():
    _, known = _world(12, 20)  # fewer than 160 known cells: of the trees the factorisation alone
    found = SharpBoosted(held_out=0.0, **SMALL).predict(known, SEED, Context())
    network = SharpQos(steps=10, rank=4, hidden=8, width=4).predict(known, child(SEED, 1), Context()).values
    trees = BoostedFactors(trees=5, folds=2).predict(known, child(SEED, 2), Context())
    network = np.stack([network[p].clip(*_range(known, p)) for p in range(2)])
    np.testing.assert_allclose(found.values, (network + trees) / 2, rtol=1e-12)
    assert "shares" not in found.series


def test_few_hidden_cells_say_nothing_of_the_shares(stand_ins):
    truth, known = _world()
    stand_ins(truth, _shift(truth, 1.0, 1.0))
    for held_out, share in ((0.01, 0.5), (0.2, 1.0)):
        found = SharpBoosted(held_out=held_out).predict(known, SEED, Context()).values
        off = found[1] - truth[1].clip(*_range(known, 1))
        assert np.median(off) == pytest.approx(1 - share, abs=1e-6)


def test_whose_cells_were_all_hidden_is_a_stranger_to_the_network(stand_ins):
    """Users with one known cell each, some of them hidden: these have the trees' word, the others the network's."""
    truth, known = _world()
    known.values[:, 10:] = np.nan
    for user in range(10, 30):
        known.values[:, user, user] = truth[:, user, user]
    given = stand_ins(np.clip(truth, *_ends(known)), _shift(truth, 100.0, 100.0))
    found = SharpBoosted(held_out=0.3).predict(known, SEED, Context()).values
    hidden = ~np.isfinite(given["network"][0]).any(axis=(0, 2))
    assert 0 < hidden.sum() < 20
    np.testing.assert_allclose(found[:, hidden], (truth + 100)[:, hidden])
    np.testing.assert_allclose(found[:, ~hidden], np.clip(truth, *_ends(known))[:, ~hidden])


def test_a_hidden_cell_bounds_the_prediction_too(stand_ins):
    """The largest known value may be hidden while the shares are found; what is predicted then may still reach it."""
    truth, known = _world()
    given = stand_ins(_shift(truth, 1000.0, 1000.0), _shift(truth, 2000.0, 2000.0))
    for number in range(40):
        for values in given.values():
            values.clear()
        found = SharpBoosted(held_out=0.3).predict(known, np.random.SeedSequence(number), Context()).values
        if np.nanmax(given["network"][0][0]) < np.nanmax(known.values[0]):
            break
    else:
        pytest.fail("the largest value was never hidden")
    np.testing.assert_allclose(found[0], np.nanmax(known.values[0]))


def _ends(known):
    return tuple(bound(known.values, axis=(1, 2), keepdims=True) for bound in (np.nanmin, np.nanmax))


def test_the_last_measurement_of_a_parameter_is_not_hidden(stand_ins):
    truth, known = _world()
    known.values[1] = np.nan
    known.values[1, 3, 4] = 2.0
    given = stand_ins(truth, truth)
    for _ in range(3):
        SharpBoosted(held_out=0.9).predict(known, SEED, Context())
    assert all(np.isfinite(values[1]).any() for values in given["network"] + given["trees"])


def test_predictions_lie_between_the_known_values(stand_ins):
    truth, known = _world()
    stand_ins(_shift(truth, 9.0, -90.0), truth)
    found = SharpBoosted(held_out=0.0).predict(known, SEED, Context()).values
    for p, end in enumerate((max, min)):
        bound = end(_range(known, p))
        np.testing.assert_allclose(found[p], (truth[p] + bound) / 2)


def test_every_parameter_reaches_its_model(monkeypatch):
    seen = []

    def noted(self, known, seed, context):
        seen.append(self)
        return Prediction(known.values) if isinstance(self, SharpQos) else known.values

    monkeypatch.setattr(SharpQos, "predict", noted)
    monkeypatch.setattr(BoostedFactors, "predict", noted)
    mine = SharpBoosted(held_out=0.0, steps=7, rank=3, hidden=9, width=5, trees=11, folds=4, device="cpu")
    mine.predict(Known(("rt",), np.ones((1, 5, 6))), SEED, Context())
    assert seen == [
        SharpQos(steps=7, rank=3, hidden=9, width=5, device="cpu"),
        BoostedFactors(trees=11, folds=4),
    ]


def test_the_time_limit_holds():
    with pytest.raises(TimeLimitExceeded):
        SharpBoosted(**SMALL).predict(_world()[1], SEED, Context(time_limit_s=0.0))


def test_newcomers_are_left_to_the_trees(stand_ins):
    """The network is right about all known cells; where a user or a service has none, its word is not taken."""
    truth, known = _world()
    known.values[:, 3], known.values[:, :, 5] = np.nan, np.nan
    stand_ins(truth, truth + 100)
    found = SharpBoosted(held_out=0.3).predict(known, SEED, Context()).values
    new = np.zeros(truth.shape[1:], bool)
    new[3], new[:, 5] = True, True
    np.testing.assert_array_equal(found[:, new], (truth + 100)[:, new])
    assert (found[:, ~new] < (truth + 100)[:, ~new]).all()
