"""Environments for learners: requests per CPU second, acting, no gradient steps.

    python -m benchmarks.learned_speed

64 servers of 2 or 4 cores, load 0.9, exponential sizes of 0.5 s on average, one decision each 0.5 s.
"""

import numpy as np

from benchmarks.common import cpu_s, judge, spread
from qoslab.domains.balancing import state
from qoslab.domains.balancing.learned.environments import BalancerEnv
from qoslab.domains.balancing.scenario import BalancingScenario

SITE = {
    "servers": {"count": 64, "cores": [2, 4], "weights": "equal"},
    "load": 0.9,
    "sizes": {"law": "exponential", "mean_s": 0.5},
    "duration_s": 200.0,
    "metrics": "mean",
}


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


def main() -> None:
    env = BalancerEnv(BalancingScenario.model_validate(SITE))
    env.reset(seed=0)
    episode(env)  # kernels are compiled
    figures = spread([episode(env) for _ in range(7)])
    judge("acting, 64 servers, a decision each 0.5 s", figures, ",.0f", "requests/s", at_least=200_000)


if __name__ == "__main__":
    main()
