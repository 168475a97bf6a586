"""Conformal intervals: ranks by hand, exact coverage, no leakage, coverage on planted and real data."""

import os
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qoslab import Study
from qoslab.core.context import Context, TimeLimitExceeded
from qoslab.core.errors import BadInput
from qoslab.core.registry import registry
from qoslab.core.seeds import Seed
from qoslab.datasets.locate import resolver
from qoslab.domains.prediction.data import Known
from qoslab.domains.prediction.intervals import (
    Intervals,
    Residuals,
    Spread,
    calibrate,
    child,
    fit_spread,
    out_of_fold,
)
from qoslab.domains.prediction.methods.conformal import Conformal, completing
from qoslab.domains.prediction.methods.factor_analysis import FactorAnalysis
from qoslab.domains.prediction.methods.item_mean import ItemMean
from qoslab.domains.prediction.methods.item_median import ItemMedian
from qoslab.domains.prediction.model import run
from qoslab.domains.prediction.scenario import PredictionScenario

SEED = np.random.SeedSequence(0)


def flat(scores, users=2, services=3, floor=1e-6, highest=1e6, offset=0.0):
    """Intervals whose spread is one everywhere."""
    tasks = scores.shape[1]
    spread = Spread(
        np.zeros((tasks, 1)),
        np.ones((tasks, 2)),
        np.ones((tasks, users)),
        np.ones((tasks, services)),
        np.full(tasks, 9.0),
    )
    lowest = 0.0 if offset else floor
    ends = (np.full(tasks, end) for end in (floor, offset, lowest, highest))
    return Intervals(*ends, spread, scores, np.zeros(scores.shape), np.ones(scores.shape))


def test_ends_are_the_scores_of_their_ranks():
    """39 scores and 90 %: 40 * 0.05 = 2, so the second least and the second largest."""
    scores = np.random.default_rng(0).permutation(39).astype(float)[:, None]
    lower, upper = flat(scores).quantiles(0.9)
    assert (lower[0], upper[0]) == (1.0, 37.0)


def test_too_few_scores_promise_nothing():
    """Nineteen scores can promise 90 %, eighteen cannot."""
    assert flat(np.arange(19.0)[:, None]).quantiles(0.9)[0] == 0.0
    with pytest.raises(BadInput, match="18 hidden cells cannot promise intervals of 90 %: 19 are needed"):
        flat(np.arange(18.0)[:, None]).quantiles(0.9)
    with pytest.raises(BadInput, match=r"intervals of 99\.9 %: 1,999 are needed"):
        flat(np.arange(18.0)[:, None]).quantiles(0.999)


def test_coverage_of_exchangeable_scores_is_exact():
    """(n + 1 - 2 r) / (n + 1) for rank r: 0.9 for n = 59, r = 3; 40,000 trials, 4 standard errors are 0.006."""
    draws = np.random.default_rng(1).standard_cauchy((40_000, 60))
    known = np.sort(draws[:, :59], axis=1)
    lower, upper = flat(draws[:1, :59].T).quantiles(0.9)
    assert (lower[0], upper[0]) == (known[0, 2], known[0, 56])
    inside = (known[:, 2] <= draws[:, 59]) & (draws[:, 59] <= known[:, 56])
    assert inside.mean() == pytest.approx(0.9, abs=0.006)


def test_every_base_is_the_method_of_its_name():
    """The predictions inside the intervals are those of the base on all cells, whichever it is."""
    known = Known(("q",), np.exp(np.random.default_rng(0).standard_normal((1, 12, 20))))
    for name in ("item_median", "robust_factorisation", "factor_analysis", "uipcc"):
        found = Conformal(base=name, folds=4, rounds=4, level=0.8).predict(known, SEED, Context())
        base = registry.method("prediction", name).cls()
        np.testing.assert_allclose(found.values, completing(base, Context())(known, child(SEED, 1)))
        assert (found.lower <= found.values).all()
        assert (found.values <= found.upper).all()


def test_interval_by_hand():
    """Prediction 2, spread 1, scores -1 ... 1 in steps of 0.1: ranks 1 of 21 at 90 % are the ends -1 and 1."""
    found = flat(np.linspace(-1, 1, 21)[:, None])
    lower, upper = found.at(np.array([0]), np.array([0]), np.array([[2.0]]), 0.9)
    assert lower[0, 0] == pytest.approx(2 / np.e, rel=3e-6)
    assert upper[0, 0] == pytest.approx(2 * np.e, rel=3e-6)


