"""Entanglement: quantum networks that share pairs over lossy links, store and swap them."""

from qoslab.core.domain import Command, Domain, FigureEntry
from qoslab.core.metric import Metric
from qoslab.core.registry import registry

_HERE = "qoslab.domains.entanglement."

registry.add_domain(
    Domain(
        name="entanglement",
        summary="share entangled pairs between users of a quantum network",
        scenario=_HERE + "scenario:EntanglementScenario",
        run=_HERE + "model:run",
        methods=_HERE + "methods",
        baseline="shortest_path",
        example=_HERE + "scenario:example",
        verify=_HERE + "theory:verify",
        warm=_HERE + "model:warm",
        quickstart="quickstart.toml",
        skeleton="skeleton.py.txt",
        protocol=_HERE + "protocol:Routing",
        check=_HERE + "checking:check",
        fit=_HERE + "checking:fit",
        commands=(
            Command(
                "plan-swaps", _HERE + "swaporder.command:plan_swaps", "the swap order of a path of repeaters"
            ),
            Command(
                "control",
                _HERE + "deploy.control:control",
                "let a process of your own steer the simulated network over loopback",
            ),
            Command(
                "sensitivity",
                _HERE + "sensitivity:sensitivity",
                "which hardware figure, improved by 10 %, gains most",
            ),
            Command(
                "timeline",
                _HERE + "timeline.page:timeline",
                "a run event by event in space and time, as one page to zoom in",
            ),
        ),
        figures=(
            FigureEntry("rate", _HERE + "figures:rate_over_axis", "pairs delivered over the varied figure"),
            FigureEntry("fidelity", _HERE + "figures:fidelity_over_axis", "fidelity over the varied figure"),
            FigureEntry(
                "fidelities",
                _HERE + "figures:fidelity_distribution",
                "fidelity of delivered pairs in the last case",
                needs=("deliveries",),
            ),
            FigureEntry(
                "rate_over_fidelity",
                _HERE + "figures:rate_over_fidelity",
                "pairs delivered above a wanted fidelity, over that fidelity, in the last case",
                needs=("deliveries",),
            ),
            FigureEntry(
                "latencies",
                _HERE + "figures:latency_distribution",
                "latency of delivered pairs in the last case",
                needs=("deliveries",),
            ),
            FigureEntry(
                "flows",
                _HERE + "figures:flow_map",
                "where pairs flow, in the last case",
                needs=("flows",),
            ),
        ),
        caveats=(
            ("delivered_nothing", "delivered no pair in the time that is measured"),
            (
                "delivered_nothing_useful",
                "delivered no pair of the fidelity that its request wants",
            ),
        ),
        metrics=(
            Metric(
                "useful_rate_per_s", "1/s", "higher", "pairs delivered at the fidelity their request wants"
            ),
            Metric("rate_per_s", "1/s", "higher", "pairs delivered, whatever their fidelity"),
            Metric("fidelity", "", "higher", "mean fidelity of delivered pairs"),
            Metric("key_rate_per_s", "1/s", "higher", "secret bits of BB84 on the pairs' mean state"),
            Metric("distillable_rate_per_s", "1/s", "higher", "perfect pairs by hashing their mean state"),
            Metric(
                "made_key_rate_per_s",
                "1/s",
                "higher",
                "secret bits that users made of their pairs, where the scenario has keys",
            ),
            Metric(
                "teleportation_fidelity", "", "higher", "mean fidelity of a qubit sent over a delivered pair"
            ),
            Metric(
                "latency_s", "s", "lower", "mean time from the first link pair of a delivery to its delivery"
            ),
            Metric(
                "latency_p95_s", "s", "lower", "95th percentile of the time from first link pair to delivery"
            ),
            Metric(
                "request_success", "", "higher", "share of jobs that got all their pairs by their deadline"
            ),
            Metric(
                "request_time_s", "s", "lower", "mean time of a job that succeeded, from arrival to last pair"
            ),
            Metric("request_time_p95_s", "s", "lower", "95th percentile of the time of jobs that succeeded"),
            Metric("fairness_jain", "", "higher", "Jain's index over the requests' useful rates"),
            Metric("demand_met", "", "higher", "mean share of the rates wanted that is delivered"),
            Metric("decohered_share", "", "lower", "pairs given up by age, per link pair created"),
            Metric(
                "cut_share",
                "",
                "lower",
                "pairs given up after a repeater's longest wait, per link pair created",
            ),
            Metric(
                "messages_per_pair", "", "lower", "messages on swaps and purification, per link pair created"
            ),
            Metric("memory_use", "", "neither", "share of memory time in which a pair is held"),
        ),
    )
)
