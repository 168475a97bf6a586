"""Federation: clients that learn one model together, on data that they keep to themselves."""

from qoslab.core.domain import Domain, FigureEntry
from qoslab.core.metric import Metric
from qoslab.core.registry import registry

_HERE = "qoslab.domains.federation."

registry.add_domain(
    Domain(
        name="federation",
        summary="learn one model over clients that keep their data",
        scenario=_HERE + "scenario:FederationScenario",
        run=_HERE + "model:run",
        methods=_HERE + "methods",
        baseline="fedavg",
        example=_HERE + "scenario:example",
        verify=_HERE + "theory:verify",
        quickstart="quickstart.toml",
        skeleton="skeleton.py.txt",
        protocol=_HERE + "strategy:Strategy",
        metrics=(
            Metric("accuracy", "", "higher", "test accuracy, mean over the last tenth of the rounds"),
            Metric("accuracy_early", "", "higher", "test accuracy after the first tenth of the rounds"),
            Metric("rounds_to_target", "", "lower", "first round whose test accuracy reaches the target"),
            Metric("loss", "", "lower", "cross-entropy of the last model on the test samples, in nats"),
            Metric("traffic_mb", "MB", "lower", "what server and clients send each other, single precision"),
            Metric(
                "traffic_to_target_mb", "MB", "lower", "the same, up to the round that reaches the target"
            ),
            Metric("fairness_jain", "", "higher", "Jain's index of the last model's accuracies over clients"),
            Metric("accuracy_worst_client", "", "higher", "the last model's accuracy where it is lowest"),
            Metric(
                "drift", "", "neither", "how far clients pull apart: 0 in one direction, 1 cancelling out"
            ),
            Metric("heterogeneity", "", "neither", "total variation of clients' mixes of classes from all"),
        ),
        figures=(
            FigureEntry(
                "accuracy_over_rounds",
                _HERE + "figures:accuracy_over_rounds",
                "test accuracy after each round, mean and range over replications",
                needs=("course",),
            ),
            FigureEntry(
                "accuracy_over_alpha",
                _HERE + "figures:accuracy_over_alpha",
                "early test accuracy over how alike clients' mixes of classes are",
            ),
            FigureEntry(
                "rounds_over_alpha",
                _HERE + "figures:rounds_over_alpha",
                "rounds to the target accuracy over how alike clients' mixes of classes are",
            ),
        ),
    )
)
