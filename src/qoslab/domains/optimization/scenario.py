"""Agents on a network, what each wants, and what disturbs them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from qoslab.core.scenario import Part, Scenario
from qoslab.domains.optimization.tables import ProblemTable
from qoslab.graphs.spec import NetworkTable

__all__ = ["ChannelTable", "Eavesdropper", "OptimizationScenario", "example"]


class ChannelTable(Part):
    """What happens to messages on their way."""

    noise: float = Field(0.0, ge=0, description="standard deviation of noise on every number that is heard")
    loss: float = Field(
        0.0, ge=0, lt=1, description="probability that a message is lost; the last one is kept"
    )
    delay: int = Field(0, ge=0, description="rounds between saying and hearing")


class Eavesdropper(Part):
    """Somebody who intercepts the messages of one agent."""

    agent: int = Field(0, ge=0, description="whose messages")
    interception: float = Field(0.5, gt=0, le=1, description="probability that a message is intercepted")


class OptimizationScenario(Scenario):
    """A network of agents with private costs who are to find what is best for all."""

    network: NetworkTable = Field(description="who can say something to whom: an arc i -> j lets j hear i")
    problem: ProblemTable = Field(description="private costs, and what is to be decided")
    start: float | Literal["own"] = Field(
        0.0, description="first value of every entry, or 'own': what each agent would want alone"
    )
    rounds: int = Field(1000, ge=1, description="rounds of messages")
    tolerance: float = Field(1e-6, gt=0, description="error at which a run counts as arrived")
    measurement_noise: float = Field(
        0.0, ge=0, description="standard deviation of noise on every measured derivative"
    )
    link_up: float = Field(
        1.0, gt=0, le=1, description="probability that a link is up in a round; weights follow"
    )
    channel: ChannelTable = Field(ChannelTable(), description="noise, loss and delay of messages")
    unstable: Literal["refuse", "run"] = Field(
        "refuse", description="a step size past the predicted limit: refused, or run all the same"
    )
    agents: Literal["arrays", "local", "ray"] = Field(
        "arrays",
        description="all in one process on arrays, or each on its own: a process with sockets, or a Ray actor",
    )
    eavesdropper: Eavesdropper | None = Field(
        None, description="whose messages are tapped; nobody's by default"
    )


def example() -> OptimizationScenario:
    """A small world for contract tests: six generators share a demand."""
    return OptimizationScenario.model_validate(
        {
            "network": {"generate": {"model": "erdos_renyi", "nodes": 6, "p": 0.5}, "connected": "strongly"},
            "problem": {"kind": "dispatch"},
            "rounds": 40,
        }
    )
