"""A model at work: the trained answers, then strangers, limits, and what measurements change."""

import numpy as np
import pytest
from prediction_worlds import model_of, planted

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.domains.prediction import online
from qoslab.domains.prediction.data import Known
from qoslab.domains.prediction.deploy.kept import KeptModel, load_model, save_model
from qoslab.domains.prediction.deploy.live import Live, Measurement, Unknown
from qoslab.domains.prediction.deploy.making import Making, make_model
from qoslab.domains.prediction.deploy.priors import Priors
from qoslab.domains.prediction.methods.item_mean import ItemMean
from qoslab.domains.prediction.selection import Limit
from qoslab.engine.kernel import compiled

HIDDEN = range(6)
ALL = [str(s) for s in range(120)]


def log_error(answer, truth):
    return np.abs(np.log(answer.values) - np.log(truth)).mean()


def test_trained_answers_are_those_of_the_method(world):
    """In cells that were not measured; one that was is drawn towards its measurement."""
    _, known, model = world
    live, values = Live(model), model.arrays["values"]
    for user in (7, 30):
        answer = live.answer(str(user), ALL)
        open_ = np.isnan(known.values[0, user])
        np.testing.assert_allclose(answer.values[:, open_], values[:, user, open_], rtol=1e-9)
        measured = known.values[:, user, ~open_]
        before = np.abs(np.log(values[:, user, ~open_] / measured)).mean()
        assert np.abs(np.log(answer.values[:, ~open_] / measured)).mean() < 0.6 * before
        assert set(answer.basis) == {"model"}


def test_intervals_cover_what_was_not_measured(world):
    """54 users, 70 % of 120 services, two parameters: 9,000 cells; hidden ones had an eighth less to learn from."""
    truth, known, model = world
    live, inside = Live(model), []
    for user in range(6, 60):
        answer = live.answer(str(user), ALL)
        asked = np.isnan(known.values[:, user])
        inside.append(((answer.lower <= truth[:, user]) & (truth[:, user] <= answer.upper))[asked])
    assert 0.88 < np.concatenate(inside).mean() < 0.94


def test_a_level_of_ones_own(world):
    live = Live(world[2])
    narrow, wide = live.answer("9", ALL, 0.6), live.answer("9", ALL, 0.95)
    assert (narrow.upper <= wide.upper).all()
    assert (narrow.upper < wide.upper).mean() > 0.9
    with pytest.raises(BadInput, match="cannot promise"):
        live.answer("9", ALL, 0.99999)


def test_strangers_need_a_context(world):
    live = Live(world[2])
    with pytest.raises(Unknown, match="user 'new' is unknown"):
        live.answer("new", ALL)
    with pytest.raises(Unknown, match="service 'new' is unknown"):
        live.answer("9", ["new"])


def test_context_says_more_than_nothing_and_intervals_say_how_much(world):
    """Users of one country are alike: with it a stranger's error is less than half; trained users are better still."""
    truth, known, model = world
    live = Live(model)
    errors, widths, inside = {"model": [], "context": [], "population": []}, {}, []
    for user in HIDDEN:
        for name, context in (
            ("context", {"country": int(known.user_context["country"][user])}),
            ("population", {}),
        ):
            answer = live.answer("new", ALL, user_context=context)
            assert set(answer.basis) == {name}
            errors[name].append(log_error(answer, truth[:, user]))
            widths[name] = np.log(answer.upper / answer.lower).mean()
            inside.append((answer.lower <= truth[:, user]) & (truth[:, user] <= answer.upper))
    answer = live.answer("9", ALL)
    errors["model"].append(log_error(answer, truth[:, 9]))
    widths["model"] = np.log(answer.upper / answer.lower).mean()
    means = [np.mean(errors[name]) for name in ("model", "context", "population")]
    assert means[0] < means[1] < 0.6 * means[2]
    assert widths["model"] < widths["context"] < widths["population"]
    # Six strangers, each with and without context: rows are few, so the margin around 90 % is wide.
    assert 0.8 < np.mean(inside) <= 1
    listed = live.answer("0", ALL)
    assert set(listed.basis) == {"context"}
    context = {"country": int(known.user_context["country"][0])}
    np.testing.assert_allclose(listed.values, live.answer("new", ALL, user_context=context).values, rtol=1e-9)


