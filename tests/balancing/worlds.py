"""Scenarios for tests: by hand, and drawn by Hypothesis over everything the model knows."""

from __future__ import annotations

from hypothesis import strategies as st
from pydantic import ValidationError

from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.balancing.model import Simulation, run
from qoslab.domains.balancing.scenario import BalancingScenario

LAWS = ("exponential", "deterministic", "erlang", "uniform", "lognormal", "hyperexponential", "pareto")
DISCIPLINES = ({"kind": "fifo"}, {"kind": "ps"}, {"kind": "limited_ps", "slots_per_core": 2})


def world(**fields):
    """A scenario from plain values."""
    return BalancingScenario.model_validate(fields)


def outcome(scenario, method, replication=0, **context):
    """The outcome of one run."""
    seed = Seed(0, "tests", "", replication)
    return next(iter(run(scenario, method, [seed], Context(**context))))


def finished(scenario, method, *, plain=False, seed=0, series=True):
    """A simulation run to its end."""
    simulation = Simulation(scenario, method, Seed(seed, "tests"), Context(keep_series=series), plain=plain)
    simulation.finish()
    return simulation


@st.composite
def changes(draw, count):
    """Some planned changes."""
    found = []
    actions = ["speed", "drain", "remove", "add", "fail", "repair"]
    for _ in range(draw(st.integers(0, 4))):
        action = draw(st.sampled_from(actions))
        change = {
            "at_s": draw(st.floats(0.0, 30.0)),
            "servers": [draw(st.integers(0, count - 1))],
            "action": action,
        }
        if action == "speed":
            change["speed"] = draw(st.sampled_from([0.25, 0.5, 3.0]))
        found.append(change)
    return found


@st.composite
def arrivals(draw):
    """Any arrivals but recorded ones."""
    kind = draw(st.sampled_from(["poisson", "renewal", "mmpp", "rates", "closed"]))
    more = {
        "poisson": {},
        "renewal": {"gap": {"law": draw(st.sampled_from(LAWS))}},
        "mmpp": {"rates": [1.0, 0.0, 4.0], "sojourns_s": [3.0, 1.0, 2.0]},
        "rates": {"rates": [1.0, 0.0, 3.0], "step_s": 2.0},
        "closed": {"clients": draw(st.integers(1, 12)), "think": {"law": draw(st.sampled_from(LAWS))}},
    }
    return {"kind": kind, **more[kind]}


def maybe(strategy):
    """The strategy's values, or None."""
    return st.one_of(st.none(), strategy)


@st.composite
def scenarios(draw, requests=60):
    """A scenario of any kind, small enough to run uncompiled in milliseconds; so many requests, or a time like it."""
    count = draw(st.integers(1, 5))
    demand = draw(arrivals())
    fields = {
        "servers": {
            "count": count,
            "speeds": draw(st.lists(st.sampled_from([0.5, 1.0, 2.0]), min_size=1, max_size=3)),
            "cores": draw(st.lists(st.integers(1, 3), min_size=1, max_size=2)),
            "discipline": draw(st.sampled_from(DISCIPLINES)),
            "limit": draw(maybe(st.integers(1, 6))),
            "weights": draw(st.sampled_from(["capacity", "cores", "equal", [1.0, 3.0]])),
        },
        "balancers": draw(st.integers(1, 3)),
        "spread": draw(st.sampled_from(["random", "hash", "round_robin"])),
        "arrivals": demand,
        "sizes": {"law": draw(st.sampled_from(LAWS))},
        "flows": draw(maybe(st.integers(1, 20))),
        "warmup": {"rule": draw(st.sampled_from(["fraction", "mser"])), "fraction": 0.2},
        "drain": draw(st.booleans()),
    }
    if demand["kind"] != "closed":
        fields["load"] = draw(st.sampled_from([0.3, 0.7, 0.95]))
    fields |= draw(st.sampled_from([{"requests": requests}, {"duration_s": requests / 3}]))
    if draw(st.booleans()):
        fields |= {
            "stages": draw(maybe(st.just({"count": 3}))),
            "network": draw(maybe(st.sampled_from([{}, {"hop_s": [0.0, 0.5], "node_s": [0.1, 0.2]}]))),
            "timeout_s": draw(maybe(st.sampled_from([0.5, 2.0]))),
            "cancel": draw(st.booleans()),
            "retry": draw(maybe(st.just({"delay_s": 1.0, "attempts": 3}))),
            "buckets": draw(maybe(st.just(4))),
            "hedge_s": draw(maybe(st.just(0.7))) if count > 1 else None,
            "changes": draw(changes(count)),
            "drift": draw(maybe(st.just({"cv": 0.3, "correlation_s": 10.0, "step_s": 1.5}))),
            "failures": draw(
                maybe(
                    st.fixed_dictionaries(
                        {
                            "mean_up_s": maybe(st.just(15.0)),
                            "mean_down_s": st.just(3.0),
                            "lose": st.booleans(),
                            "detection_s": st.sampled_from([0.0, 1.0]),
                        }
                    )
                )
            ),
        }
    try:
        return BalancingScenario.model_validate(fields)
    except ValidationError:  # a closed loop that loses all its servers; one that lasts a given time is taken
        del fields["requests"]
        return BalancingScenario.model_validate(fields | {"duration_s": requests / 3})