def test_no_interval_reaches_beyond_what_was_seen():
    found = flat(np.linspace(-9, 9, 21)[:, None], floor=0.5, highest=30.0)
    lower, upper = found.around(np.full((1, 2, 3), 2.0), 0.9)
    assert (lower == 0.5).all()
    assert upper == pytest.approx(30.0)


def residuals_of_known_spread(n=60_000, seed=2):
    """User 0 misses by half as much as user 1, service 0 by a third of service 1, high levels by twice low ones."""
    rng = np.random.default_rng(seed)
    users, services = rng.integers(2, size=n), rng.integers(2, size=n)
    level = rng.uniform(-10, 10, n)
    size = np.array([0.5, 1.0])[users] * np.array([1.0, 3.0])[services] * np.where(level > 0, 2.0, 1.0)
    missed = size * rng.standard_normal(n)
    return Residuals(users, services, level[None], missed[None], rng.integers(2, size=n)), size


def test_a_planted_spread_is_found():
    """E|residual| = size sqrt(2 / pi); 60,000 residuals in 48 groups: within 8 %, but where steps straddle zero."""
    residuals, size = residuals_of_known_spread()
    spread = fit_spread(residuals, np.ones(len(size), bool), (2, 2))
    found = spread.at(residuals.users, residuals.services, residuals.predicted)[0]
    clear = np.abs(residuals.predicted[0]) > 2
    assert found[clear] == pytest.approx(size[clear] * np.sqrt(2 / np.pi), rel=0.08)


def test_scores_of_a_planted_spread_are_alike_for_all():
    residuals, _ = residuals_of_known_spread()
    known = Known(("q",), np.array([[[0.5, 1.0], [1.5, 2.0]]]))
    intervals = calibrate(residuals, known, SEED)
    assert len(intervals.scores) == 20_000
    assert intervals.levels.shape == intervals.sizes.shape == intervals.scores.shape
    assert np.abs(intervals.scores).mean() == pytest.approx(1.0, abs=0.03)


def test_who_has_no_data_is_as_everybody():
    spread = Spread(np.zeros((1, 1)), np.ones((1, 2)), np.array([[2.0]]), np.array([[3.0]]), np.full(1, 9.0))
    at = [spread.at(np.array([u]), np.array([s]), np.zeros((1, 1)))[0, 0] for u in (0, -1) for s in (0, -1)]
    assert at == [6.0, 2.0, 3.0, 1.0]


def planted(users=40, services=90, share=0.4, noise=0.3, seed=0):
    rng = np.random.default_rng(seed)
    logs = rng.standard_normal((2, users, 2)) @ rng.standard_normal((2, services))
    truth = np.exp(logs + noise * rng.standard_normal(logs.shape))
    return truth, np.where(rng.random((users, services)) < share, truth, np.nan)


def test_no_hidden_cell_speaks_for_itself():
    """The method sees every hidden cell as unknown, each once; no other cell is asked."""
    _, values = planted()
    known, hidden = Known(("a", "b"), values), []

    def complete(given_, seed):
        hidden.append(np.isfinite(values) & ~np.isfinite(given_.values))
        return np.ones(values.shape)

    found = out_of_fold(complete, known, 5, 3, SEED, Context())
    assert len(hidden) == 3
    assert np.max(np.sum(hidden, axis=0)) == 1
    asked = np.zeros(values.shape[1:], bool)
    asked[found.users, found.services] = True
    np.testing.assert_array_equal(np.sum(hidden, axis=0)[0] == 1, asked)
    assert found.missed == pytest.approx(np.log(values[:, found.users, found.services]))


def test_a_round_alone_is_parted_for_its_spread():
    _, values = planted()
    complete = completing(ItemMedian(), Context())
    found = out_of_fold(complete, Known(("a", "b"), values), 10, 1, SEED, Context())
    assert set(found.part) == {0, 1}


@pytest.mark.parametrize("rounds", [1, 5])
def test_coverage_on_planted_data(rounds):
    """Ten tables, 90 %: some 14,000 test cells per table; the mean over tables has a standard error below 0.005.

    Hidden cells are predicted from a fifth less than the test cells: coverage may lie above by up to 0.02.
    """
    got = []
    for seed in range(10):
        truth, values = planted(seed=seed)
        method = Conformal("factor_analysis", 0.9, folds=5, rounds=rounds)
        found = method.predict(Known(("a", "b"), values), SEED, Context())
        asked = ~np.isfinite(values)
        got.append(((found.lower <= truth) & (truth <= found.upper))[asked].mean())
    assert 0.885 < np.mean(got) < 0.935