def test_intervals_of_strangers_cover_on_average():
    """Five worlds of six users and ten services that nobody measured: 90 % promised, a thousand cells of each kind.

    Cells of one stranger share a row, so that 30 users and 50 services are the true numbers: standard error about 4 %.
    """
    users, services = [], []
    for seed in range(5):
        truth, known = planted(seed=seed + 10, hidden=HIDDEN)
        known.values[:, :, :10] = np.nan
        live = Live(model_of(known))
        for user in range(60):
            answer = live.answer(str(user), ALL)
            inside = (answer.lower <= truth[:, user]) & (truth[:, user] <= answer.upper)
            if user in HIDDEN:
                users.append(inside[:, 10:])
            else:
                services.append(inside[:, :10])
    assert 0.82 < np.mean(users) < 0.955
    assert 0.82 < np.mean(services) < 0.955


def test_strangers_are_calibrated_on_services_of_all_numbers(monkeypatch):
    """Of some 108 known cells 60 of each user, not its first ones nor every second one: all services have a say."""
    seen, as_strangers = [], Live._as_strangers
    monkeypatch.setattr(
        Live,
        "_as_strangers",
        lambda live, user, *given: seen.append(given[0]) or as_strangers(live, user, *given),
    )
    known = planted(share=0.9)[1]
    Live(model_of(known, rounds=1))
    assert {len(places) for places in seen} == {60}
    asked = np.bincount(np.concatenate(seen), minlength=known.services)
    assert asked.min() > 0.3 * asked.mean()


def test_no_stranger_is_better_known_than_others(world):
    """Whatever the factor says, an interval is at least as wide as where user and service are known."""
    live = Live(world[2])
    for user in ("0", "9"):
        _, more = live.expected(user, ALL)
        assert (more >= 0).all() if user == "0" else more == pytest.approx(0.0, abs=1e-9)


def test_the_order_of_contexts_decides_nothing():
    """A rare network within a large country: the group with the fewest members answers, however the question is put."""
    rng = np.random.default_rng(0)
    means, codes = rng.standard_normal((1, 12, 2)), {"as": [0] * 3 + [1] * 9, "country": [0] * 10 + [1] * 2}
    priors = Priors(means, np.ones(12, bool), codes)
    for one, expected in (({"country": 0, "as": 0}, {"as": 0}), ({"country": 1, "as": 1}, {"country": 1})):
        for context in (one, dict(reversed(one.items()))):
            for found, alone in zip(priors.of(context), priors.of(expected), strict=True):
                np.testing.assert_array_equal(found, alone)
    mean, covariance, there = priors.without(np.arange(12), "context")
    others = Priors(means, np.arange(12) != 0, codes)
    assert there.all()
    assert covariance.shape == (1, 12, 2, 2)
    np.testing.assert_allclose(covariance[:, 0], priors.of({"as": 0})[1])
    np.testing.assert_allclose(covariance[:, 11], priors.of({"country": 1})[1])
    # The same group without its first member, but for the population's mean, which weighs 3 of 5 and lacks him, too.
    shift = (priors.of({})[0] - others.of({})[0]) * 3 / 5
    np.testing.assert_allclose(mean[:, 0], others.of({"as": 0})[0] + shift)


def available(seed=0, share=0.9):
    """Availability that is measured as 0 or 1, and a response time: truth and what is known."""
    truth, known = planted(seed=seed)
    up = (np.random.default_rng(seed).random(truth.shape[1:]) < share).astype(float)
    truth = np.stack([truth[0], up])
    return truth, Known(("rt", "up"), np.where(np.isnan(known.values), np.nan, truth))


