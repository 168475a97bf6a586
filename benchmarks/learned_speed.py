"""Learners: requests per CPU second, acting without gradient steps and learning with ten updates a step.

    python -m benchmarks.learned_speed
    python -m benchmarks.learned_speed --learning

Acting: 64 servers of 2 or 4 cores, load 0.9, exponential sizes of 0.5 s on average, one decision each 0.5 s; the method
`blind_sed` on 64 servers of one core, where a third of the requests come between two decisions, with all metrics; then
16 worlds that step together, of 8 and of 64 servers, by one compiled call and by Gymnasium's `SyncVectorEnv`. Learning:
the system of the RLB poster, servers of 4 and 2 cores, tasks of 0.1 s, load 0.8, 6,000 requests from scratch; on it the
authors' released code, run by us, served 47 requests per CPU second with its ten updates a step, layers of 512 units.
"""

import argparse
from collections.abc import Callable
from functools import partial

import gymnasium
import numpy as np

from benchmarks.common import cpu_s, interleaved, judge, ratio, show, spread
from qoslab.core.context import Context
from qoslab.core.outcome import Outcome
from qoslab.core.seeds import Seed
from qoslab.domains.balancing import state
from qoslab.domains.balancing.learned.environments import BalancerEnv, BalancerVectorEnv
from qoslab.domains.balancing.methods.blind_sed import BlindSed
from qoslab.domains.balancing.methods.rlb_sac import RlbSac
from qoslab.domains.balancing.model import run
from qoslab.domains.balancing.published import two_servers
from qoslab.domains.balancing.scenario import BalancingScenario

SERVERS = {"count": 64, "cores": [2, 4], "weights": "equal"}
SITE = {
    "servers": SERVERS,
    "load": 0.9,
    "sizes": {"law": "exponential", "mean_s": 0.5},
    "duration_s": 200.0,
    "metrics": "mean",
}
REQUESTS = 6_000
WORLDS, STEPS = 16, 150


def episode(env: BalancerEnv) -> float:
    """Requests per CPU second of one episode."""
    actions = np.linspace(0.2, 1.0, 64, dtype=np.float32)
    env.reset()

    def play() -> None:
        over = False
        while not over:
            over = env.step(actions)[3]

    spent = cpu_s(play)
    return float(env.session.simulation.world.counts[state.ARRIVED]) / spent


def blindly(seed: int, duration_s: float = 2000.0) -> float:
    """Requests per CPU second of one run of `blind_sed`."""
    servers = {"count": 64, "weights": "equal"}
    words = SITE | {"servers": servers, "duration_s": duration_s, "metrics": "full"}
    site = BalancingScenario.model_validate(words)
    outcomes: list[Outcome] = []
    spent = cpu_s(lambda: outcomes.extend(run(site, BlindSed(), [Seed(replication=seed)], Context())))
    return outcomes[0].counters["finished"] / spent


def learning(hidden: int, seed: int) -> float:
    """Requests per CPU second of one run that learns from its first step on, 10 updates a step."""
    site = BalancingScenario.model_validate(two_servers(0.8) | {"requests": REQUESTS, "metrics": "mean"})
    learner = RlbSac(episodes=0, hidden=hidden)
    return REQUESTS / cpu_s(partial(list, run(site, learner, [Seed(replication=seed)], Context())))


def together(kind: str, servers: int) -> Callable[[], float]:
    """Requests per CPU second of `WORLDS` worlds that step together, by one compiled call or one after the other."""
    scenario = {**SITE, "servers": {**SERVERS, "count": servers}, "duration_s": 100.0}
    site = BalancingScenario.model_validate(scenario)
    if kind == "one call":
        env = BalancerVectorEnv(site, WORLDS)
    else:
        env = gymnasium.vector.SyncVectorEnv([partial(BalancerEnv, site)] * WORLDS)
    actions = np.linspace(0.2, 1.0, WORLDS * servers, dtype=np.float32).reshape(WORLDS, servers)

    def play() -> float:
        env.reset(seed=0)

        def steps() -> None:
            for _ in range(STEPS):
                env.step(actions)

        spent = cpu_s(steps)
        one_call = isinstance(env, BalancerVectorEnv)
        worlds = env.sessions.simulations if one_call else [each.session.simulation for each in env.envs]
        return sum(float(each.world.counts[state.ARRIVED]) for each in worlds) / spent

    return play


def stepping_together() -> None:
    for servers in (8, 64):
        kinds = {kind: together(kind, servers) for kind in ("one call", "SyncVectorEnv")}
        figures = interleaved(kinds, 5)
        for kind, values in figures.items():
            show(f"{WORLDS} worlds of {servers} servers, {kind}", f"{spread(values):,.0f} requests/s")
        gain = ratio(figures["one call"], figures["SyncVectorEnv"])
        judge(f"{WORLDS} worlds of {servers} servers, one call over SyncVectorEnv", gain, ".2f", at_least=1.0)


def acting() -> None:
    env = BalancerEnv(BalancingScenario.model_validate(SITE))
    env.reset(seed=0)
    episode(env)  # kernels are compiled
    figures = spread([episode(env) for _ in range(7)])
    judge("acting, 64 servers, a decision each 0.5 s", figures, ",.0f", "requests/s", at_least=200_000)
    blindly(0, 10.0)  # likewise
    figures = spread([blindly(seed) for seed in range(7)])
    judge("blind_sed, 64 servers, a decision each 0.5 s", figures, ",.0f", "requests/s", at_least=200_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learning", action="store_true", help="learn as well, which takes some minutes")
    options = parser.parse_args()
    acting()
    stepping_together()
    if options.learning:
        site = BalancingScenario.model_validate(two_servers(0.8) | {"requests": 600, "metrics": "mean"})
        list(run(site, RlbSac(episodes=0, hidden=8), [Seed()], Context()))  # kernels are compiled
        for hidden, runs in ((64, 3), (512, 1)):
            figures = spread([learning(hidden, seed) for seed in range(runs)])
            show(f"learning from scratch, ten updates a step, {hidden} units", f"{figures:,.0f} requests/s")
        show("the same, the authors' released code, 512 units", "47 requests/s")


if __name__ == "__main__":
    main()
