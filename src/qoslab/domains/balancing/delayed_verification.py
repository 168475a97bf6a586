"""Checks of load balancing on old information: the mean field against its table, the simulator against both."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from qoslab.core.check import Check
from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.balancing import delayed, published
from qoslab.domains.balancing.hooks import Policy
from qoslab.domains.balancing.learned.mean_field import controlled_drops, flat
from qoslab.domains.balancing.learned.weights import MEAN_FIELD, read_weights
from qoslab.domains.balancing.methods.mean_field_control import MeanFieldControl
from qoslab.domains.balancing.methods.softmin import Softmin
from qoslab.domains.balancing.model import run
from qoslab.domains.balancing.scenario import BalancingScenario

__all__ = ["controlled", "mean_field", "simulated"]

FloatArray = NDArray[np.float64]

TABLE_SEQUENCES = 8
"""Arrival sequences that the table rests on: its own error is that of a mean of so many."""
SEQUENCES = 200
"""Arrival sequences of the mean field in the full run."""
QUICK_SEQUENCES = 8
"""The same, and those of the simulator, in a quick run: each is worked out once and serves all rows."""
SUITE_ERROR = 0.01
"""Chance that any paired row fails although the simulator is right."""
CONTROL = 1.01
"""Largest ratio of drops under the learned control to those under the best rule."""
CONTROLLED = (512, 24)
"""Servers and arrival sequences that the learned control is judged by in the simulator, where the run is not quick."""
REMAINDER = 0.01
"""Relative error left by 2 D(2n) - D(n), whose terms of order 1/n cancel and those of order 1/n^2 do not."""
_BETA = {"rnd": 0.0, "jsq2": 1e6}
"""The two ends of softmin: the lot and the shorter of two queues."""


def mean_field(context: Context, *, quick: bool) -> Iterator[Check]:
    """Drops per queue of RND, JSQ(2) and softmin under delayed information: the mean field against its table."""
    for row in published.DELAYED:
        context.check_time()
        values = _limits(row, QUICK_SEQUENCES if quick else SEQUENCES)
        half = _table_error(values)
        yield Check.within(
            f"delayed information, dt = {row.dt:g}, {row.policy}: drops per queue",
            "mean field, our reference computation",
            expected=row.drops,
            got=float(values.mean()),
            low=row.drops - half,
            high=row.drops + half,
        )


def simulated(context: Context, *, quick: bool) -> Iterator[Check]:
    """The same by simulation with servers that report every dt, on the first arrival sequences of `mean_field`.

    Two rows for each entry of the table. One holds the simulator against the table; its tolerance is three standard
    errors of the difference of two means over different arrival sequences, and so wide. The other is the sharp one: on
    each sequence the simulator, with the term of order 1/n removed, is held against the mean field of that very
    sequence. Its tolerance is Student's half-width of the mean difference plus `REMAINDER` of the value.
    """
    from scipy.special import stdtrit

    servers, count = (64, QUICK_SEQUENCES) if quick else (256, 20)
    rank = 1.0 - 0.5 * SUITE_ERROR / len(published.DELAYED)
    for row in published.DELAYED:
        rates = _rates(row.dt, count)
        small = np.array([_drops(row, servers, rate, k, context) for k, rate in enumerate(rates)])
        large = np.array([_drops(row, 2 * servers, rate, k, context) for k, rate in enumerate(rates)])
        got, exact = 2.0 * large - small, _limits(row, count)
        name = f"delayed information, dt = {row.dt:g}, {row.policy}, simulated: drops per queue"
        half = _table_error(got)
        yield Check.within(
            f"{name}, against the table",
            f"our reference computation; 2 D(2n) - D(n), n = {servers}",
            expected=row.drops,
            got=float(got.mean()),
            low=row.drops - half,
            high=row.drops + half,
        )
        expected = float(exact.mean())
        error = float((got - exact).std(ddof=1)) / count**0.5
        half = float(stdtrit(count - 1, rank)) * error + REMAINDER * expected
        yield Check.within(
            f"{name}, same arrivals",
            f"mean field; 2 D(2n) - D(n), n = {servers}",
            expected=expected,
            got=float(got.mean()),
            low=expected - half,
            high=expected + half,
        )


def controlled(context: Context, *, quick: bool) -> Iterator[Check]:
    """The learned control against the best of RND, JSQ(2) and tuned softmin, on the same arrivals.

    The upper end of the 95 % interval of the mean ratio must not exceed `CONTROL`, on the mean field, where drops are
    exact, and in the simulator. A quick run leaves an interval too wide for that in the simulator; there the mean ratio
    must be that of the mean field on the same arrivals, to both sides.
    """
    servers, count = (64, QUICK_SEQUENCES) if quick else CONTROLLED
    for dt in dict.fromkeys(row.dt for row in published.DELAYED):
        rows = [row for row in published.DELAYED if row.dt == dt]
        rates = _rates(dt, count)
        name = f"delayed information, dt = {dt:g}: drops of the learned control per drop of the best rule"
        best = min(rows, key=lambda row: float(_limits(row, count).mean()))
        exactly = _exact(dt, rates) / _limits(best, count)
        yield _ratio_check(f"{name}, mean field", exactly)
        ours, *others = (
            np.array(
                [
                    _dropped(dt, rule, servers, rate, Seed(0, "verify", f"control {dt:g}", k), context)
                    for k, rate in enumerate(rates)
                ]
            )
            for rule in (MeanFieldControl(period_s=dt), *map(_rule, [best] if quick else rows))
        )
        ratios = ours / min(others, key=lambda values: float(values.mean()))
        if quick:
            yield _agreement(f"{name}, {servers} servers", ratios, exactly)
        else:
            yield _ratio_check(f"{name}, {servers} servers", ratios)


def _exact(dt: float, rates: list[FloatArray]) -> FloatArray:
    """Drops per queue of the learned control on the mean field, one number for each sequence."""
    network = flat(read_weights("builtin", MEAN_FIELD))
    return np.array([controlled_drops(delayed.Epochs(dt), network, rate) for rate in rates])


def _ratio_check(name: str, ratios: FloatArray) -> Check:
    mean, half = float(ratios.mean()), _half_width(ratios)
    return Check.within(
        name,
        "no worse than RND, JSQ(2), tuned softmin; upper end of the 95 % interval",
        expected=1.0,
        got=mean + half,
        low=0.0,
        high=CONTROL,
        note=f"mean {mean:.4f}, half-width {half:.4f}, {len(ratios)} sequences",
    )


def _agreement(name: str, ratios: FloatArray, exactly: FloatArray) -> Check:
    """The ratios of a simulation against those of the mean field: Student's interval of the mean difference."""
    expected, ages = float(exactly.mean()), len({row.dt for row in published.DELAYED})
    half = _half_width(ratios - exactly, 1.0 - 0.5 * SUITE_ERROR / ages) + REMAINDER
    return Check.within(
        name,
        "mean field, same arrivals",
        expected=expected,
        got=float(ratios.mean()),
        low=expected - half,
        high=expected + half,
    )


