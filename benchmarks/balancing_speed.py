"""The balancing simulator against SimPy and Ciw on the same models, and against its own bounds.

Customers per CPU second, all of a run counted: drawing requests, the event loop, the metrics. Compiling is not counted:
each contestant runs once before. Peers are written as their manuals do it.

    python -m benchmarks.balancing_speed
"""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from benchmarks.common import cpu_s, interleaved, judge, ratio, show, spread
from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.balancing.hooks import DECIDE, Policy, Wiring, adapted
from qoslab.domains.balancing.methods.jsq import Jsq
from qoslab.domains.balancing.methods.random import Random
from qoslab.domains.balancing.methods.sed import Sed
from qoslab.domains.balancing.model import run
from qoslab.domains.balancing.scenario import BalancingScenario

CUSTOMERS = 1_000_000
PEER_CUSTOMERS = 200_000  # enough for three digits; with more, Ciw slows further as its records grow
LOAD = 0.8
ROUNDS = 5
PEER_ROUNDS = 3


def main() -> None:
    peers()
    own()
    compiling()
    memory()


def peers() -> None:
    """Ratios to SimPy and Ciw: mean response time and utilisation only, then with all metrics."""
    one, eight, many = {"count": 1, "cores": [8]}, {"count": 8}, {"count": 64}
    models: dict[str, tuple[dict[str, Any], Policy, Callable[[], float], Callable[[], float] | None]] = {
        "M/M/8": (one, Random(), lambda: simpy(1, 8, 0), lambda: ciw(1, 8)),
        "8 x M/M/1, random": (eight, Random(), lambda: simpy(8, 1, 1), lambda: ciw(8, 1)),
        "JSQ(2), 64 queues": (many, Jsq(d=2), lambda: simpy(64, 1, 2), None),
    }
    bounds = {"M/M/8": (100, 300), "8 x M/M/1, random": (100, 300), "JSQ(2), 64 queues": (70, None)}
    for name, (servers, policy, with_simpy, with_ciw) in models.items():
        contestants = {
            "mean": ours(servers, policy, metrics="mean"),
            "full": ours(servers, policy, metrics="full"),
            "simpy": with_simpy,
        }
        if with_ciw:
            contestants["ciw"] = with_ciw
        got = interleaved(contestants, PEER_ROUNDS)
        for who, rates in got.items():
            show(f"{name}: {who}", f"{spread([rate / 1e6 for rate in rates]):.3f} M customers per CPU second")
        for metrics, share in (("mean", 1.0), ("full", 0.5)):
            for peer, bound in zip(("simpy", "ciw"), bounds[name], strict=True):
                if bound is not None:
                    over = ratio(got[metrics], got[peer])
                    judge(f"{name}: {metrics} metrics, times {peer}", over, ".0f", at_least=bound * share)


def own() -> None:
    """Requests per CPU second where a policy looks at 64 servers."""
    fields = {"count": 64, "speeds": [1.0, 2.0]}
    cases = {
        "JSQ(2), 64 servers, 1 balancer": (ours({"count": 64}, Jsq(d=2), metrics="mean"), 2.0),
        "SED, 64 servers, 1 balancer": (ours(fields, Sed(), metrics="mean"), 2.0),
        "JSQ(2), 64 servers, 2 balancers, all metrics": (ours({"count": 64}, Jsq(d=2), balancers=2), 1.0),
        "SED, 64 servers, 2 balancers, all metrics": (ours(fields, Sed(), balancers=2), 1.0),
    }
    got = interleaved({name: case[0] for name, case in cases.items()}, ROUNDS)
    for name, rates in got.items():
        judge(name, spread([rate / 1e6 for rate in rates]), ".2f", "M/s", at_least=cases[name][1])
    for kind in ("ps", "limited_ps"):
        rate = ours({"count": 64, "discipline": {"kind": kind}}, Sed())
        rates = interleaved({kind: rate}, ROUNDS)[kind]
        show(f"SED, 64 servers, {kind}, all metrics", f"{spread([each / 1e6 for each in rates]):.2f} M/s")


