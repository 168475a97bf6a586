"""Newcomers: nothing of those who are hidden speaks for them, places are used, and without places medians answer."""

from itertools import product

import numpy as np
import pytest

from qoslab.core.context import Context, TimeLimitExceeded
from qoslab.domains.prediction import newcomer_trees
from qoslab.domains.prediction.data import Known
from qoslab.domains.prediction.factor_analysis import scale_of
from qoslab.domains.prediction.methods import boosted_factors
from qoslab.domains.prediction.methods.boosted_factors import BoostedFactors
from qoslab.domains.prediction.newcomer_trees import complete_newcomers, medians, newcomers, seen_alone

SIDES = ("users", "services", "both")
SEED = np.random.SeedSequence(0)
SMALL = BoostedFactors(rank=4, sweeps=5, folds=3, trees=30, leaves=15, leaf_cells=10)


def world(users=60, services=120, share=0.25, new=0.2, *, places=True, seed=0):
    """Log-normal values that country pairs rule; the first users and services are new. Truth and what is known."""
    rng = np.random.default_rng(seed)
    at, of = rng.integers(0, 4, users), rng.integers(0, 5, services)
    effect = rng.standard_normal((2, 4, 5))
    truth = np.exp(effect[:, at][:, :, of] + 0.2 * rng.standard_normal((2, users, services)))
    known = np.where(rng.random((users, services)) < share, truth, np.nan)
    gone = round(new * users), round(new * services)
    contexts = ({"country": at}, {"country": of}) if places else ({}, {})
    return truth, known, gone, contexts


def without(known, gone, side):
    left = known.copy()
    if side != "services":
        left[:, : gone[0]] = np.nan
    if side != "users":
        left[:, :, : gone[1]] = np.nan
    return left


def test_newcomers_by_hand():
    values = np.full((2, 3, 4), np.nan)
    values[0, 0, 1] = values[1, 2, 3] = 1.0
    found = newcomers(values)
    assert np.argwhere(found["users"]).tolist() == [[1, 1], [1, 3]]
    assert np.argwhere(found["services"]).tolist() == [[0, 0], [0, 2], [2, 0], [2, 2]]
    assert np.argwhere(found["both"]).tolist() == [[1, 0], [1, 2]]


def test_cells_that_were_seen_alone_are_those_of_a_loop():
    rng = np.random.default_rng(1)
    cells = np.nonzero(rng.random((12, 15)) < 0.15)
    folds = rng.integers(0, 3, len(cells[0]))
    expected = dict.fromkeys(SIDES, 0)
    for u, s, f in zip(*cells, folds, strict=True):
        user = not ((cells[0] == u) & (folds != f)).any()
        service = not ((cells[1] == s) & (folds != f)).any()
        if user or service:
            expected["both" if user and service else "users" if user else "services"] += 1
    assert min(expected.values()) > 0
    assert seen_alone(cells, folds) == expected


@pytest.mark.parametrize("side", SIDES)
def test_what_is_hidden_says_nothing_of_itself(side):
    """One user's, or one service's, values times fifty: the turn that hides them has the same features and medians."""
    _, known, _, contexts = world(20, 30)
    changed = known.copy()
    changed[(slice(None), slice(None), 3) if side == "services" else (slice(None), 3)] *= 50
    scale = scale_of(known)

    def turns(values):
        made = newcomer_trees._turns(
            Known(("a", "b"), values, *contexts), scale, side, np.random.default_rng(2), Context()
        )
        return list(made)

    differ = []
    for one, other in zip(turns(known), turns(changed), strict=True):
        hid = not np.array_equal(one.values, other.values, equal_nan=True)
        mine = (one.values != other.values).any(axis=0) & np.isfinite(one.values).all(axis=0)
        if hid:
            np.testing.assert_array_equal(one.x[mine], other.x[mine])
            np.testing.assert_array_equal(one.medians[:, mine], other.medians[:, mine])
        differ.append(hid)
    assert any(differ)
    assert (differ.count(True) > 1) == (side == "both")


@pytest.mark.parametrize("side", SIDES)
def test_a_turn_is_judged_by_others_who_share_nobody_with_it(side):
    """Those who were hidden in a judged turn are in none of the turns that its trees learn from."""
    _, known, _, contexts = world(20, 30)
    known[1] = np.where(np.isfinite(known[0]), np.arange(20.0)[:, None] + np.arange(30.0) / 100, np.nan)
    made = newcomer_trees._turns(
        Known(("a", "name"), known, *contexts), scale_of(known), side, np.random.default_rng(2), Context()
    )
    turns = list(made)
    who = [(set(np.floor(one.values[1])), set((one.values[1] % 1).round(2))) for one in turns]
    learned = 0
    for i, one in enumerate(turns):
        for j, other in enumerate(turns):
            if other.knows_nobody_of(one):
                learned += 1
                assert side == "services" or not who[i][0] & who[j][0]
                assert side == "users" or not who[i][1] & who[j][1]
    assert learned == (25 * 16 if side == "both" else 5 * 4)


@pytest.mark.parametrize("side", SIDES)
def test_every_known_cell_is_hidden_once(side):
    _, known, _, contexts = world(20, 30)
    made = newcomer_trees._turns(
        Known(("a", "b"), known, *contexts), scale_of(known), side, np.random.default_rng(2), Context()
    )
    values = np.concatenate([one.values[0] for one in made])
    assert sorted(values) == sorted(known[0][np.isfinite(known[0])])