def test_values_between_zero_and_the_smallest_are_served(tmp_path):
    """Nine of ten are available: the mean is served, not zero; intervals hold the ones; the best are likely ones."""
    truth, known = available()
    model = make_model(known, "item_mean", ItemMean(), Making(folds=8, rounds=4, rank=4), Context())
    pytest.importorskip("safetensors", reason="needs the extra 'learn'")
    save_model(tmp_path / "model", model)
    live = Live(load_model(tmp_path / "model"))
    answers = [live.answer(str(user), ALL) for user in range(60)]
    values, lower, upper = (
        np.stack([getattr(one, part)[1] for one in answers]) for part in ("values", "lower", "upper")
    )
    asked = np.isnan(known.values[1])
    np.testing.assert_allclose(values[asked], model.arrays["values"][1][asked], rtol=1e-5, atol=1e-6)
    assert np.abs(values - truth[1])[asked].mean() < 0.25
    assert ((lower <= truth[1]) & (truth[1] <= upper))[asked].mean() > 0.88
    said = np.stack([live.chances(str(user), [Limit(1, 0.5, at_most=False)]) for user in range(60)])
    assert said[asked].mean() == pytest.approx(0.9, abs=0.05)


def test_limits_that_all_or_none_meet_are_certain_or_impossible():
    """Of availabilities of 0 and 1, whose logarithms have an offset; alone and beside another limit."""
    live = Live(model_of(available()[1]))
    assert live.intervals.offset[1] > 0
    rt, all_, none = Limit(0, 1.0, at_most=True), Limit(1, 0.0, at_most=False), Limit(1, -1e-6, at_most=True)
    assert (live.chances("9", [all_]) == 1).all()
    assert (live.chances("9", [none]) == 0).all()
    assert (live.chances("9", [rt, none]) == 0).all()
    assert live.best("9", [rt, none], 5) == []
    np.testing.assert_array_equal(live.chances("9", [rt, all_]), live.chances("9", [rt]))
    assert live.best("9", [all_, rt], 5) == live.best("9", [rt], 5)
    assert live.joint([rt, all_]).basis == live.joint([rt]).basis


def test_zeros_that_came_after_the_training_are_promised(world):
    """A service that is 0 every time: to be at most 0 was impossible, and to be above it certain, ever after."""
    live, none, some = Live(world[2]), Limit(0, 0.0, at_most=True), Limit(0, 1e-9, at_most=False)
    assert (live.shares("9", [none]) == 0).all()
    live.absorb([Measurement("9", "7", [0.0, np.nan])] * 150)
    shares = live.shares("9", [none])
    assert shares[7] > 0.2
    assert shares[8] < 0.01
    np.testing.assert_array_equal(shares, live.shares("9", [Limit(0, live.intervals.floor[0], at_most=True)]))
    np.testing.assert_allclose(live.shares("9", [some]), 1 - shares)
    assert live.best("9", [none], 1)[0][0] == "7"


def test_one_whole_row_does_not_decide(world):
    """A limit on one parameter is judged by all hidden cells of it, though few were measured in both parameters."""
    model = world[2]
    scores = model.arrays["scores"].copy()
    scores[40:, 1] = np.nan
    few = Live(KeptModel(model.about, model.arrays | {"scores": scores}))
    limits = [Limit(0, 1.0, at_most=True)]
    np.testing.assert_allclose(few.chances("9", limits), Live(model).chances("9", limits), atol=1e-9)
    assert few.joint([*limits, Limit(1, 1.0, at_most=True)]).basis == "a copula of 40 cells"
    assert few.joint(limits).together == len(scores)


def test_an_unheard_of_country_is_answered_for_all(world):
    answer = Live(world[2]).answer("new", ALL[:3], user_context={"country": 99})
    assert answer.basis == ["population"] * 3


def test_measurements_make_a_stranger_known(world):
    truth, _, model = world
    live, asked = Live(model), np.arange(60, 120)
    errors, widths = [], []
    rng = np.random.default_rng(0)
    order = rng.permutation(60)
    for batch in (0, 5, 40):
        if batch:
            live.absorb([Measurement("new", str(s), truth[:, 0, s]) for s in order[:batch]])
        answer = live.answer("new", [str(s) for s in asked], user_context={})
        errors.append(log_error(answer, truth[:, 0, asked]))
        widths.append(np.log(answer.upper / answer.lower).mean())
    assert errors[2] < 0.5 * errors[0]
    assert errors[2] < errors[1]
    assert widths[2] < widths[1] < widths[0]
    assert live.absorbed == 45
    assert live.users["new"] == 60


