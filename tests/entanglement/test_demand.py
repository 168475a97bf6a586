"""Jobs against a queue's closed form and by hand; fairness by its definition."""

from typing import Any

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.outcome import Outcome
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.demand import JobQueue, jain, serve
from qoslab.domains.entanglement.methods.max_weight import MaxWeight
from qoslab.domains.entanglement.methods.reactive_central import ReactiveCentral
from qoslab.domains.entanglement.methods.shortest_path import ShortestPath
from qoslab.domains.entanglement.model import run
from qoslab.domains.entanglement.peer import chain_scenario
from qoslab.domains.entanglement.scenario import EntanglementScenario


def test_jobs_by_hand() -> None:
    """Two pairs each, 3 s of patience. The first leaves at 3 with one pair; the second has 4 and 5; 6 is not used."""
    served = serve(np.array([0.0, 1.5, 7.0]), 2, 3.0, [0.5, 4.0, 4.5, 6.0, 7.5, 11.0])
    assert served.done_s.tolist() == [np.inf, 4.5, np.inf]
    assert served.used == 4


def test_a_pair_at_the_deadline_counts() -> None:
    assert serve(np.array([0.0]), 1, 2.0, [2.0]).done_s.tolist() == [2.0]
    assert serve(np.array([0.0]), 1, 2.0, [2.0001]).done_s.tolist() == [np.inf]


def test_poisson_jobs_and_poisson_pairs_are_a_single_server_queue() -> None:
    """Mean time 1 / (mu - lambda); batch means of 50 batches, 4.42 standard errors."""
    rng = np.random.default_rng(3)
    arrivals = np.cumsum(rng.exponential(1.0, 100_000))
    pairs = np.cumsum(rng.exponential(1 / 2.0, 200_000))
    served = serve(arrivals, 1, np.inf, pairs[pairs < arrivals[-1]].tolist())
    took = (served.done_s - arrivals)[:99_000].reshape(50, -1).mean(1)
    assert abs(took.mean() - 1.0) < 4.42 * took.std(ddof=1) / np.sqrt(50)


@pytest.mark.parametrize(
    ("shares", "expected"), [([2.0, 2.0], 1.0), ([1.0, 0.0], 0.5), ([0.0, 0.0], 1.0), ([3.0, 1.0], 0.8)]
)
def test_fairness(shares: list[float], expected: float) -> None:
    assert jain(np.array(shares)) == pytest.approx(expected)


def with_jobs(**jobs: Any) -> Outcome:
    raw = chain_scenario([32, 18], horizon_s=4.0).model_dump(exclude_unset=True)
    raw["requests"] = ({"source": "n0", "target": "n2", "jobs": jobs},)
    scenario = EntanglementScenario.model_validate(raw)
    return next(iter(run(scenario, ShortestPath(), [Seed()], Context())))


def test_patience_and_demand_decide_success() -> None:
    """About 52 pairs come per second: 20 jobs of one pair mostly succeed, 20 jobs of four cannot all."""
    easy, hard = (
        with_jobs(arrivals_per_s=20.0, deadline_s=0.2),
        with_jobs(arrivals_per_s=20.0, pairs=4, deadline_s=0.2),
    )
    assert easy.metrics["request_success"] > 0.95
    assert 0.2 < hard.metrics["request_success"] < 52.0 / 80.0 + 0.1
    assert easy.metrics["request_time_p95_s"] <= 0.2
    assert easy.metrics["request_time_s"] < hard.metrics["request_time_s"]


def test_jobs_do_not_change_what_links_give() -> None:
    plain = next(iter(run(chain_scenario([32, 18], horizon_s=4.0), ShortestPath(), [Seed()], Context())))
    jobs = with_jobs(arrivals_per_s=20.0)
    assert jobs.counters == plain.counters
    assert jobs.metrics["rate_per_s"] == plain.metrics["rate_per_s"]


HUB = [{"source": name, "target": "M", "length_km": 10.0} for name in "ABC"]


def of_two_requests(
    method: Any, first: dict[str, Any] | None, horizon_s: float = 0.5
) -> tuple[Outcome, list[int]]:
    """A-B, with jobs or without, and A-C over one middle node; the outcome, and the pairs of each request."""
    raw = {
        "network": {"links": HUB},
        "requests": ({"source": "A", "target": "B", "jobs": first}, {"source": "A", "target": "C"}),
        "nodes": {"swap_success": 1.0, "coherence_s": 0.1},
        "phases": {"external_s": 0.002},
        "horizon_s": horizon_s,
    }
    scenario = EntanglementScenario.model_validate(raw)
    outcome = next(iter(run(scenario, method, [Seed()], Context(keep_series=True))))
    return outcome, np.bincount(outcome.series["deliveries"]["request"], minlength=2).tolist()


@pytest.mark.parametrize("method", [MaxWeight(), ReactiveCentral()])
def test_deciding_methods_serve_those_who_wait(method: Any) -> None:
    """The first request's jobs never come, so the second gets what it would get alone; without jobs they share."""
    _, shared = of_two_requests(method, None)
    _, never = of_two_requests(method, {"arrivals_per_s": 1e-6})
    assert never[0] == 0
    assert never[1] >= max(shared)
    assert never[1] > 0.8 * sum(shared)


def test_jobs_come_and_leave_during_a_run() -> None:
    """One pair for every job that came, and none after the last: the view tells both, and jobs that gave up leave."""
    outcome, got = of_two_requests(MaxWeight(), {"arrivals_per_s": 20.0})
    assert outcome.metrics["request_success"] > 0.8
    scenario_jobs = got[0]
    assert 1 <= scenario_jobs <= 2 * 20
    assert got[1] > 3 * got[0]
    _, hurried = of_two_requests(MaxWeight(), {"arrivals_per_s": 20.0, "deadline_s": 1e-4})
    assert hurried[0] < scenario_jobs


def test_what_waiting_jobs_want_by_hand() -> None:
    """Two pairs each, 3 s of patience, jobs at 0, 1.5 and 7."""
    queue = JobQueue(np.array([0.0, 1.5, 7.0]), 2, 3.0)
    assert queue.wanted(0.0) == 2
    queue.take(0.5)
    assert [queue.wanted(1.0), queue.wanted(2.0)] == [1, 3]
    assert queue.wanted(3.5) == 2  # the first left with one pair
    queue.take(4.0)
    queue.take(4.5)
    assert [queue.wanted(5.0), queue.wanted(7.0), queue.used] == [0, 2, 3]


def test_two_requests_share_fairly_or_not() -> None:
    raw = chain_scenario([20, 20, 20], pairs=2, horizon_s=2.0).model_dump(exclude_unset=True)
    raw["requests"] = ({"source": "n0", "target": "n3"}, {"source": "n0", "target": "n1"})
    found = next(
        iter(
            run(EntanglementScenario.model_validate(raw), ShortestPath(), [Seed()], Context(keep_series=True))
        )
    )
    got = np.bincount(found.series["deliveries"]["request"].astype(int), minlength=2)
    assert found.metrics["fairness_jain"] == pytest.approx(got.sum() ** 2 / (2 * np.square(got).sum()))
    assert found.metrics["fairness_jain"] < 0.9
