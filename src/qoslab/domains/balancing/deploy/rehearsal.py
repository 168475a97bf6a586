"""The controller on the simulator: a policy is tried here before it touches production."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem
from qoslab.core.located import validate
from qoslab.core.outcome import Outcome
from qoslab.core.seeds import Seed
from qoslab.domains.balancing import state
from qoslab.domains.balancing.deploy.controller import Controller, Limits
from qoslab.domains.balancing.deploy.observation import Observation
from qoslab.domains.balancing.deploy.scales import MOST, as_integers, stepwise
from qoslab.domains.balancing.hooks import Policy, Site, Wiring
from qoslab.domains.balancing.methods.haproxy_leastconn import HaproxyLeastconn
from qoslab.domains.balancing.methods.sed import Sed
from qoslab.domains.balancing.metrics import outcome
from qoslab.domains.balancing.model import Simulation
from qoslab.domains.balancing.scenario import BalancingScenario
from qoslab.domains.balancing.source import Demand, make_demand
from qoslab.domains.balancing.study_file import overrides, read_study
from qoslab.domains.balancing.view import ACTIVE, AREA, BUSY, DONE, TOUCHED, UP, WEIGHT, Board
from qoslab.domains.balancing.world import configured_weights

__all__ = ["Balance", "Steered", "observe", "rehearse", "rehearse_command"]

Balance = Literal["leastconn", "sed"]

_SITE = {"servers": 8, "speeds": "1,4", "load": 0.8, "balancers": 1, "requests": 50_000}
"""The site where no file gives one."""
_SETTING = {
    "servers": "scenario.servers.count",
    "speeds": "scenario.servers.speeds",
    "load": "scenario.load",
    "balancers": "scenario.balancers",
    "requests": "scenario.requests",
}
_SHOWN = ("response_time_mean_s", "response_time_p95_s", "response_time_p99_s")


@dataclass(frozen=True)
class Steered(Policy):
    """A proxy that balances by least connections, whose weights are set from outside each `period_s`.

    Attributes:
        period_s: Time between two decisions, s.
        balance: `leastconn` routes as HAProxy's does, see `haproxy_leastconn`; `sed` by shortest expected delay.
    """

    period_s: float = 0.5
    balance: Balance = "leastconn"

    def wire(self, site: Site) -> Wiring:
        """Route by own counters and the weights in force; stop at each decision."""
        routing = HaproxyLeastconn() if self.balance == "leastconn" else Sed()
        return dataclasses.replace(routing.wire(site), tick_s=self.period_s, stagger=True, pause=True)


class _Steering:
    """What `steer` does with one proxy but for its log and sockets: whole weights, each changed stepwise."""

    def __init__(self, told: NDArray[np.float64], policy: str, limits: Limits) -> None:
        self._controller = Controller(told, policy, limits)
        self._step = limits.step
        self._scaled = False
        self.weights = _as_configured(told)

    def tick(self, seen: Observation) -> NDArray[np.int64]:
        """Decide; without a single answer, which a proxy would have logged, nothing is set."""
        if not seen.done.any():
            return self.weights
        wanted, before = as_integers(self._controller.decide(seen)), self.weights
        if self._scaled:
            pairs = zip(before, wanted, strict=True)
            wanted = np.array([stepwise(int(now), int(want), self._step) for now, want in pairs])
        # As in a proxy, the first weights that differ are set as they come.
        self._scaled = self._scaled or bool((wanted != before).any())
        self.weights = wanted
        return wanted


def _as_configured(told: NDArray[np.float64]) -> NDArray[np.int64]:
    """An operator's weights as a proxy's file has them: as they are where they are whole and not too large."""
    whole = np.rint(told)
    if (whole == told).all() and (told >= 1).all() and (told <= MOST).all():
        return whole.astype(np.int64)
    return as_integers(told / np.exp(np.log(told).mean()))


def observe(board: Board, balancer: int, now: float) -> Observation:
    """What one balancer may see at an instant: the counters of its `LocalView`, and nothing of the servers' state."""
    counts, local = board.counts[balancer], board.local[balancer]
    since = now - local[TOUCHED]
    active = counts[ACTIVE].astype(np.float64)
    return Observation(
        time_s=now,
        active=active,
        done=counts[DONE].astype(np.float64),
        busy_s=local[BUSY] + since * (active > 0),
        area_s=local[AREA] + since * active,
        up=counts[UP] == 1,
    )


