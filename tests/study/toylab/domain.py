from qoslab.core.domain import Domain
from qoslab.core.metric import Metric

TOY = Domain(
    name="toy",
    summary="Arithmetic on the seed.",
    scenario="toylab.model:Toy",
    run="toylab.model:run",
    metrics=(
        Metric("score", "", "higher", "A number that depends on scenario, method and seed."),
        Metric("noise_s", "s", "lower", "A random number of the seed alone."),
    ),
    methods="toylab.methods",
    baseline="plain",
    example="toylab.model:example",
    warm="toylab.model:warm",
    check="toylab.model:check",
)
