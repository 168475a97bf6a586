"""Rankings, calibration and errors by user against cases computed by hand."""

from itertools import permutations

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.prediction.checking import check
from qoslab.domains.prediction.data import Known, make_task
from qoslab.domains.prediction.methods.item_mean import ItemMean
from qoslab.domains.prediction.metrics import calibration, errors, ranking, user_errors
from qoslab.domains.prediction.model import Prediction, run
from qoslab.domains.prediction.scenario import LARGER, PredictionScenario, larger_of

TIMES = np.arange(1.0, 13.0)
"""Twelve response times; the service in place k is the k-th best."""


class Says:
    """A method with a fixed answer."""

    def __init__(self, answer):
        self.answer = answer

    def predict(self, known, seed, context):
        return self.answer


def ranked(predicted, truth=TIMES, larger=(), name="rt"):
    predicted, truth = (np.asarray(x, float)[None, None] for x in (predicted, truth))
    return ranking([name], predicted, truth, np.ones(truth.shape, bool), larger)


def test_a_perfect_order_scores_one_whatever_the_scale():
    found = ranked(np.log(TIMES))
    assert found["ndcg_10"] == pytest.approx(1.0)
    assert found["precision_10"] == 1.0


def test_the_reverse_order_by_hand():
    """Gains are the shares of eleven others that are beaten: 0, 1/11, ..., 9/11 in the chosen places."""
    discount = 1 / np.log2(np.arange(2, 12))
    expected = (np.arange(10) / 11) @ discount / ((11 - np.arange(10)) / 11 @ discount)
    found = ranked(-TIMES)
    assert found["ndcg_10[rt]"] == pytest.approx(expected)
    assert found["precision_10[rt]"] == pytest.approx(0.8)


def test_large_throughputs_are_good():
    assert ranked(TIMES, larger=("tp",), name="tp")["ndcg_10"] == pytest.approx(1.0)
    assert ranked(TIMES, -TIMES, larger=("tp",), name="tp")["ndcg_10"] < 0.6


def test_no_order_beats_the_true_one():
    best = ranked(TIMES)["ndcg_10"]
    rng = np.random.default_rng(0)
    assert all(ranked(rng.permutation(TIMES))["ndcg_10"] <= best + 1e-12 for _ in range(50))


def test_equal_values_are_interchangeable():
    truth = np.array([1.0, 1.0, *range(3, 13)])
    scores = {round(ranked([*two, *range(3, 13)], truth)["ndcg_10"], 12) for two in permutations([1.0, 2.0])}
    assert scores == {1.0}


def test_equal_predictions_score_the_mean_over_their_orders():
    """Of twelve services five are second, all but one of these among the first five; the other six are last."""
    rng = np.random.default_rng(4)
    truth, levels = rng.permutation(TIMES), np.array([0.0, *[1.0] * 5, *[2.0] * 6])
    found = ranked(levels, truth)
    orders = [levels + 1e-6 * rng.permutation(12) for _ in range(4000)]
    broken = [ranked(one, truth) for one in orders]
    for metric in ("ndcg_5", "ndcg_10", "precision_5", "precision_10"):
        scores = np.array([one[metric] for one in broken])
        assert scores.std() > 0.01
        # Wrong in one of 16,000 tries: four standard errors.
        assert found[metric] == pytest.approx(scores.mean(), abs=4 * scores.std() / 4000**0.5)


def test_the_order_of_services_in_the_table_does_not_matter():
    rng = np.random.default_rng(4)
    truth, predicted = rng.random((2, 40)), rng.integers(0, 6, 40).astype(float)
    order = rng.permutation(40)
    before, after = ranked(predicted, truth[0]), ranked(predicted[order], truth[0][order])
    assert before == pytest.approx(after, abs=1e-12)
    constant = ranked(np.ones(40), truth[1])
    assert constant["precision_10"] == pytest.approx(10 / 40)


def test_users_with_few_asked_services_do_not_count():
    assert ranked(TIMES[:5], TIMES[:5]) == {}
    found = ranked(TIMES[:10], TIMES[:10])
    assert found == {"ndcg_5": 1.0, "ndcg_5[rt]": 1.0, "precision_5": 1.0, "precision_5[rt]": 1.0}


def test_lists_of_other_lengths_by_hand():
    """Of 25 services in reverse order the five first are the five worst, of which none is among the five best."""
    times = np.arange(1.0, 26.0)
    found = ranked(-times, times)
    assert [found[f"precision_{k}"] for k in (5, 10, 20)] == [0.0, 0.0, 0.75]
    for k in (5, 10, 20):
        discount = 1 / np.log2(np.arange(2, k + 2))
        worst, best = np.arange(k) / 24, 1 - np.arange(k) / 24
        assert found[f"ndcg_{k}[rt]"] == pytest.approx(worst @ discount / (best @ discount))
    assert ranked(TIMES, np.ones(12)) == {}