def test_a_new_service_is_learned_from_other_users(world):
    truth, _, model = world
    live = Live(model)
    # A copy of service 17 under a new name: told by 30 users, predicted for the other 30.
    live.absorb([Measurement(str(u), "copy", truth[:, u, 17]) for u in range(6, 36)])
    found = np.stack([live.answer(str(u), ["copy"]).values[:, 0] for u in range(36, 60)], axis=1)
    error = np.abs(np.log(found / truth[:, 36:, 17])).mean()
    spread = np.abs(np.log(truth[:, 36:, 17]) - np.log(truth[:, 36:, 17]).mean(axis=1, keepdims=True)).mean()
    assert error < 0.5 * spread


def test_room_is_made_for_many(world):
    live = Live(world[2])
    live.absorb([Measurement(f"u{i}", f"s{i}", [1.0, np.nan]) for i in range(150)])
    assert len(live.users) == 210
    assert len(live.services) == 270
    assert np.isfinite(live.answer("u149", ["s149", "3"]).values).all()


def test_room_is_made_once_for_a_delivery_and_rarely_for_many(world, monkeypatch):
    """300 newcomers at once are one copy of the tables; one by one as many as quarters lie between 60 and 360."""
    copies, grow = [], online.with_places
    monkeypatch.setattr(online, "with_places", lambda *given: copies.append(1) or grow(*given))
    Live(world[2]).absorb([Measurement(f"u{i}", f"s{i}", [1.0, np.nan]) for i in range(300)])
    assert len(copies) == 1
    copies.clear()
    live = Live(world[2])
    for i in range(300):
        live.absorb([Measurement(f"u{i}", "3", [1.0, np.nan])])
    assert 2 <= len(copies) <= np.log(360 / 60) / np.log(1.25) + 1


def test_too_many_newcomers_are_refused_and_nothing_changes(world, monkeypatch):
    """60 x 120 x 2 values may become four times as many: 240 users, not 241."""
    monkeypatch.setattr("qoslab.domains.prediction.deploy.live._MOST_VALUES", 1)
    live = Live(world[2])
    many = [Measurement(f"u{i}", "3", [1.0, np.nan]) for i in range(181)]
    with pytest.raises(BadInput, match="241 users and 120 services are more than the model has room for"):
        live.absorb(many)
    assert (len(live.users), live.absorbed) == (60, 0)
    live.absorb(many[:180])
    assert len(live.users) == 240
    assert live._state.offset.size <= 4 * 60 * 120 * 2


def test_a_measured_cell_is_remembered(world):
    live = Live(world[2])
    before = live.answer("9", ["5"]).values[0, 0]
    target = 3 * before
    for _ in range(12):
        live.absorb([Measurement("9", "5", [target, np.nan])])
    assert abs(np.log(live.answer("9", ["5"]).values[0, 0] / target)) < 0.25 * np.log(3)


def test_measurements_beyond_what_was_seen_move_answers_there(world):
    """The slowest cell becomes three times slower, and the cell of least throughput three times worse."""
    _, known, model = world
    live, seen = Live(model), Live(model)
    for p, far in ((0, np.nanargmax), (1, np.nanargmin)):
        user, service = map(str, np.unravel_index(far(known.values[p]), known.values[p].shape))
        end = known.values[p].ravel()[far(known.values[p])]
        values = [np.nan, np.nan]
        values[p] = target = end * (3.0 if p == 0 else 1 / 3)
        for _ in range(30):
            live.absorb([Measurement(user, service, values)])
        before, after = seen.answer(user, [service]), live.answer(user, [service])
        assert abs(np.log(after.values[p, 0] / target)) < 0.25 * np.log(3)
        assert before.lower[p, 0] > target or before.upper[p, 0] < target
        assert after.lower[p, 0] <= target * (1 + 1e-9)
        assert after.upper[p, 0] >= target * (1 - 1e-9)
    live.absorb([Measurement("new", "5", [np.nan, 0.0])])
    assert live.intervals.lowest[1] == 0
    assert live.intervals.floor[1] > 0
    assert np.isfinite(live.answer("new", ["5"]).values).all()


