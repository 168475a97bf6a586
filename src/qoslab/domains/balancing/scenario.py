"""A site: balancers in front of servers, the requests they serve, and what happens to them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from qoslab.core.scenario import DatasetName, InputFile, Part, Scenario
from qoslab.domains.balancing.arrivals import Arrivals, Closed, Poisson, Trace
from qoslab.domains.balancing.laws import Exponential, Law
from qoslab.domains.balancing.modifiers import Ejection, SlowStart

__all__ = [
    "BalancingScenario",
    "Change",
    "Discipline",
    "Drift",
    "Failures",
    "Fifo",
    "LimitedSharing",
    "Network",
    "ProcessorSharing",
    "Retry",
    "Servers",
    "Stages",
    "Warmup",
    "example",
]


class Fifo(Part):
    """First come, first served: each core works on one request until it is done."""

    kind: Literal["fifo"] = Field("fifo", description="which discipline this is")


class ProcessorSharing(Part):
    """All requests are served at once; where they outnumber the cores, each gets an equal share."""

    kind: Literal["ps"] = Field("ps", description="which discipline this is")


class LimitedSharing(Part):
    """At most `slots_per_core` times the cores are served at once, sharing the cores; the others wait in turn."""

    kind: Literal["limited_ps"] = Field("limited_ps", description="which discipline this is")
    slots_per_core: int = Field(4, ge=1, description="requests in service per core at most")


_AT_ONCE = 1000
"""How often a request may be sent again without a pause: time stands still meanwhile."""

Discipline = Annotated[Fifo | ProcessorSharing | LimitedSharing, Field(discriminator="kind")]


class Servers(Part):
    """The servers. Lists are repeated over the servers: `speeds = [1.0, 2.0]` makes every second one fast."""

    count: int = Field(8, ge=1, le=100_000, description="how many servers there are")
    speeds: tuple[float, ...] = Field(
        (1.0,), min_length=1, description="speed of each core, repeated over servers"
    )
    cores: tuple[int, ...] = Field(
        (1,), min_length=1, description="cores of each server, repeated over servers"
    )
    discipline: Discipline = Field(Fifo(), description="in which order a server works on its requests")
    limit: int | None = Field(
        None,
        ge=1,
        description="requests a server holds at most, those in service included; more are rejected",
    )
    weights: Literal["capacity", "cores", "equal"] | tuple[float, ...] = Field(
        "capacity",
        description="what balancers are told: speed times cores at the start, cores, nothing, or these numbers "
        "(repeated over servers)",
    )

    @model_validator(mode="after")
    def _positive(self) -> Servers:
        if min(self.speeds) <= 0 or min(self.cores) < 1:
            message = "speeds must be positive and every server needs a core"
            raise ValueError(message)
        if not isinstance(self.weights, str) and (not self.weights or min(self.weights) <= 0):
            message = "weights must be positive"
            raise ValueError(message)
        return self


class Stages(Part):
    """Requests that alternate between a core and input/output, starting on a core.

    A request keeps its place in service all along. Input/output is shared by all requests of the server that are
    doing it; core time and input/output time are split over the stages uniformly at random.
    """

    count: int = Field(
        2, ge=1, le=16, description="stages on a core; each but the last is followed by input/output"
    )
    io: Law = Field(Exponential(), description="law of a request's total input/output time")


class Network(Part):
    """Delays. A request takes two hops to its balancer, one to a server, the response one to the client.

    The balancer learns of the end one hop after the server is done.
    """

    hop_s: tuple[float, float] = Field((0.0001, 0.001), description="bounds of the uniform delay of a hop, s")
    node_s: tuple[float, float] = Field((0.0, 0.0), description="bounds of the uniform delay at a node, s")

    @model_validator(mode="after")
    def _ordered(self) -> Network:
        for low, high in (self.hop_s, self.node_s):
            if not 0 <= low <= high:
                message = f"bounds {low:g}, {high:g} must be in order and not negative"
                raise ValueError(message)
        return self


class Retry(Part):
    """What a client does after a rejection or a timeout: it sends the request again."""

    delay_s: float = Field(40.0, ge=0, description="time until it is sent again, s")
    attempts: int = Field(1_000_000, ge=1, description="how often it is sent again at most")

    @model_validator(mode="after")
    def _bounded(self) -> Retry:
        if self.delay_s == 0 and self.attempts > _AT_ONCE:
            message = f"what is sent again at once needs a bound: set attempts, at most {_AT_ONCE}"
            raise ValueError(message)
        return self


class Change(Part):
    """Something that happens to servers at a known time."""

    at_s: float = Field(ge=0, description="when, s after the start")
    servers: tuple[int, ...] = Field(min_length=1, description="numbers of the servers, from 0")
    action: Literal["speed", "drain", "remove", "add", "fail", "repair"] = Field(
        description="speed: cores get `speed` times their first speed; drain: no new requests; remove: at once, its "
        "requests are lost; add: comes (back) into the pool, and one whose first change is this starts outside it; "
        "fail and repair: stops working and goes on, unnoticed by balancers until `failures.detection_s` later"
    )
    speed: float | None = Field(None, gt=0, description="new speed as a multiple of the first, for `speed`")

    @model_validator(mode="after")
    def _complete(self) -> Change:
        if (self.action == "speed") != (self.speed is not None):
            message = "`speed` belongs to action 'speed', and to no other"
            raise ValueError(message)
        if min(self.servers) < 0:
            message = "servers are numbered from 0"
            raise ValueError(message)
        return self


class Drift(Part):
    """Speeds that wander: a lognormal autoregressive process, or a recorded series of relative speeds."""

    cv: float = Field(0.05, ge=0, lt=2, description="coefficient of variation of a server's speed")
    correlation_s: float = Field(100.0, gt=0, description="time after which the correlation falls to 1/e, s")
    step_s: float = Field(1.0, gt=0, description="time between changes, s")
    file: InputFile | None = Field(
        None, description="a CSV of columns `server` and `value` in order of time, instead of the process"
    )
    dataset: DatasetName | None = Field(
        None, description="or a registered file of such columns, `DATASET/FILE`"
    )


class Failures(Part):
    """Servers that fail and are repaired, independently, after exponential times."""

    mean_up_s: float | None = Field(
        None, gt=0, description="mean time to a failure, s; none for only planned ones"
    )
    mean_down_s: float = Field(10.0, gt=0, description="mean time to repair, s")
    lose: bool = Field(
        default=False, description="whether the requests of a failed server are lost; else they wait"
    )
    detection_s: float = Field(1.0, ge=0, description="time until balancers notice a failure or a repair, s")


class Warmup(Part):
    """Which part of the start is not counted."""

    rule: Literal["fraction", "time", "mser"] = Field(
        "fraction",
        description="fraction: this share of the requests; time: up to `seconds`; mser: what White's rule finds "
        "(the first half at most)",
    )
    fraction: float = Field(0.1, ge=0, lt=1, description="share of the requests, for `fraction`")
    seconds: float = Field(0.0, ge=0, description="time, s, for `time`")


class BalancingScenario(Scenario):
    """Load balancers in front of servers.

    Sizes are seconds of work on one core of speed 1; the load is the mean work that arrives per second divided by
    the servers' total speed.
    """

    servers: Servers = Field(Servers(), description="the servers")
    balancers: int = Field(1, ge=1, le=10_000, description="how many load balancers there are")
    spread: Literal["random", "hash", "round_robin"] = Field(
        "random", description="how requests spread over balancers: by lot, by their flow, or in turn"
    )
    spread_weights: tuple[float, ...] | None = Field(
        None, description="shares of the balancers when requests spread by lot or flow; none for equal ones"
    )
    load: float | None = Field(
        None,
        gt=0,
        description="arriving work per second over total speed; at most one of this and rate_per_s",
    )
    rate_per_s: float | None = Field(None, gt=0, description="mean arrival rate, instead of the load")
    arrivals: Arrivals = Field(Poisson(), description="how requests arrive")
    sizes: Law = Field(Exponential(), description="law of sizes, in seconds of one core of speed 1")
    stages: Stages | None = Field(None, description="input/output between stages of core work; none for none")
    flows: int | None = Field(
        None, ge=1, description="number of different flows that requests belong to; none for a new flow each"
    )
    network: Network | None = Field(
        None, description="delays between client, balancer and server; none for none"
    )
    timeout_s: float | None = Field(
        None, gt=0, description="time after which a client gives up a request; none for never"
    )
    cancel: bool = Field(
        default=False,
        description="whether servers stop working on what nobody waits for: a request that was given up, the slower "
        "copy of a hedged one",
    )
    retry: Retry | None = Field(
        None, description="sending rejected or given-up requests again; none for never"
    )
    buckets: int | None = Field(
        None,
        ge=1,
        description="size of each balancer's flow table; a flow whose bucket is taken is not tracked",
    )
    ejection: Ejection | None = Field(
        None,
        description="leaving out servers that fail several times in a row, around any policy; none for never",
    )
    slow_start: SlowStart | None = Field(
        None, description="giving servers that came back their share little by little; none for at once"
    )
    hedge_s: float | None = Field(
        None, gt=0, description="time after which a copy goes to another server; the first answer counts"
    )
    changes: tuple[Change, ...] = Field((), description="what happens to servers at known times")
    drift: Drift | None = Field(None, description="speeds that wander; none for constant ones")
    failures: Failures | None = Field(None, description="random failures; none for none")
    requests: int | None = Field(
        None, ge=1, description="how many requests arrive; 100 000 where neither this nor duration_s is given"
    )
    duration_s: float | None = Field(
        None, gt=0, description="how long requests arrive, s, instead of their number"
    )
    warmup: Warmup = Field(Warmup(), description="which part of the start is not counted")
    drain: bool = Field(
        default=True, description="whether the run goes on after the last arrival until all requests are done"
    )
    sample_step_s: float | None = Field(
        None,
        gt=0,
        description="step of the time grid on which residual work and queues are sampled, s; none for about 2000 "
        "samples a run, in no step with arrivals at equal gaps",
    )
    metrics: Literal["full", "mean"] = Field(
        "full",
        description="full: everything; mean: mean response time, utilisation and counters alone, faster",
    )

    @model_validator(mode="after")
    def _consistent(self) -> BalancingScenario:
        problems = [*_demand_problems(self), *_site_problems(self)]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def recorded(self) -> str:
        """A trace gives the same arrivals to every seed, and with a column of sizes the same requests."""
        if not isinstance(self.arrivals, Trace):
            return ""
        return "arrivals" if self.arrivals.size is None else "arrivals and sizes"


def _demand_problems(s: BalancingScenario) -> list[str]:
    problems = []
    given = (s.load is not None) + (s.rate_per_s is not None)
    own_rate = isinstance(s.arrivals, Closed) or (isinstance(s.arrivals, Trace) and not s.arrivals.scale)
    if own_rate and given:
        problems.append("load and rate_per_s do not belong to arrivals that have their own rate")
    if not own_rate and given != 1:
        problems.append("give one of load and rate_per_s")
    if s.requests is not None and s.duration_s is not None:
        problems.append("give requests or duration_s, not both")
    bounded = s.servers.limit is not None or (s.timeout_s is not None and s.cancel)
    if s.load is not None and s.load >= 1 and not bounded:
        problems.append(
            f"load {s.load:g} can never be served and nothing bounds the queues: set servers.limit, or a timeout "
            "that cancels"
        )
    if isinstance(s.arrivals, Closed) and s.duration_s is None:
        problems.extend(_waits_in_vain(s))
    return problems


def _waits_in_vain(s: BalancingScenario) -> list[str]:
    """Why the clients of a closed loop that ends with a number of requests would never get there."""
    failed, gone = _in_the_end(s)
    if len(failed | gone) < s.servers.count:
        return []
    lost = s.failures is not None and s.failures.lose
    waits = bool(failed - gone) and not lost and s.timeout_s is None
    if not waits and s.retry is None:
        return []
    last = max(change.at_s for change in s.changes)
    verb = "wait" if waits else "send their requests again"
    return [
        f"after {last:g} s all servers have failed or are removed for good, and the clients of a closed loop would "
        f"{verb} for ever: give duration_s instead of requests, or a change that repairs or adds a server"
    ]


def _in_the_end(s: BalancingScenario) -> tuple[set[int], set[int]]:
    """The servers that have failed for good after all planned changes, and those that are not in the pool."""
    failed: set[int] = set()
    gone: set[int] = set()
    repaired = s.failures is not None and s.failures.mean_up_s is not None
    for change in sorted(s.changes, key=lambda each: each.at_s):
        numbers = set(change.servers)
        if change.action == "fail" and not repaired:
            failed |= numbers
        elif change.action == "repair":
            failed -= numbers
        elif change.action == "remove":
            gone |= numbers
        elif change.action == "add":
            gone -= numbers
    return failed, gone


def _site_problems(s: BalancingScenario) -> list[str]:
    problems = []
    weights = s.spread_weights
    if weights is not None and (len(weights) != s.balancers or min(weights) < 0 or max(weights) <= 0):
        problems.append(f"spread_weights must be {s.balancers} numbers, not negative and not all zero")
    if s.hedge_s is not None and s.servers.count < 2:
        problems.append("hedge_s needs a second server")
    highest = max((number for change in s.changes for number in change.servers), default=0)
    if highest >= s.servers.count:
        problems.append(f"changes name server {highest}, but the last one is {s.servers.count - 1}")
    return problems


def example() -> BalancingScenario:
    """A small world for contract tests."""
    return BalancingScenario.model_validate(
        {"servers": {"count": 4, "speeds": [1.0, 2.0]}, "load": 0.7, "requests": 400, "balancers": 2}
    )
