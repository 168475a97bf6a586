"""What a scenario refuses, and what it makes of what it takes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pydantic import ValidationError
from worlds import LAWS, outcome, world

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.balancing import state
from qoslab.domains.balancing.laws import Law
from qoslab.domains.balancing.source import law_table, make_demand, make_source, mean_of
from qoslab.domains.balancing.state import Batch
from qoslab.domains.balancing.workload import draw, fill
from qoslab.domains.balancing.world import configured_weights
from qoslab.engine.kernel import compiled
from qoslab.engine.streams import stream


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "one of load and rate_per_s"),
        ({"load": 0.5, "rate_per_s": 1.0}, "one of load and rate_per_s"),
        ({"load": 0.5, "requests": 10, "duration_s": 1.0}, "requests or duration_s"),
        ({"load": 1.0}, "can never be served"),
        ({"load": 0.5, "spread_weights": [1.0, 2.0]}, "spread_weights must be 1"),
        ({"load": 0.5, "hedge_s": 1.0, "servers": {"count": 1}}, "second server"),
        ({"load": 0.5, "changes": [{"at_s": 1.0, "servers": [9], "action": "fail"}]}, "server 9"),
        ({"load": 0.5, "changes": [{"at_s": 1.0, "servers": [0], "action": "speed"}]}, "`speed` belongs to"),
        ({"load": 0.5, "servers": {"speeds": [0.0]}}, "must be positive"),
        ({"load": 0.5, "network": {"hop_s": [2.0, 1.0]}}, "in order"),
        ({"load": 0.5, "arrivals": {"kind": "closed"}}, "their own rate"),
        ({"load": 0.5, "sizes": {"law": "pareto", "shape": 0.9}}, "mean is infinite"),
        ({"load": 0.5, "sizes": {"law": "uniform", "low_s": 2.0, "high_s": 1.0}}, "below"),
        (
            {"load": 0.5, "arrivals": {"kind": "mmpp", "rates": [1.0, 2.0], "sojourns_s": [1.0, 2.0, 3.0]}},
            "one for each",
        ),
        ({"load": 0.5, "arrivals": {"kind": "rates"}}, "exactly one of"),
        ({"load": 0.5, "sizes": {"law": "empirical"}}, "either `file` or `dataset`"),
        ({"load": 0.5, "retry": {"delay_s": 0.0}}, "set attempts, at most 1000"),
        (
            {"load": 0.5, "sizes": {"law": "exponential", "mean_s": 1e-15}},
            "greater than or equal to 0.000000001",
        ),
        ({"load": 0.5, "sizes": {"law": "pareto", "mean_s": 1e12}}, "less than or equal to 1000000000"),
        ({"load": 0.5, "sizes": {"law": "uniform", "high_s": 1e12}}, "less than or equal to 1000000000"),
    ],
)
def test_worlds_that_cannot_be_are_refused(fields, words):
    with pytest.raises(ValidationError, match=words):
        world(**fields)


@pytest.mark.parametrize("mean_s", [1e-9, 1e9])
def test_every_quantile_is_given_at_the_shortest_and_longest_sizes(mean_s):
    """The same run in another unit of time: all quantiles scale with it, none is cut off."""
    fields = {"servers": {"count": 4}, "load": 0.5, "requests": 3000}
    one = outcome(world(**fields), _random()).metrics
    got = outcome(world(**fields, sizes={"law": "exponential", "mean_s": mean_s}), _random()).metrics
    for name in ("p50", "p95", "p99", "p999"):
        scaled = got[f"response_time_{name}_s"] / mean_s
        assert scaled == pytest.approx(one[f"response_time_{name}_s"], rel=0.01)


def test_too_much_load_is_taken_where_something_bounds_it():
    got = outcome(world(servers={"count": 2, "limit": 5}, load=1.5, requests=2000), _random())
    assert got.metrics["rejected_share"] > 0.2
    world(load=1.5, timeout_s=3.0, cancel=True)


def _random():
    from qoslab.domains.balancing.methods.random import Random

    return Random()


@pytest.mark.parametrize("law", LAWS)
def test_laws_have_the_mean_they_promise(law):
    """Half-width: 6 standard errors of 200 000 draws; Pareto is cut, so that its variance is small."""
    more = {"shape": 1.5, "most": 50.0} if law == "pareto" else {}
    uniform = {"low_s": 1.0, "high_s": 5.0} if law == "uniform" else {"mean_s": 3.0}
    from pydantic import TypeAdapter

    made = TypeAdapter(Law).validate_python({"law": law, **uniform, **more})
    table, source = law_table(made, Context()), stream(1)
    kernel = compiled(draw)
    values = np.array([kernel(table, source) for _ in range(20_000)])
    error = values.std() / math.sqrt(len(values)) + 1e-9
    assert abs(values.mean() - mean_of(made)) < 6 * error
    assert values.min() > 0


def test_empirical_sizes_follow_their_file(tmp_path):
    path = tmp_path / "sizes.txt"
    path.write_text("0 0\n1 50\n3 100\n")
    s = world(load=0.5, sizes={"law": "empirical", "file": str(path), "mean_s": 2.5}, requests=5000)
    demand = make_demand(s, Context())
    assert demand.mean_size_s == 2.5
    batch = _drawn(s, demand, 4000)
    assert abs(batch.size.mean() - 2.5) < 6 * batch.size.std() / 63
    assert batch.size.max() <= 3 * 2.5 / 1.25
    assert abs((batch.size <= 2.0).mean() - 0.5) < 0.05


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 0.5 7\n", "two numbers"),
        ("2 0.5\n1 1\n", "must not decrease"),
        ("a b\n", "two numbers"),
        ("", "two lines"),
    ],
)
def test_bad_distributions_are_refused(tmp_path, text, words):
    path = tmp_path / "sizes.txt"
    path.write_text(text)
    with pytest.raises(BadInput, match=words):
        make_demand(world(load=0.5, sizes={"law": "empirical", "file": str(path)}), Context())


def _drawn(s, demand, count):
    source = make_source(s, demand, Seed(0, "tests"))
    batch = Batch(
        np.zeros(count), np.zeros(count), np.zeros(count), np.zeros(count, int), np.zeros(count, int)
    )
    assert compiled(fill)(source, batch, 0, count, math.inf) == count
    return batch


@pytest.mark.parametrize("spread", ["random", "hash", "round_robin"])
def test_requests_spread_over_balancers_by_their_weights(spread):
    s = world(load=0.5, balancers=2, spread=spread, spread_weights=[1.0, 3.0])
    share = _drawn(s, make_demand(s, Context()), 4000).balancer.mean()
    assert abs(share - (0.5 if spread == "round_robin" else 0.75)) < 0.05


def test_a_flow_has_one_balancer_where_they_are_hashed():
    s = world(load=0.5, balancers=4, spread="hash", flows=50)
    batch = _drawn(s, make_demand(s, Context()), 4000)
    pairs = set(zip(batch.flow.tolist(), batch.balancer.tolist(), strict=True))
    assert len(pairs) == 50
    assert len({lb for _, lb in pairs}) == 4


def test_recorded_arrivals_are_met_as_recorded(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text("when,tokens,words,user\n10.0,2,1,a\n11.5,4,0,b\n11.0,6,0,a\n")
    arrivals = {"kind": "trace", "file": str(path), "time": "when", "flow": "user"}
    s = world(servers={"count": 1}, arrivals=arrivals | {"size": {"tokens": 0.1, "words": 1.0}})
    got = outcome(s, _random(), keep_series=True)
    assert got.counters["offered"] == got.counters["finished"] == 3
    scaled = world(servers={"count": 1}, arrivals=arrivals | {"scale": True, "size": "tokens"}, load=0.5)
    demand = make_demand(scaled, Context())
    assert demand.rate_per_s == pytest.approx(0.5 / 4.0)


def test_a_trace_without_its_column_is_refused(tmp_path):
    path = tmp_path / "trace.csv"
    path.write_text("when\n1.0\n")
    s = world(arrivals={"kind": "trace", "file": str(path)})
    with pytest.raises(BadInput, match="no column 'time_s'"):
        make_demand(s, Context())


def test_weights_are_what_the_operator_was_told():
    servers = {"count": 4, "speeds": [1.0, 2.0], "cores": [3]}
    told = {"capacity": [3, 6, 3, 6], "cores": [3, 3, 3, 3], "equal": [1, 1, 1, 1]}
    for words, weights in told.items():
        assert configured_weights(world(servers=servers | {"weights": words}, load=0.5)).tolist() == weights
    own = world(servers=servers | {"weights": [1.0, 5.0, 2.0]}, load=0.5)
    assert configured_weights(own).tolist() == [1.0, 5.0, 2.0, 1.0]


def test_warm_up_is_not_counted():
    base = {"servers": {"count": 2}, "load": 0.7, "requests": 1000}
    for warmup, least, most in (
        ({"fraction": 0.25}, 750, 750),
        ({"fraction": 0.0}, 1000, 1000),
        ({"rule": "time", "seconds": 100.0}, 700, 950),
        ({"rule": "mser"}, 500, 1000),
    ):
        assert least <= _counted(world(**base, warmup=warmup)) <= most


def _counted(s):
    from worlds import finished

    from qoslab.domains.balancing.metrics import _first_segment

    w = finished(s, _random()).world
    return int(w.tally.events[_first_segment(s, w.tally) :, state.OFFERED].sum())