def test_intervals_hold_the_prediction_and_stay_in_range():
    _, values = planted()
    found = Conformal(base="item_median").predict(Known(("a", "b"), values), SEED, Context())
    assert (found.lower <= found.values).all()
    assert (found.values <= found.upper).all()
    for p in range(2):
        assert found.lower[p].min() >= min(np.nanmin(values[p]), found.values[p].min())
        assert found.upper[p].max() <= max(np.nanmax(values[p]), found.values[p].max()) * (1 + 1e-12)


def test_a_better_method_has_narrower_intervals():
    _, values = planted()
    known, widths = Known(("a", "b"), values), []
    for base in ("factor_analysis", "item_median"):
        found = Conformal(base).predict(known, SEED, Context())
        widths.append(np.median(np.log(found.upper / found.lower)))
    assert widths[0] < 0.6 * widths[1]


@settings(max_examples=20, deadline=None)
@given(st.floats(0.5, 0.9), st.floats(0.01, 0.08), st.integers(0, 99))
def test_more_certainty_is_wider(level, more, seed):
    scores = np.random.default_rng(seed).standard_normal((300, 2))
    low, high = (flat(scores).quantiles(x) for x in (level, level + more))
    assert (high[0] <= low[0]).all()
    assert (high[1] >= low[1]).all()


def test_zeros_can_be_inside():
    values = np.random.default_rng(0).choice([0.0, 1.0, 2.0], (1, 20, 30))
    found = Conformal("item_median", folds=5, rounds=5).predict(Known(("q",), values), SEED, Context())
    assert found.lower.min() == 0.0


@settings(max_examples=200, deadline=None)
@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6), st.booleans())
def test_ends_of_the_range_are_met_exactly(one, other, zeros):
    """The exponential of a logarithm is often less than the number; an interval to the largest value must hold it."""
    low, high = min(one, other), max(one, other)
    found = flat(np.zeros((1, 1)), floor=low, highest=high, offset=low if zeros else 0.0)
    ends = np.array([[0.0 if zeros else low, high]])
    assert found.raw(found.logs(ends)).tolist() == ends.tolist()


def capped(at, seed=0):
    """A planted parameter of which more than half lies at its largest value."""
    truth, values = planted(seed=seed, noise=0.2)
    return [np.minimum(at * np.exp(0.3 * np.log(table[:1]) + 0.1), at) for table in (truth, values)]


@pytest.mark.parametrize("at", [0.9, 20.0])
def test_cells_of_the_largest_value_can_be_inside(at):
    """A timeout, or a full availability: without the end itself none of them is covered."""
    truth, values = capped(at)
    found = Conformal(folds=5, rounds=5).predict(Known(("q",), values), SEED, Context())
    asked = ~np.isfinite(values)
    inside = (found.lower <= truth) & (truth <= found.upper)
    assert (truth == at)[asked].mean() > 0.5
    assert inside[asked & (truth == at)].mean() > 0.9
    assert inside[asked].mean() > 0.88


def test_values_below_the_smallest_positive_one_are_told_apart_from_zero():
    """0/1 availability, nine of ten ones: an item's mean is served as it is, not as zero, and intervals hold ones."""
    values = (np.random.default_rng(0).random((1, 40, 50)) < 0.9).astype(float)
    known = Known(("up",), np.where(np.random.default_rng(1).random(values.shape) < 0.4, values, np.nan))
    found = calibrate(
        out_of_fold(completing(ItemMean(), Context()), known, 10, 10, SEED, Context()), known, SEED
    )
    means = np.linspace(0, 1, 11)[None]
    assert found.raw(found.logs(means)) == pytest.approx(means)
    lower, upper = found.around(completing(ItemMean(), Context())(known, SEED), 0.9)
    asked = ~np.isfinite(known.values)
    assert ((lower <= values) & (values <= upper))[asked].mean() > 0.88
    assert ((lower <= values) & (values <= upper))[asked & (values == 1)].mean() > 0.95


def test_a_first_zero_is_not_the_smallest_positive_value():
    """Where all were ones, a zero that comes later makes no prediction of one a zero."""
    found = flat(np.zeros((1, 1)), floor=1.0, highest=1.0).reaching(np.array([0.0]))
    ones, zero = found.logs(np.array([[1.0]])), found.logs(np.array([[0.0]]))
    assert found.raw(ones) == 1.0
    assert found.raw(zero) == 0.0
    again = found.reaching(np.array([0.0]))
    assert again.floor == found.floor


