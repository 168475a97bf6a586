"""Server learning on digits, 100 clients, 200 rounds, against one client and one step at a time.

    python -m benchmarks.federation_speed

CPU seconds of this process; medians of three runs of both, taken in turn. Set OMP_NUM_THREADS=1 for one core.
"""

import time
from statistics import median

import numpy as np

from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.federation.data import make_task
from qoslab.domains.federation.methods.server_learning import ServerLearning
from qoslab.domains.federation.model import run
from qoslab.domains.federation.scenario import FederationScenario

WORLD = {
    "data": {"kind": "digits"},
    "partition": {"kind": "dirichlet", "alpha": 0.1, "min_samples": 0},
    "clients": 100,
    "sampled": 10,
    "rounds": 200,
}


def stacked(scenario: FederationScenario) -> float:
    """Our run, data and metrics included."""
    (outcome,) = run(scenario, ServerLearning(), [Seed()], Context())
    return outcome.metrics["accuracy"]


def looped(scenario: FederationScenario) -> float:
    """The same steps of clients and server without stacking; accuracy of the last model only."""
    task, rng = make_task(scenario, Seed()), np.random.default_rng(0)
    able = [part for part in task.parts if len(part)]
    model, settings, server = task.start, scenario.training, scenario.server
    for _ in range(scenario.rounds):
        parts = [able[k] for k in rng.choice(len(able), scenario.sampled, replace=False)]
        ends = []
        for part in parts:
            own = model
            for _ in range(settings.steps):
                picked = rng.choice(part, settings.batch)
                own = own - settings.rate * task.network.gradients(own, task.x[picked], task.y[picked])
            ends.append(own)
        model = np.average(ends, axis=0, weights=[len(part) for part in parts])
        for _ in range(server.steps):
            picked = rng.choice(task.server, server.batch)
            model = model - server.rate * task.network.gradients(model, task.x[picked], task.y[picked])
    scores = task.network.logits(model, task.x[task.test])
    return float((scores.argmax(axis=-1) == task.y[task.test]).mean())


def main() -> None:
    scenario = FederationScenario.model_validate(WORLD)
    make_task(scenario, Seed())  # the digits are read once
    spent: dict[str, list[float]] = {"stacked": [], "looped": []}
    accuracy: dict[str, float] = {}
    for _ in range(3):
        for work in (stacked, looped):
            before = time.process_time()
            accuracy[work.__name__] = work(scenario)
            spent[work.__name__].append(time.process_time() - before)
    for name, seconds in spent.items():
        print(f"{name:8} {median(seconds):6.2f} CPU s   test accuracy {accuracy[name]:.3f}")


if __name__ == "__main__":
    main()
