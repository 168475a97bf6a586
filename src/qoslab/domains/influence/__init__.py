"""Leader influence: whom should a leader win over, when a few direct followers must carry its opinion far."""

from qoslab.core.domain import Domain, FigureEntry
from qoslab.core.metric import Metric
from qoslab.core.registry import registry

_HERE = "qoslab.domains.influence."

registry.add_domain(
    Domain(
        name="influence",
        summary="choose the direct followers of a leader in a network of opinions",
        scenario=_HERE + "scenario:InfluenceScenario",
        run=_HERE + "model:run",
        methods=_HERE + "methods",
        baseline="degree",
        example=_HERE + "scenario:example",
        verify=_HERE + "theory:verify",
        quickstart="quickstart.toml",
        skeleton="skeleton.py.txt",
        protocol=_HERE + "model:Selection",
        metrics=(
            Metric("distance", "", "lower", "mean distance of the settled opinions from the leader's"),
            Metric(
                "distance_removed", "", "higher", "share of the distance without followers that is removed"
            ),
            Metric("settling_rate_per_s", "1/s", "higher", "slowest rate at which opinions settle"),
        ),
        figures=(
            FigureEntry(
                "distance_by_rank",
                _HERE + "figures:distance_by_rank",
                "distance left after each follower, in the order in which they were chosen",
                needs=("choice",),
            ),
        ),
    )
)