def rehearse(
    scenario: BalancingScenario,
    policy: str | None,
    seed: Seed,
    context: Context | None = None,
    *,
    limits: Limits | None = None,
    period_s: float = 0.5,
    balance: Balance = "leastconn",
    demand: Demand | None = None,
    watch: Callable[[int, Observation, NDArray[np.int64]], None] | None = None,
) -> Outcome:
    """Run the controller that steers proxies on a simulated site, one controller per balancer.

    Weights in force are whole numbers from 1 to 256, and change stepwise, as those of a running HAProxy do.

    Args:
        scenario: The site; its configured weights are those that the controller finds.
        policy: The controller's policy; None for a proxy that nobody steers.
        seed: The trial's seed.
        context: Services of the laboratory.
        limits: What the controller may do at most.
        period_s: Time between two decisions, s.
        balance: How a request is routed by the weights in force, see `Steered`.
        demand: What the scenario's requests need, where it is known already.
        watch: Called after each decision with the balancer, what it saw, and the weights then in force, shape (n,).
    """
    context = context or Context()
    simulation = Simulation(scenario, Steered(period_s, balance), seed, context, demand=demand)
    told, limits = configured_weights(scenario), limits or Limits()
    steerings = [_Steering(told, policy, limits) for _ in range(scenario.balancers)] if policy else []
    simulation.world.board.local[:, WEIGHT] = _as_configured(told)
    while (reason := simulation.advance()) != state.DONE:
        if reason == state.PAUSE and steerings:
            board, lb = simulation.world.board, int(simulation.world.counts[state.DECIDER])
            seen = observe(board, lb, simulation.now)
            board.local[lb, WEIGHT] = steerings[lb].tick(seen)
            if watch is not None:
                watch(lb, seen, steerings[lb].weights)
    return outcome(scenario, simulation.world, keep_series=context.keep_series)


def rehearse_command(
    *,
    policy: str = "ours",
    scenario: Path | None = None,
    servers: int | None = None,
    speeds: str | None = None,
    load: float | None = None,
    balancers: int | None = None,
    requests: int | None = None,
    seeds: int = 4,
    balance: Balance = "leastconn",
    period_s: float = 0.5,
    spread: float = 16.0,
    step: float = 1.25,
    set: tuple[str, ...] = (),
    data: Path | None = None,
) -> list[dict[str, object]]:
    """Try a steering policy on a simulated site before it touches a proxy.

    The site is the scenario of a study file, or is made of a few words; then the controller is told equal weights.
    Beside it stands the same balancing with weights that are held: those that the scenario configures, equal ones, and
    the right ones of an operator who knows speeds and cores at the start. Means over all runs.

    Args:
        policy: Policy of the controller: ours, two_memories, littles_law, ewma or sed.
        scenario: A study file; its scenario is the site, its methods do not matter.
        servers: Number of servers; 8 without a file.
        speeds: Relative speeds, separated by commas, repeated over the servers; 1,4 without a file.
        load: Arriving work over capacity; 0.8 without a file.
        balancers: Number of balancers, each steered by itself; 1 without a file.
        requests: Requests per run; 50000 without a file.
        seeds: Runs, with common random numbers.
        balance: How the proxy routes: leastconn as HAProxy does, sed by shortest expected delay.
        period_s: Time between two decisions, s.
        spread: Largest ratio between two weights; the policy sed holds the configured ones without it.
        step: Largest factor by which one weight changes in one decision.
        set: Values of the study file set from outside, such as scenario.load=0.8.
        data: A folder with data files.
    """
    from qoslab.datasets import resolver

    limits = Limits(spread=spread, step=step)
    _check(seeds, period_s)
    limits.check()
    words = {
        "servers": servers,
        "speeds": speeds,
        "load": load,
        "balancers": balancers,
        "requests": requests,
    }
    given = {name: value for name, value in words.items() if value is not None}
    site = _site_of_words(given, set) if scenario is None else _site_of_file(scenario, given, set)
    context = Context(dataset=resolver(data))
    Controller(configured_weights(site), policy, limits)  # a wrong name is said before anything is run
    demand = make_demand(site, context)
    rows: list[dict[str, Any]] = []
    for name, told, chosen in _rows(site, policy, "configured" if scenario is not None else "equal"):
        runs = [
            rehearse(
                told,
                chosen,
                Seed(0, "rehearsal", "", k),
                context,
                limits=limits,
                period_s=period_s,
                balance=balance,
                demand=demand,
            )
            for k in range(seeds)
        ]
        rows.append({"weights": name} | _means(runs))
    return _without_zeros(rows)