def ours(servers: dict[str, Any], policy: Policy, **fields: Any) -> Callable[[], float]:
    """Requests per CPU second of one run."""
    scenario = BalancingScenario.model_validate(
        {"servers": servers, "load": LOAD, "requests": CUSTOMERS, **fields}
    )

    def once() -> float:
        begun = time.process_time()
        for _ in run(scenario, policy, [Seed(0, "bench")], Context()):
            pass
        return CUSTOMERS / (time.process_time() - begun)

    return once


def simpy(queues: int, cores: int, choices: int) -> float:
    """Customers per CPU second of SimPy: a process for each, `choices` queues looked at, by their length."""
    import simpy as peer

    environment = peer.Environment()
    servers = [peer.Resource(environment, cores) for _ in range(queues)]
    draw = random.Random(1)
    total = [0.0, 0.0]

    def length(server: Any) -> int:
        return server.count + len(server.queue)

    def customer() -> Any:
        arrived = environment.now
        server = servers[0] if choices == 0 else min(draw.sample(servers, choices), key=length)
        with server.request() as place:
            yield place
            service = draw.expovariate(1.0)
            yield environment.timeout(service)
            total[1] += service
        total[0] += environment.now - arrived

    def source() -> Any:
        for _ in range(PEER_CUSTOMERS):
            yield environment.timeout(draw.expovariate(LOAD * queues * cores))
            environment.process(customer())

    environment.process(source())
    begun = time.process_time()
    environment.run()
    return PEER_CUSTOMERS / (time.process_time() - begun)


def ciw(queues: int, cores: int) -> float:
    """Customers per CPU second of Ciw: nodes fed at random; response times are read from its records."""
    import ciw as peer

    network = peer.create_network(
        arrival_distributions=[peer.dists.Exponential(LOAD * cores)] * queues,
        service_distributions=[peer.dists.Exponential(1.0)] * queues,
        number_of_servers=[cores] * queues,
        routing=[[0.0] * queues] * queues,
    )
    peer.seed(1)
    simulation = peer.Simulation(network)
    begun = time.process_time()
    simulation.simulate_until_max_customers(PEER_CUSTOMERS)
    responses = [record.exit_date - record.arrival_date for record in simulation.get_all_records()]
    assert sum(responses) > 0.0
    return PEER_CUSTOMERS / (time.process_time() - begun)


def compiling() -> None:
    """CPU seconds until a policy that nobody wrote before can be used, in a process that has compiled others."""

    def written(factor: float) -> Wiring:
        def route(view: Any, stream: Any, now: float) -> int:  # noqa: ARG001
            best = 0
            for j in range(view.active.shape[0]):
                if factor * view.active[j] < view.weight[j] * view.active[best]:
                    best = j
            return best

        def on_complete(view: Any, stream: Any, server: int, duration: float, now: float) -> int:  # noqa: ARG001
            view.weight[server] = factor * view.weight[server] + 0.1 / duration
            return 0

        return Wiring(route, on_complete)

    fresh = time.time()  # no earlier run has kept a policy with this number
    for information in ("blind", "probing", "oracle"):
        figures = []
        for k in range(ROUNDS + 1):
            decide = adapted(written(fresh + k), information)
            figures.append(cpu_s(lambda decide=decide: DECIDE.pointer(decide)))  # type: ignore[misc]
        judge(f"a new policy compiles ({information})", spread(figures[1:]), ".2f", "s", at_most=0.5)


MEMORY = """
import sys
from benchmarks.common import most_kib
from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.balancing.methods.jsq import Jsq
from qoslab.domains.balancing.model import run
from qoslab.domains.balancing.scenario import BalancingScenario
import numba

before = most_kib()
s = BalancingScenario.model_validate(
    {"servers": {"count": 64}, "load": 0.9, "requests": int(sys.argv[1]), "balancers": 2}
)
list(run(s, Jsq(d=2), [Seed()], Context(keep_series=True)))
print(most_kib() - before)
"""


def memory() -> None:
    """Memory above the import, in fresh processes."""
    for requests in (100_000, 10_000_000):
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, str(requests)], capture_output=True, text=True, check=True
        )
        judge(
            f"memory of {requests:,} requests", spread([float(done.stdout) / 1024]), ".0f", "MB", at_most=300
        )


if __name__ == "__main__":
    main()
