"""What users get: pairs per second, how good they are, and what becomes of the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from qoslab.core.outcome import Outcome
from qoslab.domains.entanglement.apps.keys import KeyRules, asymptotic_rate, make_key
from qoslab.domains.entanglement.apps.measuring import teleportation_fidelity
from qoslab.domains.entanglement.chain import (
    CREATED,
    DECOHERED,
    DELIVERED,
    FAILED,
    JOINED,
    MESSAGES,
    PURIFIED,
    SPOILED,
    TRIMMED,
    WASTED,
    IntArray,
)
from qoslab.domains.entanglement.demand import FloatArray, jain, serve
from qoslab.domains.entanglement.scenario import EntanglementScenario
from qoslab.domains.entanglement.sharing.mesh import CLASHED

if TYPE_CHECKING:
    from qoslab.domains.entanglement.model import PathRun

__all__ = ["bell_hashing_yield", "bell_key_fraction", "hashing_yield", "key_fraction", "outcome_of"]

_COUNTERS = {
    "pairs_created": CREATED,
    "swaps_succeeded": JOINED,
    "swaps_failed": FAILED,
    "pairs_wasted": WASTED,
    "pairs_decohered": DECOHERED,
    "pairs_delivered": DELIVERED,
    "messages": MESSAGES,
    "purifications_succeeded": PURIFIED,
    "purifications_failed": SPOILED,
    "pairs_cut": TRIMMED,
}


def _entropy(probabilities: Sequence[float]) -> float:
    return -sum(p * float(np.log2(p)) for p in probabilities if p > 0.0)


def _werner(fidelity: float) -> list[float]:
    return [fidelity, *[(1.0 - fidelity) / 3.0] * 3]


def key_fraction(fidelity: float) -> float:
    """Key bits per pair of BB84 on a Werner pair: max(0, 1 - 2 h(Q)) with Q = (1 - w) / 2."""
    return bell_key_fraction(_werner(fidelity))


def bell_key_fraction(state: Sequence[float]) -> float:
    """Key bits per pair of BB84 on a Bell-diagonal pair: max(0, 1 - h(e_Z) - h(e_X)) (Shor and Preskill 2000).

    Args:
        state: Probabilities of I, Z, X and Y: e_Z = P_X + P_Y and e_X = P_Z + P_Y. Of an error above one half nothing
            is made.
    """
    return asymptotic_rate(state[2] + state[3], state[1] + state[3])


def hashing_yield(fidelity: float) -> float:
    """Perfect pairs per Werner pair by one-way hashing, at least 0: 1 - H(F, (1 - F) / 3 three times)."""
    return bell_hashing_yield(_werner(fidelity))


def bell_hashing_yield(state: Sequence[float]) -> float:
    """Perfect pairs per Bell-diagonal pair by one-way hashing, at least 0: 1 - H(P_I, P_Z, P_X, P_Y).

    Args:
        state: Probabilities of I, Z, X and Y.
    """
    return max(0.0, 1.0 - _entropy(state))


class _Got(NamedTuple):
    """Delivered pairs.

    Attributes:
        request: Request of each, shape (pairs,).
        fidelity: Fidelity of each, shape (pairs,).
        errors: Probabilities of Z, X and Y of each, shape (3, pairs); None for Werner pairs.
    """

    request: IntArray
    fidelity: FloatArray
    errors: FloatArray | None

    def of(self, place: int) -> _Got:
        """Those of one request."""
        own = self.request == place
        return _Got(
            self.request[own], self.fidelity[own], None if self.errors is None else self.errors[:, own]
        )

    def mean_state(self) -> list[float]:
        """Probabilities of I, Z, X and Y of any of them."""
        mean = float(self.fidelity.mean())
        return _werner(mean) if self.errors is None else [mean, *self.errors.mean(axis=1).tolist()]

    def states(self) -> FloatArray:
        """Probabilities of I, Z, X and Y of each, shape (pairs, 4)."""
        errors = [(1.0 - self.fidelity) / 3.0] * 3 if self.errors is None else self.errors
        return np.stack([self.fidelity, *errors], axis=1)


def _worth(got: _Got, yield_of: Callable[[Sequence[float]], float]) -> float:
    """What all pairs are worth: each request's by its own mean, as its users never mix theirs with others'."""
    total = 0.0
    for place in np.unique(got.request):
        own = got.of(int(place))
        total += len(own.request) * yield_of(own.mean_state())
    return total


def _jobs(
    scenario: EntanglementScenario, arrivals: Sequence[FloatArray], request: IntArray, time: FloatArray
) -> dict[str, float]:
    """Success and duration of jobs that came after the warm-up.

    A job is judged where its deadline lies within the run; one without a deadline is judged by the horizon.

    Args:
        scenario: The scenario.
        arrivals: When the jobs of each request come, s.
        request: Request of each useful delivery, shape (pairs,).
        time: When it was made, s, shape (pairs,).
    """
    judged = successes = 0
    durations: list[FloatArray] = []
    for place, each in enumerate(scenario.requests):
        if each.jobs is None:
            continue
        deadline = each.jobs.deadline_s or np.inf
        served = serve(arrivals[place], each.jobs.pairs, deadline, np.sort(time[request == place]).tolist())
        counted = served.arrival_s >= scenario.warm_up_s
        if np.isfinite(deadline):
            counted &= served.arrival_s + deadline <= scenario.horizon_s
        done = counted & np.isfinite(served.done_s)
        judged, successes = judged + int(counted.sum()), successes + int(done.sum())
        durations.append(served.done_s[done] - served.arrival_s[done])
    metrics: dict[str, float] = {}
    if judged:
        metrics["request_success"] = successes / judged
    took = np.concatenate(durations or [np.zeros(0)])
    if len(took):
        metrics["request_time_s"] = float(took.mean())
        metrics["request_time_p95_s"] = float(np.quantile(took, 0.95))
    return metrics


def _key_bits(scenario: EntanglementScenario, got: _Got, rng: np.random.Generator) -> int:
    """Secret bits that the users of all requests make of their pairs."""
    assert scenario.keys is not None
    errors = scenario.keys.errors or ("alike" if got.errors is None else "apart")
    rules, bits = KeyRules(**scenario.keys.model_dump(exclude={"errors"}), errors=errors), 0
    for place in range(len(scenario.requests)):
        bits += len(make_key(got.of(place).states(), rules, rng).alice)
    return bits


def outcome_of(
    scenario: EntanglementScenario,
    runs: Sequence[PathRun],
    *,
    keep: bool,
    arrivals: Sequence[FloatArray] = (),
    rng: np.random.Generator | None = None,
) -> Outcome:
    """All paths together; rates are per second after the warm-up.

    Args:
        scenario: The scenario.
        runs: What each path gave.
        keep: Whether deliveries are kept as a series.
        arrivals: When the jobs of each request come, s; needed where requests have jobs.
        rng: Lots of the users' measurements; needed where keys are made.
    """
    window = scenario.horizon_s - scenario.warm_up_s
    request = np.concatenate(
        [np.full(len(each.time_s), each.request) for each in runs] or [np.zeros(0, np.int64)]
    )
    columns = [
        np.concatenate([getattr(each, name) for each in runs] or [np.zeros(0)])
        for name in ("time_s", "fidelity", "age_s")
    ]
    late = columns[0] >= scenario.warm_up_s
    enough = columns[1] >= np.array([each.fidelity for each in scenario.requests])[request.astype(np.int64)]
    jobs = _jobs(scenario, arrivals, request[enough], columns[0][enough])
    request, (time, fidelity, age) = request[late].astype(np.int64), (column[late] for column in columns)
    errors = None
    if scenario.memory.state == "bell_diagonal":
        errors = np.concatenate([each.errors for each in runs] or [np.zeros((3, 0))], axis=1)[:, late]
    pairs = _Got(request, fidelity, errors)
    least = np.array([each.fidelity for each in scenario.requests])[request]
    counts: dict[str, int] = {
        name: sum(int(each.counts[at]) for each in runs) for name, at in _COUNTERS.items()
    }
    if scenario.memory.multiplexing != "buffer_space":
        counts["pairs_clashed"] = sum(
            int(each.counts[CLASHED]) for each in runs if len(each.counts) > CLASHED
        )
    mean = float(fidelity.mean()) if len(fidelity) else 0.0
    useful = np.bincount(request[fidelity >= least], minlength=len(scenario.requests)) / window
    metrics: dict[str, Any] = {
        "rate_per_s": len(time) / window,
        "useful_rate_per_s": float(useful.sum()),
        "key_rate_per_s": _worth(pairs, bell_key_fraction) / window,
        "distillable_rate_per_s": _worth(pairs, bell_hashing_yield) / window,
    }
    if len(time):
        metrics |= {"fidelity": mean, "latency_s": float(age.mean())}
        metrics["teleportation_fidelity"] = teleportation_fidelity(mean)
        metrics["latency_p95_s"] = float(np.quantile(age, 0.95))
    if scenario.keys is not None and rng is not None:
        metrics["made_key_rate_per_s"] = _key_bits(scenario, pairs, rng) / window
    if len(useful) > 1:
        metrics["fairness_jain"] = jain(useful)
    metrics |= jobs
    wanted = [
        (got, each.rate_per_s) for got, each in zip(useful, scenario.requests, strict=True) if each.rate_per_s
    ]
    if wanted:
        metrics["demand_met"] = float(np.mean([min(1.0, got / rate) for got, rate in wanted]))
    if counts["pairs_created"]:
        metrics["decohered_share"] = counts["pairs_decohered"] / counts["pairs_created"]
        metrics["cut_share"] = counts["pairs_cut"] / counts["pairs_created"]
        metrics["messages_per_pair"] = counts["messages"] / counts["pairs_created"]
    memories = sum(each.memories for each in runs)
    if memories:
        metrics["memory_use"] = sum(each.held_s for each in runs) / (memories * window)
    counts["delivered_nothing"] = int(len(time) == 0)
    counts["delivered_nothing_useful"] = int(len(time) > 0 and not useful.any())
    counts["pairs_in_memory"] = sum(each.in_memory for each in runs)
    columns_kept = {"request": request, "time_s": time, "fidelity": fidelity, "age_s": age}
    return Outcome(metrics, counts, {"deliveries": columns_kept} if keep else {})