@pytest.mark.parametrize("side", SIDES)
def test_places_are_learned(side):
    """Pairs of countries rule the values: newcomers err less than half as much as by the median."""
    pytest.importorskip("sklearn", reason="needs the extra 'learn'")
    truth, values, gone, contexts = world()
    left = without(values, gone, side)
    cells = newcomers(left)[side]
    known = Known(("a", "b"), left, *contexts)
    found = complete_newcomers(known, side, cells, np.random.default_rng(3), Context())
    errors = [np.abs(one - truth[:, cells]).mean(axis=1) for one in (found, medians(left, side)[:, cells])]
    assert (errors[0] < 0.5 * errors[1]).all()
    assert (found >= np.nanmin(left, axis=(1, 2))[:, None]).all()
    assert (found <= np.nanmax(left, axis=(1, 2))[:, None]).all()


def test_without_places_new_users_of_new_services_have_the_median_of_all():
    pytest.importorskip("sklearn", reason="needs the extra 'learn'")
    _, values, gone, contexts = world(places=False)
    left = without(values, gone, "both")
    cells = newcomers(left)["both"]
    found = complete_newcomers(
        Known(("a", "b"), left, *contexts), "both", cells, np.random.default_rng(3), Context()
    )
    for one, table in zip(found, left, strict=True):
        assert set(one) == {np.nanmedian(table)}


@pytest.mark.parametrize("side", ["users", "services"])
def test_where_nothing_is_to_be_learned_the_median_is_kept(side):
    """Noise alone and no places: within 2 % of the median, which is the best that there is."""
    pytest.importorskip("sklearn", reason="needs the extra 'learn'")
    rng = np.random.default_rng(4)
    truth = np.exp(0.5 * rng.standard_normal((1, 60, 120)))
    left = without(np.where(rng.random(truth.shape[1:]) < 0.25, truth, np.nan), (12, 24), side)
    cells = newcomers(left)[side]
    found = complete_newcomers(Known(("a",), left), side, cells, np.random.default_rng(3), Context())
    errors = [np.abs(one - truth[:, cells]).mean() for one in (found, medians(left, side)[:, cells])]
    assert errors[0] < 1.02 * errors[1]


def test_trees_are_followed_no_further_than_the_turns_are_sure_of():
    """By hand: the second share is (1, 1, -2, 0, 1) behind the third, .2 in the mean with a standard error of .58."""
    best = np.array([5.0, 4.0, 6.0, 5.0, 4.0])
    second = best + np.array([1.0, 1.0, -2.0, 0.0, 1.0])
    first = best + np.array([2.0, 3.0, 2.0, 3.0, 2.0])
    found = newcomer_trees._least_that_may_be_best
    assert found(np.stack([first, second, best], axis=1)) == 1
    assert found(np.stack([first, first, best], axis=1)) == 2
    assert found(np.stack([best, second, first], axis=1)) == 0


def test_few_hidden_cells_leave_the_median():
    pytest.importorskip("sklearn", reason="needs the extra 'learn'")
    _, values, gone, contexts = world(12, 10, 0.5)
    left = without(values, gone, "users")
    assert np.isfinite(left[0]).sum() < 80
    cells = newcomers(left)["users"]
    known = Known(("a", "b"), left, *contexts)
    found = complete_newcomers(known, "users", cells, np.random.default_rng(3), Context())
    np.testing.assert_array_equal(found, medians(left, "users")[:, cells])


def test_the_clock_is_kept():
    pytest.importorskip("sklearn", reason="needs the extra 'learn'")
    _, values, gone, contexts = world()
    left = without(values, gone, "users")
    context = Context(time_limit_s=0.0, started=-1e9)
    with pytest.raises(TimeLimitExceeded):
        complete_newcomers(
            Known(("a", "b"), left, *contexts),
            "users",
            newcomers(left)["users"],
            np.random.default_rng(3),
            context,
        )


@pytest.mark.parametrize("side", SIDES)
def test_boosted_factors_learn_newcomers_apart(side, monkeypatch):
    """They err less than what boosters say of a row that they have never seen; all other cells stay as they are."""
    pytest.importorskip("sklearn", reason="needs the extra 'learn'")
    truth, values, gone, contexts = world()
    known = Known(("a", "b"), without(values, gone, side), *contexts)
    cells = newcomers(known.values)[side]
    apart = SMALL.predict(known, SEED, Context())
    monkeypatch.setattr(boosted_factors, "_answer_newcomers", lambda *_: None)
    before = SMALL.predict(known, SEED, Context())
    others = ~np.any(list(newcomers(known.values).values()), axis=0)
    np.testing.assert_array_equal(apart[:, others], before[:, others])
    errors = [np.abs(one - truth)[:, cells].mean(axis=1) for one in (apart, before)]
    assert (errors[0] < 0.8 * errors[1]).all()


@pytest.mark.parametrize(("new", "seen"), list(product((0.005, 0.2), (39, 40))))
def test_who_answers_for_newcomers(new, seen, monkeypatch):
    """Boosters that saw 40 such cells; else medians where newcomers are few, and trees of their own where not."""
    values = np.ones((1, 200, 10))
    values[:, : round(new * 200)] = np.nan
    out = np.full(values.shape, 2.0)
    monkeypatch.setattr(boosted_factors, "complete_newcomers", lambda *_: 3.0)
    boosted_factors._answer_newcomers(
        out, Known(("a",), values), dict.fromkeys(SIDES, seen), np.random.default_rng(0), Context()
    )
    expected = 2.0 if seen >= 40 else 1.0 if new < 0.01 else 3.0
    assert set(out[:, np.isnan(values[0])].ravel()) == {expected}
    assert set(out[:, np.isfinite(values[0])].ravel()) == {2.0}
