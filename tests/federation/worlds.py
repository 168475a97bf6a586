"""Small worlds for the tests of this folder."""

from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.federation.data import make_task
from qoslab.domains.federation.scenario import FederationScenario
from qoslab.domains.federation.training import rounds

SEED = Seed(0, "test", "", 0)


def world(**changes):
    """Six planted clients; named fields replaced."""
    values = {
        "data": {"kind": "planted", "samples": 300, "features": 4, "classes": 3},
        "partition": {"kind": "dirichlet", "alpha": 0.3},
        "clients": 6,
        "sampled": 3,
        "rounds": 6,
        "hidden": [5],
        "test": 50,
        "training": {"steps": 4, "batch": 8},
        "server": {"reserve": 30, "samples": 30, "steps": 3, "batch": 8},
    }
    return FederationScenario.model_validate(values | changes)


def course(scenario, method, seed=SEED):
    """The task and every round's step."""
    task = make_task(scenario, seed)
    return task, list(rounds(scenario, task, method, seed, Context()))


def models(scenario, method, seed=SEED):
    """Every round's model, as bytes."""
    return [step.model.tobytes() for step in course(scenario, method, seed)[1]]