def test_calibration_by_hand():
    truth = np.array([[[1.0, 2.0, 4.0, 9.0]]])
    test = np.array([[[True, True, True, False]]])
    found = calibration(["q"], (truth * 0 + 1.5, truth * 0 + 4.0), truth, test)
    assert found["coverage[q]"] == pytest.approx(2 / 3)
    assert found["interval_width"] == pytest.approx(2.5 / (7 / 3))


def test_intervals_reach_the_outcome():
    class Bounded:
        def predict(self, known, seed, context):
            values = ItemMean().predict(known, seed, context)
            return Prediction(values, values * 0, values + 1e6)

    data = {"kind": "planted", "users": 8, "services": 30}
    scenario = PredictionScenario.model_validate({"data": data})
    metrics = next(run(scenario, Bounded(), [Seed()], Context())).metrics
    assert metrics["coverage"] == metrics["coverage[q0]"] == 1.0
    assert metrics["interval_width"] > 1e5
    assert "coverage" not in next(run(scenario, ItemMean(), [Seed()], Context())).metrics


def test_errors_by_user_average_to_the_whole():
    data = {"kind": "planted", "users": 8, "services": 30}
    scenario = PredictionScenario.model_validate({"data": data})
    task = make_task(scenario, Seed(), Context())
    predicted = ItemMean().predict(task.known, np.random.SeedSequence(0), Context())
    rows = user_errors(task.known.parameters, predicted, task.truth, task.test)
    whole = errors(task.known.parameters, predicted, task.truth, task.test)
    for name in task.known.parameters:
        here = rows["parameter"] == name
        mean = np.average(rows["mae"][here], weights=rows["cells"][here])
        assert mean == pytest.approx(whole[f"mae[{name}]"])


def test_errors_by_user_are_kept_where_series_are():
    data = {"kind": "planted", "users": 8, "services": 30}
    scenario = PredictionScenario.model_validate({"data": data})
    kept, bare = (next(run(scenario, ItemMean(), [Seed()], Context(keep_series=k))) for k in (True, False))
    assert len(kept.series["user_errors"]["mae"]) == 16
    assert len(kept.series["training"]["step"]) == 0
    assert not bare.series
    assert kept.metrics == bare.metrics


@pytest.mark.parametrize(
    ("given", "names", "expected"),
    [
        (LARGER, ("rt", "tp"), ("tp",)),
        (LARGER, ("RT", "Throughput", "TP", "Bandwidth"), ("Throughput", "TP", "Bandwidth")),
        (("SCORE",), ("rt", "score"), ("score",)),
        ((), ("rt", "tp"), ()),
    ],
)
def test_which_parameters_large_values_are_good_of(given, names, expected):
    assert larger_of(given, names) == expected


def test_a_direction_of_a_parameter_that_is_not_there_is_refused():
    with pytest.raises(BadInput, match=r"(?s)larger_is_better: the data has no parameter 'scroe'.*'score'"):
        larger_of(("scroe",), ("rt", "score"))
    raw = {"data": {"kind": "planted"}, "larger_is_better": ["q7"]}
    (found,) = check(PredictionScenario.model_validate(raw))
    assert found.field == "larger_is_better"
    assert "it has q0, q1" in found.message


def test_a_run_ranks_by_the_direction_of_a_name_in_capitals(tmp_path):
    """Predictions that tell small values apart and large ones not: perfect where small ones are good."""
    text = "".join(f"{u},{s},{s + 1}\n" for u in range(8) for s in range(30))
    found = {}
    for name in ("tp", "TP", "rt"):
        (tmp_path / f"{name}.csv").write_text(f"user,service,{name}\n" + text)
        data = {"kind": "table", "file": str(tmp_path / f"{name}.csv"), "parameters": [name]}
        scenario = PredictionScenario.model_validate(
            {"data": data, "density": 0.1, "larger_is_better": ["tp"]}
        )
        method = Says(np.broadcast_to(np.minimum(np.arange(30.0), 15), (1, 8, 30)))
        found[name] = next(run(scenario, method, [Seed()], Context())).metrics["ndcg_10"]
    assert found["tp"] == found["TP"] < 0.95
    assert found["rt"] == pytest.approx(1.0)


def test_who_has_no_known_cell_is_counted():
    """Of ten users two are new, of twelve services three: in the counters of a run, and of no other."""
    raw = {"data": {"kind": "planted", "users": 10, "services": 12}, "density": 0.9}
    for cold, expected in (({}, (0, 0)), ({"cold": {"users": 0.2, "services": 0.25}}, (2, 3))):
        scenario = PredictionScenario.model_validate(raw | cold)
        counters = next(run(scenario, ItemMean(), [Seed()], Context())).counters
        assert (counters["cold_users"], counters["cold_services"]) == expected
    known = Known(("q",), np.array([[[1.0, np.nan, np.nan], [np.nan, np.nan, np.nan]]]))
    assert [side.tolist() for side in known.cold] == [[False, True], [False, True, True]]
