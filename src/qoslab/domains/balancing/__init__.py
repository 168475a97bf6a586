"""Load balancing: which of many servers a request should go to, and what a balancer can know about them."""

from typing import Any

from qoslab.core.domain import Command, Domain, FigureEntry, load
from qoslab.core.metric import Metric
from qoslab.core.registry import registry

_HERE = "qoslab.domains.balancing."

METRICS = (
    Metric("response_time_mean_s", "s", "lower", "mean time from a request to its answer"),
    Metric("response_time_p50_s", "s", "lower", "median response time"),
    Metric("response_time_p95_s", "s", "lower", "95th percentile of the response time"),
    Metric("response_time_p99_s", "s", "lower", "99th percentile of the response time"),
    Metric("response_time_p999_s", "s", "lower", "99.9th percentile of the response time"),
    Metric(
        "response_time_half_width_s",
        "s",
        "neither",
        "half of the 95 % interval of this run's mean response time, by batch means",
    ),
    Metric("slowdown_mean", "", "lower", "mean response time per own work"),
    Metric("slowdown_p99", "", "lower", "99th percentile of response time per own work"),
    Metric("fairness_jain", "", "higher", "Jain's index of residual work over servers, mean over time"),
    Metric("fairness_g", "", "higher", "G index of residual work over servers, mean over time"),
    Metric("fairness_bossaer", "", "higher", "Bossaer's index of residual work over servers, mean over time"),
    Metric("residual_work_mean_s", "s", "lower", "time a server needs to finish what it holds, mean"),
    Metric("residual_work_max_s", "s", "lower", "longest time any server needed to finish what it held"),
    Metric(
        "utilisation",
        "",
        "neither",
        "work done per capacity of servers that were up and in the pool or still held requests",
    ),
    Metric("utilisation_max", "", "lower", "the same of the most used server"),
    Metric("queue_mean", "", "lower", "requests in a server, mean over time and servers"),
    Metric(
        "throughput_per_s",
        "1/s",
        "higher",
        "requests answered within the measured time, per second of it",
    ),
    Metric("rejected_share", "", "lower", "rejections per request"),
    Metric("timed_out_share", "", "lower", "share of requests that the client gave up"),
    Metric(
        "lost_share",
        "",
        "lower",
        "share of requests that their clients gave up or that were refused for good",
    ),
    Metric(
        "share_spread",
        "",
        "lower",
        "largest deviation of a server's share of requests from its share of that capacity over time",
    ),
)

_FIGURES = (
    FigureEntry(
        "tail_over_load", _HERE + "figures:tail_over_load", "99.9th percentile of the response time over load"
    ),
    FigureEntry(
        "exceeded",
        _HERE + "figures:exceeded",
        "response time that a share of requests exceeds, at the highest load",
        needs=("response_time",),
    ),
    FigureEntry(
        "fairness_over_time",
        _HERE + "figures:fairness_over_time",
        "Jain's index of residual work over time, at the highest load",
        needs=("fairness",),
    ),
    FigureEntry(
        "server_utilisation",
        _HERE + "figures:server_utilisation",
        "utilisation of each server, at the highest load",
        needs=("servers",),
    ),
)

_STEER = "qoslab steer haproxy --socket PATH --backend NAME --dry-run"
_STEERED = {"blind_sed": "ours", "little": "littles_law", "inverse_ewma": "ewma", "sed": "sed"}
"""Methods whose weights a running proxy can be given, and what `steer` calls them."""
_NATIVE = {
    "envoy_least_request": "Envoy does the same with `lb_policy: LEAST_REQUEST`",
    "grpc_wrr": "gRPC does the same with the load balancing policy `weighted_round_robin`",
    "haproxy_first": "HAProxy does the same with `balance first` in the backend",
    "haproxy_leastconn": "HAProxy does the same with `balance leastconn` in the backend",
    "haproxy_random": "HAProxy does the same with `balance random` in the backend",
    "maglev": "Envoy does the same with `lb_policy: MAGLEV`",
    "nq": "Linux IPVS does the same with `ipvsadm --scheduler nq`",
    "ring_hash": "Envoy does the same with `lb_policy: RING_HASH`",
    "sed": "Linux IPVS does the same with `ipvsadm --scheduler sed`",
    "smooth_wrr": "nginx does the same with `weight=` on the servers of an upstream, and no other directive",
    "wlc": "Linux IPVS does the same with `ipvsadm --scheduler wlc`",
}
"""Methods that a proxy has itself, and its own setting."""
_CAPACITY = (
    "qoslab balancing plan-capacity {study} --method {method} --vary load --metric {metric} --limit {limit} {set}",
    "To find the load that {method} carries with {metric} within a limit (here {limit}, what it reached; put in yours)",
)

registry.add_domain(
    Domain(
        name="balancing",
        summary="spread requests over servers",
        scenario=_HERE + "scenario:BalancingScenario",
        run=_HERE + "model:run",
        warm=_HERE + "model:warm",
        protocol=_HERE + "hooks:Policy",
        methods=_HERE + "methods",
        baseline="lsq",
        example=_HERE + "scenario:example",
        verify=_HERE + "verification:verify",
        quickstart="quickstart.toml",
        skeleton="skeleton.py.txt",
        next_steps=(
            ("*", *_CAPACITY),
            *((method, *_CAPACITY) for method in {**_STEERED, **_NATIVE}),
            *((method, f"{_STEER} --policy {policy}") for method, policy in _STEERED.items()),
            *(
                (method, f"qoslab describe balancing/{method}", f"{said}; about it")
                for method, said in _NATIVE.items()
            ),
        ),
        alarms=(
            (
                "stranded",
                "requests that nobody will ever answer, for their servers failed for good; such a run ends early, and "
                "its metrics are of what came before",
            ),
        ),
        caveats=(("unsteady", "reached no steady state: its figures grow with the length of the run"),),
        metrics=METRICS,
        figures=_FIGURES,
        commands=(
            Command(
                "from-log",
                _HERE + "traces.from_log:from_log",
                "a study from an access log or a trace of your own, with what was inferred and how surely",
            ),
            Command(
                "plan-capacity",
                _HERE + "traces.capacity:plan_capacity",
                "the fewest servers, or the highest load, that keeps a metric within a limit",
            ),
            Command(
                "rehearse",
                _HERE + "deploy.rehearsal:rehearse_command",
                "a steering policy on a simulated site, before it touches a proxy",
            ),
            Command(
                "train",
                _HERE + "learned.training:train",
                "the weights of the learned policy, from nothing, on simulated sites",
            ),
            Command(
                "train-delayed",
                _HERE + "learned.mean_field:train_delayed",
                "the weights of the learned control under delayed information",
            ),
            Command(
                "steer",
                _HERE + "deploy.steer:steer",
                "the weights of a running HAProxy, set from what the proxy itself sees",
            ),
        ),
    )
)

_FACADE = {
    name: _HERE + target
    for name, target in {
        "LocalView": "view:LocalView",
        "OracleView": "view:OracleView",
        "Policy": "hooks:Policy",
        "ProbeView": "view:ProbeView",
        "Probing": "hooks:Probing",
        "Simulation": "model:Simulation",
        "Site": "hooks:Site",
        "Wiring": "hooks:Wiring",
        "balancer": "hooks:balancer",
        "policy": "hooks:policy",
    }.items()
}
"""What an author of a policy imports from here."""


def __getattr__(name: str) -> Any:
    if name in _FACADE:
        return load(_FACADE[name])
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
