"""A quantum network: its links and memories, who wants pairs, and for how long it is watched."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from qoslab.core.scenario import Part, Scenario
from qoslab.graphs.spec import NetworkTable

__all__ = [
    "Architecture",
    "EntanglementScenario",
    "Jobs",
    "Keys",
    "LinkHardware",
    "LinkOverride",
    "Memory",
    "NodeHardware",
    "NodeOverride",
    "Phases",
    "Request",
    "example",
]

Architecture = Literal["dim_bk", "dim_bk_sequence", "dim_dual", "sender_receiver", "source_in_midpoint"]
"""How two memories of a link are entangled; `links` has the success probability and timing of each."""


class LinkHardware(Part):
    """What stands between two neighbours."""

    architecture: Architecture = Field("dim_bk_sequence", description="how a link makes pairs")
    attenuation_db_per_km: float = Field(0.2, ge=0, description="loss of the fibre")
    speed_km_per_s: float = Field(200_000.0, gt=0, description="speed of light in the fibre")
    initial_fidelity: float = Field(0.99, ge=0.25, le=1, description="fidelity of a pair when it is created")
    pairs: int = Field(
        1, ge=1, description="memories at each end that serve this link, at a node without a total of its own"
    )
    setup_s: float = Field(0.0, ge=0, description="time to set a source up for each attempt")
    at_once: int | None = Field(
        None, ge=1, description="pairs of memories that may try at the same time; all of them if left out"
    )
    false_herald: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="probability that dark counts announce a pair after an attempt without one",
    )


class NodeHardware(Part):
    """What stands at a node."""

    source_efficiency: float = Field(
        0.95, gt=0, le=1, description="photon emitted into the fibre per attempt"
    )
    detector_efficiency: float = Field(0.95, gt=0, le=1, description="photon seen per photon that arrives")
    reset_s: float = Field(1e-6, ge=0, description="time before a memory can emit again")
    coherence_s: float = Field(
        0.02, gt=0, description="time constant of a memory, and the age it is dropped at"
    )
    memories: int | None = Field(
        None,
        ge=1,
        description="memories of the node, assigned to its links (memory.assignment); links.pairs for each if left out",
    )
    swap_success: float = Field(0.5, ge=0, le=1, description="probability that a swap succeeds")
    swap_delay_s: float = Field(
        0.0, ge=0, description="how long a swap takes until its memories are free and its word sets out"
    )
    gate_fidelity: float = Field(1.0, ge=0, le=1, description="probability that a two-qubit gate is good")
    readout_fidelity: float = Field(1.0, ge=0.5, le=1, description="probability that a qubit is read right")


class LinkOverride(Part):
    """A link that differs from the others."""

    source: str = Field(description="identifier of one end")
    target: str = Field(description="identifier of the other end")
    hardware: LinkHardware = Field(description="what this link has instead")


class NodeOverride(Part):
    """A node that differs from the others."""

    node: str = Field(description="identifier of the node")
    hardware: NodeHardware = Field(description="what this node has instead")


class Memory(Part):
    """What happens to stored qubits."""

    noise: Literal["perfect", "dephasing", "depolarising", "bit_flip", "amplitude_damping"] = Field(
        "dephasing", description="how a stored qubit forgets"
    )
    state: Literal["werner", "bell_diagonal"] = Field(
        "werner", description="how much of a pair's state is kept"
    )
    compat: Literal["none", "mqns"] = Field(
        "none", description="mqns: decay and heralding as that simulator has them, to compare figures"
    )
    selection: Literal["waiting", "first", "oldest", "freshest", "best", "random"] | None = Field(
        None,
        description="which of several pairs a node swaps: the one that waited longest, that of the first "
        "memory, the oldest, the freshest, that of the highest expected fidelity, any; left out: the one that waited "
        "longest, and in slots what each method does, mostly the best",
    )
    assignment: Literal["equal", "demand", "length", "time", "links"] = Field(
        "equal",
        description="how nodes that have nodes.memories assign them to their links: equally; by the demand of the "
        "requests whose paths of fewest hops use a link; by its length; by its mean time to a pair; as links.pairs has",
    )
    allocation: Literal["equal", "demand"] = Field(
        "equal",
        description="how a link's memories are allocated to planned paths over it that do not say how many they want, "
        "with buffer_space: equally, the first paths one more where some are left, or by their requests' demand",
    )
    multiplexing: Literal["buffer_space", "statistical", "dynamic", "dynamic_weighted", "time"] = Field(
        "buffer_space",
        description="whose a link's pairs are where planned paths meet: of the path whose memories made them; of "
        "any until a swap decides; of one drawn by lot, alike or by 1 / (1 + hops); of the one whose turn it is",
    )
    turn_s: float = Field(0.001, gt=0, description="how long each path's turn is, with time multiplexing")


class Phases(Part):
    """Common time slots, for methods that decide during the run: links try, the state is told, swaps are ordered."""

    external_s: float = Field(0.005, gt=0, description="how long links try in each slot")
    routing_s: float | None = Field(
        None,
        ge=0,
        description="time for the state to be told; the longest delay between two nodes if left out",
    )
    internal_s: float | None = Field(
        None,
        gt=0,
        description="time for swaps and their word; the longest delay between two nodes if left out",
    )
    clear: bool = Field(default=False, description="whether memories are emptied at the end of each slot")
    planned: Literal["asynchronous", "synchronous"] = Field(
        "asynchronous", description="whether nodes on planned paths act at once, or keep to the three phases"
    )
    for_all: bool = Field(default=False, description="whether planned paths are run in slots, too")
    control: Literal["common", "own"] = Field(
        "common",
        description="messages of a slot: the longest delay between two nodes and back for all methods, or for each "
        "its own, local or through the centre",
    )
    centre: str | None = Field(
        None, description="node of the central controller; the one nearest to all others if left out"
    )


class Jobs(Part):
    """Jobs that come one after another during the run, at random times."""

    arrivals_per_s: float = Field(gt=0, description="how often one comes, a Poisson process")
    pairs: int = Field(1, ge=1, description="pairs that each wants")
    deadline_s: float | None = Field(
        None, gt=0, description="how long each waits until it leaves without; for ever if left out"
    )


class Keys(Part):
    """Users make secret keys of the pairs they got in a run."""

    protocol: Literal["bb84", "e91"] = Field("bb84", description="how pairs are measured")
    finite: bool = Field(
        default=True, description="whether a key is shortened for the statistics of few bits"
    )
    tested: float = Field(0.1, gt=0, lt=1, description="share of the sifted bits that is compared in public")
    secrecy: float = Field(1e-9, gt=0, lt=1, description="distance from a perfect key that is allowed")
    correctness: float = Field(1e-12, gt=0, lt=1, description="probability that the two keys differ")
    errors: Literal["alike", "apart"] | None = Field(
        None,
        description="whether errors in both bases are taken to be alike, or estimated apart; left out: alike for "
        "Werner states, apart for Bell-diagonal ones",
    )


class Request(Part):
    """Two users who want pairs."""

    source: str = Field(description="identifier of one user's node")
    target: str = Field(description="identifier of the other's")
    rate_per_s: float | None = Field(
        None, gt=0, description="pairs wanted per second; as many as possible if left out"
    )
    fidelity: float = Field(0.25, ge=0.25, le=1, description="least fidelity that is of use")
    jobs: Jobs | None = Field(None, description="jobs that use the pairs; without them all pairs are used")

    @model_validator(mode="after")
    def _two_users(self) -> Request:
        if self.source == self.target:
            message = f"a request is between two nodes, not {self.source!r} and itself"
            raise ValueError(message)
        return self


class EntanglementScenario(Scenario):
    """A network of repeaters and the requests it serves."""

    network: NetworkTable = Field(description="nodes and links; every link needs a length")
    links: LinkHardware = Field(LinkHardware(), description="what every link has")
    link_overrides: tuple[LinkOverride, ...] = Field((), description="links that differ")
    nodes: NodeHardware = Field(NodeHardware(), description="what every node has")
    node_overrides: tuple[NodeOverride, ...] = Field((), description="nodes that differ")
    memory: Memory = Field(Memory(), description="what happens to stored qubits")
    phases: Phases = Field(Phases(), description="time slots of methods that decide during the run")
    requests: tuple[Request, ...] = Field(min_length=1, description="who wants pairs")
    keys: Keys | None = Field(None, description="keys that users make of their pairs; none if left out")
    horizon_s: float = Field(1.0, gt=0, description="simulated time")
    warm_up_s: float = Field(0.0, ge=0, description="time at the start that is not measured")

    @model_validator(mode="after")
    def _times(self) -> EntanglementScenario:
        if self.warm_up_s >= self.horizon_s:
            message = (
                f"nothing is measured: warm_up_s {self.warm_up_s:g} is not below horizon_s {self.horizon_s:g}"
            )
            raise ValueError(message)
        return self


def example() -> EntanglementScenario:
    """Two users and a repeater, 32 and 18 km of fibre."""
    links = (
        {"source": "S", "target": "R", "length_km": 32.0},
        {"source": "R", "target": "D", "length_km": 18.0},
    )
    raw = {"network": {"links": links}, "requests": ({"source": "S", "target": "D"},), "horizon_s": 0.2}
    return EntanglementScenario.model_validate(raw)