def test_answers_stay_within_what_was_seen_and_delivered(world):
    _, known, model = world
    live = Live(model)
    live.absorb([Measurement("9", str(s), [100 * np.nanmax(known.values[0]), np.nan]) for s in range(3)])
    everyone = np.stack([live.answer(str(user), ALL).upper for user in range(6, 60)])
    assert everyone[:, 0].max() <= 100 * np.nanmax(known.values[0]) * (1 + 1e-9)
    assert everyone[:, 1].max() <= np.nanmax(known.values[1]) * (1 + 1e-6)


def test_a_listed_stranger_who_is_measured_is_one_no_more(world):
    """User 0 and a new id, both nobody's till now, tell the same 20 values: both are known, and nearly as well."""
    truth, known, model = world
    live = Live(model)
    context = {"country": int(known.user_context["country"][0])}
    asked = [str(s) for s in range(60, 120)]
    before = live.answer("0", asked)
    assert set(before.basis) == {"context"}
    for s in range(20):
        live.absorb([Measurement("0", str(s), truth[:, 0, s])])
        live.absorb([Measurement("new", str(s), truth[:, 0, s], context)])
    listed, new = live.answer("0", asked), live.answer("new", asked)
    assert set(listed.basis) == set(new.basis) == {"model"}
    widths = [np.log(one.upper / one.lower).mean() for one in (before, listed, new)]
    assert widths[1] < 0.8 * widths[0]
    assert widths[1] == pytest.approx(widths[2], rel=0.15)


def test_a_listed_service_that_is_measured_is_no_stranger(world):
    truth, known = planted(hidden=HIDDEN)
    known.values[:, :, 3] = np.nan
    live = Live(model_of(known))
    assert live.answer("9", ["3"]).basis == ["population"]
    live.absorb([Measurement(str(u), "3", truth[:, u, 3]) for u in range(10, 40)])
    assert live.answer("9", ["3"]).basis == ["model"]


def test_a_delivery_without_a_value_makes_nobody_known(world):
    live = Live(world[2])
    live.absorb([Measurement("new", "newer", [np.nan, np.nan], {"country": 1})])
    assert live.answer("new", ["3"]).basis == ["context"]
    assert live.answer("9", ["newer"]).basis == ["population"]
    live.absorb([Measurement("new", "newer", [1.0, np.nan])])
    assert live.answer("new", ["3", "newer"]).basis == ["model", "model"]


def test_the_best_services_are_good_and_the_probability_is_honest(world):
    """Ten for each of 54 users: what is promised happens, within three standard errors and 2 %."""
    truth, known, model = world
    live, said, happened = Live(model), [], []
    limits = [
        Limit(0, float(np.nanquantile(known.values[0], 0.4)), at_most=True),
        Limit(1, float(np.nanquantile(known.values[1], 0.4)), at_most=False),
    ]
    base = ((truth[0] <= limits[0].value) & (truth[1] >= limits[1].value)).mean()
    for user in range(6, 60):
        for name, probability in live.best(str(user), limits, 10):
            if np.isnan(known.values[0, user, int(name)]):
                said.append(probability)
                happened.append(
                    truth[0, user, int(name)] <= limits[0].value
                    and truth[1, user, int(name)] >= limits[1].value
                )
    assert len(said) > 250
    assert np.mean(happened) > 2 * base
    assert abs(np.mean(said) - np.mean(happened)) < 0.02 + 3 * np.sqrt(0.25 / len(said))


def test_a_model_of_one_user_answers():
    _, known = planted()
    alone = type(known)(known.parameters, known.values[:, :1])
    live = Live(model_of(alone, folds=2, rounds=2, level=0.5))
    assert np.isfinite(live.answer("new", ALL, user_context={}).upper).all()


def test_a_warm_model_is_unchanged_and_compiles_nothing_more(world):
    """A first delivery that waits for the compiler is one that clients give up on; new users make other arrays."""
    cold, warm = Live(world[2]), Live(world[2])
    warm.warm()
    for before, after in zip(cold._state, warm._state, strict=True):
        np.testing.assert_array_equal(before, after)
    kernel = compiled(online.absorb)
    ready = getattr(kernel, "signatures", None)
    if ready is None:
        pytest.skip("nothing is compiled here (NUMBA_DISABLE_JIT)")
    many = [Measurement(f"new {i}", f"newer {i}", [1.0, 1.0]) for i in range(70)]
    warm.absorb(many)
    assert kernel.signatures == ready