def _half_width(values: FloatArray, quantile: float = 0.975) -> float:
    """Half of Student's interval of a mean; by default the 95 % one."""
    from scipy.special import stdtrit

    rank, error = (
        float(stdtrit(len(values) - 1, quantile)),
        float(values.std(ddof=1)) / math.sqrt(len(values)),
    )
    return rank * error


@functools.cache
def _rates(dt: float, count: int) -> list[FloatArray]:
    """Arrival rates per queue, one array for each sequence; a longer list begins with the shorter one."""
    rng = Seed(0, "verify", "delayed", 0).generator("rates")
    return [delayed.epoch_rates(delayed.Epochs(dt), rng) for _ in range(count)]


def _limits(row: published.Delayed, count: int) -> FloatArray:
    """Drops per queue of infinitely many queues, one number for each of the first sequences."""
    return np.array([_limit(row, number) for number in range(count)])


@functools.cache
def _limit(row: published.Delayed, number: int) -> float:
    """The same of one sequence, kept for all checks that need it."""
    prefer = {"rnd": delayed.random_choice, "jsq2": delayed.shortest}.get(row.policy) or delayed.softmin(
        row.beta
    )
    return delayed.drops(delayed.Epochs(row.dt), prefer, _rates(row.dt, SEQUENCES)[number])


def _drops(row: published.Delayed, servers: int, rates: FloatArray, number: int, context: Context) -> float:
    """Drops per queue of so many servers with five places, all reporting every dt."""
    seed = Seed(0, "verify", f"delayed {row.dt:g} {row.policy} {servers}", number)
    return _dropped(row.dt, _rule(row), servers, rates, seed, context)


def _rule(row: published.Delayed) -> Softmin:
    """The rule of a row of the table."""
    return Softmin(beta=_BETA.get(row.policy, row.beta), period_s=row.dt)


def _dropped(
    dt: float, method: Policy, servers: int, rates: FloatArray, seed: Seed, context: Context
) -> float:
    """The same of any policy."""
    world = delayed.Epochs(dt)
    scenario = BalancingScenario.model_validate(
        {
            "servers": {"count": servers, "limit": world.places},
            "arrivals": {"kind": "rates", "rates": tuple(map(float, rates)), "step_s": dt},
            "rate_per_s": servers * float(rates.mean()),
            "duration_s": world.count * dt,
            "warmup": {"fraction": 0.0},
            "metrics": "mean",
        }
    )
    outcome = next(run(scenario, method, [seed], context))
    return outcome.counters["rejected"] / servers


def _table_error(values: FloatArray) -> float:
    """Three standard errors of the difference between a mean of these values and one of the table's."""
    return float(3.0 * values.std(ddof=1) * (1 / TABLE_SEQUENCES + 1 / len(values)) ** 0.5)
