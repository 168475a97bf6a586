"""A network of opinions, a competitor with fixed contacts, and how many followers the leader may have."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from qoslab.core.scenario import Part, Scenario
from qoslab.graphs.spec import NetworkTable

__all__ = ["Competitor", "InfluenceScenario", "example"]


class Competitor(Part):
    """The other leader, whose direct followers are fixed."""

    contacts: int = Field(
        5,
        ge=1,
        description="how many agents listen to the competitor directly; at least one, so that opinions differ",
    )
    placement: Literal["random", "degree"] = Field(
        "random", description="which agents: drawn by the seed, or those with most listeners"
    )
    weight: float = Field(
        1.0, gt=0, description="weight of the competitor's opinion, relative to all neighbours'"
    )


class InfluenceScenario(Scenario):
    """DeGroot agents between a leader of opinion 1 and a competitor of opinion 0."""

    network: NetworkTable = Field(description="who listens to whom: an arc from i to j says that i hears j")
    followers: int = Field(5, ge=1, description="how many direct followers the leader may have")
    weight: float = Field(
        1.0, gt=0, description="weight a direct follower gives the leader, relative to all neighbours'"
    )
    competitor: Competitor = Field(Competitor(), description="the other leader")


def example() -> InfluenceScenario:
    """A small world for contract tests."""
    generate = {"model": "erdos_renyi", "nodes": 30, "p": 0.2, "directed": True}
    return InfluenceScenario.model_validate(
        {
            "network": {"generate": generate, "connected": "strongly"},
            "followers": 3,
            "competitor": {"contacts": 3},
        }
    )