def test_a_parameter_of_zeros_alone_is_answered_with_zero():
    known = Known(("loss",), np.where(np.eye(20, dtype=bool), np.nan, 0.0)[None])
    found = Conformal("item_median", folds=4, rounds=4).predict(known, SEED, Context())
    assert not found.values.any()
    assert not found.lower.any()
    assert not found.upper.any()


def test_a_measurement_may_lack_a_parameter():
    _, values = planted()
    values[1, :, ::2] = np.nan
    found = Conformal().predict(Known(("a", "b"), values), SEED, Context())
    assert np.isfinite(found.lower).all()
    assert np.isfinite(found.upper).all()


def test_few_cells_are_named():
    values = np.full((1, 4, 4), np.nan)
    values[0, 0, :3] = 1.0
    with pytest.raises(
        BadInput, match=r"(?s)3 known cells cannot be dealt into 20 folds.*at most 3, or more"
    ):
        Conformal().predict(Known(("q",), values), SEED, Context())
    with pytest.raises(BadInput, match=r"(?s)1 known cell cannot be dealt.*more known cells are needed"):
        Conformal(folds=2).predict(Known(("q",), values[:, :1, :1]), SEED, Context())
    with pytest.raises(BadInput, match="'q' has too few measurements"):
        out_of_fold(lambda k, s: k.values, Known(("q",), values[:, :1, :1]), 1, 1, SEED, Context())


def test_it_stops_in_time():
    with pytest.raises(TimeLimitExceeded):
        Conformal().predict(Known(("a", "b"), planted()[1]), SEED, Context(time_limit_s=0.0))


def test_children_of_a_seed_leave_it_alone():
    seed = np.random.SeedSequence(5)
    first = [child(seed, i).generate_state(2).tolist() for i in (0, 1, 0)]
    assert first[0] == first[2] != first[1]
    assert seed.n_children_spawned == 0


def test_a_run_reports_coverage_where_there_are_intervals():
    data = {"kind": "planted", "users": 30, "services": 80, "rank": 2}
    scenario = PredictionScenario.model_validate({"data": data, "density": 0.3})
    found, without = (
        next(run(scenario, m, [Seed()], Context())).metrics for m in (Conformal(), FactorAnalysis())
    )
    assert 0.8 < found["coverage[q0]"] < 0.97
    assert "coverage" not in without
    assert found["nmae"] < 1


@pytest.mark.data
@pytest.mark.skipif(not os.environ.get("QOSLAB_DATA"), reason="QOSLAB_DATA does not name the data folder")
def test_coverage_on_real_data():
    """WS-DREAM #2 at 10 %, split conformal with 3,195 hidden cells: four standard errors are 0.021."""
    data = {
        "kind": "dataset",
        "name": "wsdream-2-sample/ds2_mean_joint_rt_tp.npz",
        "parameters": ["rt", "tp"],
    }
    scenario = PredictionScenario.model_validate({"data": data, "density": 0.1})
    metrics = next(run(scenario, Conformal(rounds=1), [Seed()], Context(dataset=resolver()))).metrics
    assert metrics["coverage[rt]"] == pytest.approx(0.905, abs=0.021)
    assert metrics["coverage[tp]"] == pytest.approx(0.905, abs=0.021)


@pytest.mark.data
@pytest.mark.full
@pytest.mark.skipif(not os.environ.get("QOSLAB_DATA"), reason="QOSLAB_DATA does not name the data folder")
def test_the_committed_study_repeats(tmp_path):
    """One density and split of the study again; and the table's means over splits lie between 89 and 91 %."""
    studies = Path(__file__).parents[2] / "studies" / "prediction"
    table = pl.read_parquet(studies / "results" / "intervals.parquet")
    kept = table.filter(pl.col("scenario") == "density=0.1")
    for name in ("coverage[rt]", "coverage[tp]"):
        assert kept.group_by("method").agg(pl.col(name).mean())[name].is_between(0.89, 0.91).all()
    overrides = {"study.seeds": "1", "scenario.density": "{ grid = [0.1] }"}
    study = Study.from_file(studies / "intervals.toml", overrides)
    again = study.run(tmp_path / "again", workers=0, quiet=True).table
    key = ["method", "replication"]
    both = again.join(kept, on=key, suffix="_kept")
    assert len(both) == 2
    assert both["coverage"].to_list() == pytest.approx(both["coverage_kept"].to_list(), abs=1e-6)
    assert both["interval_width"].to_list() == pytest.approx(both["interval_width_kept"].to_list(), rel=1e-6)