def _check(seeds: int, period_s: float) -> None:
    problems = []
    if seeds < 1:
        problems.append(Problem(message="must be at least 1", field="seeds"))
    if not 0.1 <= period_s <= 60.0:
        problems.append(Problem(message="must be from 0.1 to 60", field="period_s"))
    if problems:
        raise BadInput(problems)


def _site_of_words(given: Mapping[str, Any], settings: Sequence[str]) -> BalancingScenario:
    if settings:
        hint = (
            "give a study file with --scenario, or use --servers, --speeds, --load, --balancers, --requests"
        )
        raise BadInput(Problem(message="there is no study file to set values of", field="set", hint=hint))
    words = {**_SITE, **given}
    relative, servers = _numbers(words["speeds"]), words["servers"]
    if len(relative) > servers >= 1:
        message = f"there are {len(relative)} for {servers} servers"
        raise BadInput(Problem(message=message, field="speeds", hint="name at most one for each server"))
    table = {key: words[key] for key in ("load", "balancers", "requests")}
    return validate(
        BalancingScenario, {"servers": {"count": servers, "speeds": relative, "weights": "equal"}, **table}
    )


def _site_of_file(file: Path, given: Mapping[str, Any], settings: Sequence[str]) -> BalancingScenario:
    if given:
        raise BadInput(
            Problem(
                message="the study file says it", field=name, hint=f"set it there: --set {_SETTING[name]}=..."
            )
            for name in given
        )
    found = overrides(settings, "a rehearsal runs on seeds of its own")
    site: BalancingScenario = read_study(file, found)[1].scenarios[0].scenario
    # The table has percentiles, which `metrics = "mean"` leaves out.
    return site.model_copy(update={"metrics": "full"})


def _rows(
    site: BalancingScenario, policy: str, own: str
) -> Iterator[tuple[str, BalancingScenario, str | None]]:
    """Name, site and policy of each row; held weights that the row `own` has already are not run again."""
    yield f"{own} weights", site, None
    held = {name: _told(site, weights) for name, weights in (("equal", "equal"), ("right", "capacity"))}
    differ = {name: other for name, other in held.items() if not _same(other, site)}
    if own != "equal" and "equal" in differ:
        yield "equal weights", differ["equal"], None
    yield policy, site, policy
    if own == "equal" or "right" in differ:
        yield "right weights", held["right"], None


def _told(site: BalancingScenario, weights: str) -> BalancingScenario:
    return site.model_copy(update={"servers": site.servers.model_copy(update={"weights": weights})})


def _same(one: BalancingScenario, other: BalancingScenario) -> bool:
    """Whether the same ratios of weights are configured."""
    a, b = configured_weights(one), configured_weights(other)
    return bool(np.allclose(a / a[0], b / b[0]))


def _means(runs: Sequence[Outcome]) -> dict[str, float]:
    if any(name not in run.metrics for name in _SHOWN for run in runs):
        message = "in a run no request was answered in the time that is measured"
        raise BadInput(Problem(message=message, field="scenario", hint="let it run longer"))
    means = {name: float(np.mean([run.metrics[name] for run in runs])) for name in _SHOWN}
    lost = float(np.mean([run.metrics.get("lost_share", 0.0) for run in runs]))
    unsteady = sum(run.counters.get("unsteady", 0) > 0 for run in runs) / len(runs)
    return means | {"lost_share": lost, "unsteady_share": unsteady}


def _without_zeros(rows: list[dict[str, Any]]) -> list[dict[str, object]]:
    """The table without shares that are 0 in all rows."""
    idle = {name for name in ("lost_share", "unsteady_share") if not any(row[name] for row in rows)}
    return [{name: value for name, value in row.items() if name not in idle} for row in rows]


def _numbers(text: str) -> list[float]:
    try:
        return [float(word) for word in text.split(",")]
    except ValueError:
        problem = Problem(message=f"{text!r} is no list of numbers", field="speeds", hint="such as 1,4")
        raise BadInput(problem) from None
