"""What may stand in `[scenario.problem]`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from qoslab.core.scenario import Part

__all__ = [
    "DispatchTable",
    "HuberTable",
    "LogisticTable",
    "MedianTable",
    "ProblemTable",
    "QosTable",
    "QuadraticTable",
    "SetTable",
]


class SetTable(Part):
    """Half-spaces a_i^T x <= b_i, one per agent."""

    offsets: tuple[float, ...] | None = Field(None, description="b, one per agent; drawn where not given")
    normals: tuple[tuple[float, ...], ...] | None = Field(
        None, description="a, one per agent; drawn uniformly from the sphere where not given"
    )
    offset: float = Field(0.5, description="b of every agent, where offsets are not given")


class QuadraticTable(Part):
    """f_i(x) = q_i ||x - c_i||^2 / 2."""

    kind: Literal["quadratic"]
    dimension: int = Field(1, ge=1, description="numbers to agree on")
    curvature: tuple[float, float] = Field((0.5, 2.0), description="range of the q_i, drawn uniformly")
    spread: float = Field(1.0, gt=0, description="standard deviation of the c_i")
    curvatures: tuple[float, ...] | None = Field(None, description="the q_i themselves")
    targets: tuple[tuple[float, ...], ...] | None = Field(None, description="the c_i themselves")
    sets: SetTable | None = Field(None, description="the agents' constraint sets; none by default")

    @model_validator(mode="after")
    def _positive(self) -> QuadraticTable:
        low, high = self.curvature
        if not 0 < low <= high or any(q <= 0 for q in self.curvatures or ()):
            message = "curvatures must be positive, the range from low to high"
            raise ValueError(message)
        return self


class LogisticTable(Part):
    """Logistic regression on samples that stay with the agents."""

    kind: Literal["logistic"]
    dimension: int = Field(3, ge=1, description="features, without the intercept")
    samples: int = Field(10, ge=1, description="samples of each agent")
    ridge: float = Field(1.0, gt=0, description="weight of ||x||^2 / 2, all agents together")
    sets: SetTable | None = Field(None, description="the agents' constraint sets; none by default")


class HuberTable(Part):
    """Regression that outliers do not spoil."""

    kind: Literal["huber"]
    dimension: int = Field(3, ge=1, description="features")
    samples: int = Field(10, ge=1, description="samples of each agent")
    threshold: float = Field(1.0, gt=0, description="residual from which on the cost grows linearly")
    outliers: float = Field(0.1, ge=0, le=1, description="share of samples with a gross error")
    ridge: float = Field(0.1, gt=0, description="weight of ||x||^2 / 2, all agents together")
    sets: SetTable | None = Field(None, description="the agents' constraint sets; none by default")


class MedianTable(Part):
    """f_i(x) = w_i ||x - p_i||_1: where to meet, when every block walked counts."""

    kind: Literal["median"]
    dimension: int = Field(2, ge=1, description="numbers to agree on")
    weights: tuple[float, ...] | None = Field(None, description="w; uniform on 0.5..1.5 where not given")
    points: tuple[tuple[float, ...], ...] | None = Field(None, description="p; normal where not given")
    sets: SetTable | None = Field(None, description="the agents' constraint sets; none by default")


class DispatchTable(Part):
    """Economic dispatch: generators with costs q_i (x_i - r_i)^2 / 2 in boxes share a demand."""

    kind: Literal["dispatch"]
    curvature: tuple[float, float] = Field((0.5, 2.0), description="range of the q_i, drawn uniformly")
    wishes: tuple[float, float] = Field((1.0, 3.0), description="range of the r_i, drawn uniformly")
    demand: float = Field(1.5, description="what must be produced, per agent")
    box: tuple[float, float] = Field((0.0, 5.0), description="least and most that an agent can produce")
    balance: Literal["equal", "at most"] = Field(
        "equal", description="whether less than the demand is as well"
    )
    curvatures: tuple[float, ...] | None = Field(None, description="the q_i themselves")
    targets: tuple[float, ...] | None = Field(None, description="the r_i themselves")

    @model_validator(mode="after")
    def _ordered(self) -> DispatchTable:
        if not 0 < self.curvature[0] <= self.curvature[1] or self.box[0] >= self.box[1]:
            message = "curvatures must be positive, ranges from low to high"
            raise ValueError(message)
        return self


class QosTable(Part):
    """End-to-end budgets: agent 0 is a core network, all others are access networks that it serves.

    For every access network and class, its own budget and the core's must not add up to more than the goal.
    """

    kind: Literal["qos"]
    goals: tuple[float, ...] = Field((1.0, 2.0), min_length=1, description="end-to-end goal of each class")
    scale: float = Field(
        1.0, gt=0, description="goals and boxes are divided by this: steps suit budgets near 1"
    )
    core: tuple[float, ...] | None = Field(None, description="k of the core's cost k / budget, per class")
    access: tuple[tuple[float, ...], ...] | None = Field(
        None, description="k of each access network, per class; uniform on 2..10 where not given"
    )
    box: tuple[float, float] = Field(
        (0.05, 3.0), description="least and most of every budget, before scaling"
    )

    @model_validator(mode="after")
    def _positive(self) -> QosTable:
        if not 0 < self.box[0] < self.box[1] or min(self.goals) <= 0:
            message = "goals and boxes must be positive, boxes from low to high"
            raise ValueError(message)
        return self


ProblemTable = Annotated[
    QuadraticTable | LogisticTable | HuberTable | MedianTable | DispatchTable | QosTable,
    Field(discriminator="kind"),
]
"""One problem, by its `kind`."""
