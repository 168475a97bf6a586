"""Newcomers: nothing of those who are hidden speaks for them, places are used, and without places medians answer."""

from typing import ClassVar

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


class Followed(newcomer_trees._Learner):
    """A learner that remembers who taught whom, and whose trees say twice the median."""

    taught: ClassVar[list] = []

    def _follow(self, turns, x, middle):
        Followed.taught.append(([one.folds for one in turns], len(x)))
        return 2 * middle


def turn(folds, cells=100, value=1.0):
    """Cells whose median is 1."""
    return newcomer_trees._Turn(
        folds, np.zeros((cells, 1), np.float32), np.full(cells, value), np.ones(cells)
    )


PAIRS = [(f, g) for f in range(5) for g in range(5)]


@pytest.mark.parametrize("folds", [[(f, f) for f in range(5)], PAIRS], ids=["one side", "both"])
def test_nobody_is_judged_by_trees_that_learned_from_him(folds, monkeypatch):
    """Each equal pair of folds is judged by trees of pairs that share neither; the last trees learn from all."""
    monkeypatch.setattr(Followed, "taught", [])
    learner = Followed(np.full(1, 1e-3), np.zeros(1), np.random.default_rng(0), Context())
    learner.predict([turn(pair, value=2.0) for pair in folds], np.zeros((7, 1), np.float32), np.ones(7))
    *judged, last = Followed.taught
    assert last == (folds, 7)
    assert len(judged) == 5
    for fold, (taught, _) in enumerate(judged):
        assert taught == [pair for pair in folds if fold not in pair]


@pytest.mark.parametrize(("value", "found"), [(2.0, 2.0), (1.5, 1.5), (1.0, 1.0), (0.5, 1.0)])
def test_trees_are_followed_as_far_as_they_are_right(value, found, monkeypatch):
    """The median is 1 and trees say 2; what is true in hidden cells decides between them."""
    monkeypatch.setattr(Followed, "taught", [])
    learner = Followed(np.full(1, 1e-3), np.zeros(1), np.random.default_rng(0), Context())
    turns = [turn((f, f), value=value) for f in range(5)]
    assert learner.predict(turns, np.zeros((3, 1), np.float32), np.ones(3)) == pytest.approx([found] * 3)


def test_the_share_within_a_standard_error_is_taken(monkeypatch):
    """Half of the way errs least, by .18; over turns that differ so widely the standard error of that is .2."""
    monkeypatch.setattr(Followed, "taught", [])
    learner = Followed(np.full(1, 1e-3), np.zeros(1), np.random.default_rng(0), Context())
    turns = [turn((f, f), value=value) for f, value in enumerate([1.0, 1.2, 1.5, 1.8, 2.0])]
    found = learner.predict(turns, np.zeros((1, 1), np.float32), np.ones(1))
    assert found[0] == 1.0


@pytest.mark.parametrize(("cells", "asked"), [(16, 6), (15, 0)])
def test_eighty_cells_must_judge(cells, asked, monkeypatch):
    monkeypatch.setattr(Followed, "taught", [])
    learner = Followed(np.full(1, 1e-3), np.zeros(1), np.random.default_rng(0), Context())
    learner.predict([turn((f, f), cells, 2.0) for f in range(5)], np.zeros((3, 1), np.float32), np.ones(3))
    assert len(Followed.taught) == asked


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
        newcomer_trees._Learner(np.ones(1), np.zeros(1), np.random.default_rng(0), context)._follow(
            [turn((0, 0))], np.zeros((1, 1)), np.ones(1)
        )
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


@pytest.mark.parametrize("seen", [39, 40])
def test_boosters_that_saw_enough_of_such_cells_answer(seen, monkeypatch):
    values = np.ones((1, 20, 10))
    values[:, :1] = np.nan
    out = np.full(values.shape, 2.0)
    monkeypatch.setattr(boosted_factors, "complete_newcomers", lambda *_: 3.0)
    boosted_factors._answer_newcomers(
        out, Known(("a",), values), dict.fromkeys(SIDES, seen), np.random.default_rng(0), Context()
    )
    assert set(out[0, 0]) == {2.0 if seen >= 40 else 3.0}
    assert set(out[0, 1:].ravel()) == {2.0}
