"""Which measurements there are, and how many of them a method may learn from."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from qoslab.core.scenario import DatasetName, Part, Scenario

__all__ = ["Dataset", "Planted", "PredictionScenario", "example"]


class Planted(Part):
    """Measurements drawn from known factors: what a method can learn is known in advance."""

    kind: Literal["planted"]
    users: int = Field(100, ge=2, description="number of users")
    services: int = Field(400, ge=2, description="number of services")
    parameters: int = Field(2, ge=1, le=16, description="number of QoS parameters")
    rank: int = Field(4, ge=1, description="number of factors behind the logarithms of the values")
    signal: float = Field(0.8, ge=0, description="standard deviation of the logarithms that factors explain")
    noise: float = Field(0.3, ge=0, description="standard deviation of the logarithms that nothing explains")


class Dataset(Part):
    """Measurements of the dataset registry."""

    kind: Literal["dataset"]
    name: DatasetName = Field(description="a NumPy archive with one (users, services) array per parameter")
    parameters: tuple[str, ...] = Field(("rt", "tp"), min_length=1, description="names of the arrays")


class PredictionScenario(Scenario):
    """A table of users and services of which a share is known."""

    data: Planted | Dataset = Field(discriminator="kind", description="where the measurements come from")
    density: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="share of the whole table that is known; all else that was measured is the test",
    )
    larger_is_better: tuple[str, ...] = Field(
        ("tp", "throughput", "reliability", "availability"),
        description="parameters of which large values rank first; names that the data lacks are ignored",
    )


def example() -> PredictionScenario:
    """A small world for contract tests."""
    data = {"kind": "planted", "users": 12, "services": 20, "parameters": 2}
    return PredictionScenario.model_validate({"data": data, "density": 0.3})
