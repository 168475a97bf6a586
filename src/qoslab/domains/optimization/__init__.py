"""Distributed optimisation: agents with private costs agree, over a network, on what is best for all."""

from qoslab.core.domain import Command, Domain, FigureEntry
from qoslab.core.metric import Metric
from qoslab.core.registry import registry

_HERE = "qoslab.domains.optimization."

registry.add_domain(
    Domain(
        name="optimization",
        summary="agents with private costs agree over a network on what is best for all",
        scenario=_HERE + "scenario:OptimizationScenario",
        run=_HERE + "model:run",
        methods=_HERE + "methods",
        baseline="dgd",
        example=_HERE + "scenario:example",
        verify=_HERE + "theory:verify",
        quickstart="quickstart.toml",
        skeleton="skeleton.py.txt",
        commands=(
            Command(
                "eavesdrop", _HERE + "commands:eavesdrop", "what eavesdroppers on averaging do not learn"
            ),
        ),
        alarms=(
            (
                "unsettled",
                "the run ended more than ten times as far from the optimum as it began, as the optimum is from 0, and "
                "as the agents' own minimisers are from it, without being stopped as diverged; its step may be too "
                "large, or noise too much for it",
            ),
        ),
        metrics=(
            Metric("error", "", "lower", "root mean square distance of the decisions from the optimal ones"),
            Metric(
                "optimality_gap", "", "lower", "distance of the cost from the optimum, relative, worst agent"
            ),
            Metric(
                "suboptimality",
                "",
                "neither",
                "the same with its sign: below 0, but for rounding, is cheaper than any feasible decision",
            ),
            Metric(
                "cost_optimal", "", "neither", "cost of the central optimum that the gap is measured from"
            ),
            Metric(
                "cost_oracle", "", "neither", "the same by a convex solver, where the scenario asks for it"
            ),
            Metric("consensus_error", "", "lower", "root mean square distance of the agents from their mean"),
            Metric("infeasibility", "", "lower", "largest violation of a constraint"),
            Metric("rounds_to_tolerance", "", "lower", "first round with an error within the tolerance"),
            Metric(
                "rounds_to_renegotiate",
                "",
                "lower",
                "rounds from a change of the costs to an error within the tolerance",
            ),
            Metric("rate", "", "lower", "factor by which the error falls in a round, measured"),
            Metric("rate_predicted", "", "lower", "the same, from the eigenvalues of the iteration"),
            Metric("step", "", "neither", "first step size, where the scenario asks for it"),
            Metric(
                "step_limit", "", "neither", "step size from which on the error no longer falls, predicted"
            ),
            Metric(
                "step_limit_about",
                "",
                "neither",
                "the same past 400 numbers: steps that are too large by too little count as small enough",
            ),
            Metric("step_certified", "", "neither", "step size below which convergence is proved"),
            Metric("messages", "", "lower", "messages sent: one per arc and round"),
            Metric(
                "bytes", "", "lower", "size of all messages in bytes, in double precision without headers"
            ),
            Metric("diverged", "", "lower", "1 where the error grew without bound, else 0"),
            Metric(
                "protection_of_states",
                "",
                "higher",
                "mean square error of an eavesdropper's guess over that of no guess, states sent, the last one caught",
            ),
            Metric(
                "protection_of_states_scaled",
                "",
                "higher",
                "the same, that state times the best factor; to be compared with protection_of_innovations",
            ),
            Metric(
                "protection_of_innovations",
                "",
                "higher",
                "the same where innovations are sent, the sum of those caught times the best factor",
            ),
            Metric(
                "protection_of_target",
                "",
                "higher",
                "error of the guess of the tapped agent's target by who knows all but the targets",
            ),
        ),
        figures=(
            FigureEntry(
                "convergence",
                _HERE + "figures:convergence",
                "error after each round, with the predicted fall",
                needs=("convergence",),
            ),
            FigureEntry(
                "budgets",
                _HERE + "figures:budgets",
                "the first agent's decision after each round, beside the optimal one",
                needs=("decisions",),
            ),
            FigureEntry(
                "protection",
                _HERE + "figures:protection",
                "what an eavesdropper is left not knowing, over the probability of interception",
            ),
        ),
    )
)
