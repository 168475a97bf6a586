"""What may stand in `[scenario.problem]`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, model_validator

from qoslab.core.scenario import InputFile, Part

__all__ = [
    "CapacityTable",
    "Degraded",
    "DispatchTable",
    "FileTable",
    "HuberTable",
    "LogisticTable",
    "MedianTable",
    "ProblemTable",
    "QosTable",
    "QuadraticTable",
    "RendezvousTable",
    "SetTable",
]


def _require_positive(name: str, values: Iterable[float] | None) -> None:
    """Refuse costs that are not convex, or degenerate."""
    for at, value in enumerate(values or ()):
        if value <= 0:
            message = f"{name} must be positive: entry {at} is {value:g}"
            raise ValueError(message)


def _require_range(name: str, ends: tuple[float, float]) -> None:
    low, high = ends
    if low > high:
        message = f"{name} must be a range from low to high, and is {low:g} to {high:g}"
        raise ValueError(message)


class SetTable(Part):
    """A set for each agent: a half-space a_i^T x <= b_i, a box, or a ball."""

    kind: Literal["half-space", "box", "ball"] = Field("half-space", description="what every agent's set is")
    offsets: tuple[float, ...] | None = Field(None, description="b, one per agent; drawn where not given")
    normals: tuple[tuple[float, ...], ...] | None = Field(
        None, description="a, one per agent; drawn uniformly from the sphere where not given"
    )
    offset: float = Field(0.5, description="b of every agent, where offsets are not given")
    low: float | tuple[tuple[float, ...], ...] | None = Field(
        None, description="lower ends of boxes: a number for all, or a list per agent; none where not given"
    )
    high: float | tuple[tuple[float, ...], ...] | None = Field(
        None, description="upper ends of boxes: a number for all, or a list per agent; none where not given"
    )
    centres: tuple[tuple[float, ...], ...] | None = Field(
        None, description="middles of balls, one per agent; 0 where not given"
    )
    radius: float | tuple[float, ...] = Field(
        1.0, description="radii of balls: a number for all, or one per agent"
    )

    @model_validator(mode="after")
    def _its_own(self) -> SetTable:
        """Fields of another kind of set would be left out without a word."""
        for kind, names in _SET_FIELDS.items():
            strange = self.model_fields_set & set(names)
            if kind != self.kind and strange:
                message = f"{min(strange)} is of kind = '{kind}', and kind is '{self.kind}'"
                raise ValueError(message)
        if self.kind == "box" and self.low is None and self.high is None:
            message = "a box needs low or high"
            raise ValueError(message)
        _require_positive("radius", self.radius if isinstance(self.radius, tuple) else (self.radius,))
        return self


_SET_FIELDS = {
    "half-space": ("offsets", "normals", "offset"),
    "box": ("low", "high"),
    "ball": ("centres", "radius"),
}


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
        _require_positive("curvature", self.curvature)
        _require_range("curvature", self.curvature)
        _require_positive("curvatures", self.curvatures)
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

    @model_validator(mode="after")
    def _positive(self) -> MedianTable:
        _require_positive("weights", self.weights)
        return self


class RendezvousTable(Part):
    """Agents that stand somewhere in a square are to meet."""

    kind: Literal["rendezvous"]
    cost: Literal["fuel", "distance"] = Field(
        "distance", description="w ||x - p||^2 / 2, or w ||x - p||, of the meeting point x"
    )
    dimension: int = Field(2, ge=1, description="coordinates of a position")
    area: float = Field(1.0, gt=0, description="side of the square in which positions are drawn")
    positions: tuple[tuple[float, ...], ...] | None = Field(None, description="p; drawn where not given")
    weights: tuple[float, ...] | None = Field(None, description="w, one per agent; 1 where not given")

    @model_validator(mode="after")
    def _positive(self) -> RendezvousTable:
        _require_positive("weights", self.weights)
        return self


class FileTable(Part):
    """Costs from a Python file of your own."""

    kind: Literal["file"]
    file: InputFile = Field(
        description="Python file with cost(x, data), gradient(x, data), data(agent, n, rng)"
    )
    dimension: int = Field(1, ge=1, description="numbers to agree on")
    gradient: Literal["given", "torch"] = Field(
        "given", description="by the file's `gradient`, or of `cost` by torch's automatic differentiation"
    )
    smoothness: float | None = Field(
        None,
        gt=0,
        description="Lipschitz constant of every gradient; measured at 0 and at the optimum where not given",
    )
    convexity: float = Field(
        0.0, ge=0, description="constant of strong convexity of every cost, as you know it"
    )
    optimum: tuple[float, ...] | None = Field(
        None,
        description="where the sum is least, if you know it; found by Newton's method from 0, or SLSQP in sets, else",
    )
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
    file: InputFile | None = Field(
        None, description="Python file with the agents' own costs instead: cost(x, data) of one number each"
    )
    gradient: Literal["given", "torch"] = Field(
        "given", description="by the file's `gradient`, or of `cost` by torch's automatic differentiation"
    )
    convexity: float | None = Field(
        None, gt=0, description="constant of strong convexity of every cost of the file in the box"
    )

    @model_validator(mode="after")
    def _filed(self) -> DispatchTable:
        if self.file is None and (self.convexity is not None or self.gradient != "given"):
            message = "convexity and gradient are for costs from a file, and there is none"
            raise ValueError(message)
        if self.file is not None and self.convexity is None:
            message = "costs from a file need convexity: steps along prices go by it"
            raise ValueError(message)
        if self.file is not None and (self.curvatures is not None or self.targets is not None):
            message = "curvatures and targets have no use beside costs from a file"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _ordered(self) -> DispatchTable:
        _require_positive("curvature", self.curvature)
        _require_positive("curvatures", self.curvatures)
        for name in ("curvature", "wishes", "box"):
            _require_range(name, getattr(self, name))
        if self.box[0] == self.box[1]:
            message = f"box is empty inside: least and most are both {self.box[0]:g}"
            raise ValueError(message)
        return self


class Degraded(Part):
    """A core whose budgets become dearer in mid-run, or that loses some of its capacity."""

    round: int = Field(ge=1, description="from which round on")
    factor: float = Field(3.0, gt=0, description="factor of its k")
    capacity_factor: float = Field(1.0, gt=0, description="factor of its service rate; needs `capacity`")
    core: int = Field(0, ge=0, description="which core")


class CapacityTable(Part):
    """Service rates that delay budgets share: an M/M/1 queue of delay x takes its load and 1 / x more."""

    core: float | None = Field(None, gt=0, description="service rate of every core; unbounded if not given")
    access: float | None = Field(
        None, gt=0, description="service rate of every access network; unbounded if not given"
    )
    load: tuple[float, ...] | None = Field(
        None,
        description="arrival rate of each class at an access network, and for each at its core; 0 if not given",
    )


class QosTable(Part):
    """End-to-end budgets: the first agents are core networks, all others access networks that they serve.

    Access network a is served by core a mod `cores`. For every access network and entry, its own budget and its
    core's must not add up to more than the goal. The entries are the delays of all classes and then, where asked
    for, their losses and their unreliabilities, both as -ln(1 - share), which adds up along a path, in units of
    their goals.
    """

    kind: Literal["qos"]
    cores: int = Field(1, ge=1, description="number of core networks")
    goals: tuple[float, ...] = Field((1.0, 2.0), min_length=1, description="end-to-end goal of each class")
    scale: float = Field(
        1.0,
        gt=0,
        description="goals of delay and their box are divided by this, as steps suit budgets near 1; start, tolerance, "
        "noise and results are in the divided units, costs of delay so many times as large",
    )
    losses: tuple[float, ...] | None = Field(None, description="largest end-to-end loss of each class")
    reliabilities: tuple[float, ...] | None = Field(
        None, description="least end-to-end reliability of each class"
    )
    core: tuple[float, ...] | None = Field(
        None, description="k of every core's cost k / budget, per entry; uniform on 2..10 where not given"
    )
    access: tuple[tuple[float, ...], ...] | None = Field(
        None, description="k of each access network, per entry; uniform on 2..10 where not given"
    )
    degraded: Degraded | None = Field(None, description="a core that becomes dearer in mid-run")
    capacity: CapacityTable | None = Field(
        None, description="service rates, one over the unit of the goals; unbounded by default"
    )
    box: tuple[float, float] = Field(
        (0.05, 3.0), description="least and most of every delay budget, before scaling"
    )
    share_box: tuple[float, float] = Field(
        (0.05, 3.0),
        description="least and most of every budget of loss and unreliability, in units of its goal",
    )

    @model_validator(mode="after")
    def _positive(self) -> QosTable:
        if not 0 < self.box[0] < self.box[1] or min(self.goals) <= 0:
            message = "goals and boxes must be positive, boxes from low to high"
            raise ValueError(message)
        if not 0 < self.share_box[0] < self.share_box[1]:
            message = "share_box must be positive, from low to high"
            raise ValueError(message)
        _require_positive("core", self.core)
        for path, weights in enumerate(self.access or ()):
            _require_positive(f"access, network {path},", weights)
        for name, ends in (("losses", self.losses), ("reliabilities", self.reliabilities)):
            if ends is not None and (len(ends) != len(self.goals) or not all(0 < end < 1 for end in ends)):
                message = f"{name} needs one share between 0 and 1 for each of the {len(self.goals)} classes"
                raise ValueError(message)
        if self.degraded is not None and self.degraded.core >= self.cores:
            message = f"there is no core {self.degraded.core} to degrade: cores = {self.cores}"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _served(self) -> QosTable:
        if self.degraded is not None and self.degraded.capacity_factor != 1 and self.capacity is None:
            message = "degraded.capacity_factor needs `capacity`: there is no service rate to lose"
            raise ValueError(message)
        load = None if self.capacity is None else self.capacity.load
        if load is not None and (len(load) != len(self.goals) or min(load) < 0):
            message = f"capacity.load needs one rate of 0 or more for each of the {len(self.goals)} classes"
            raise ValueError(message)
        return self

    @property
    def boxes(self) -> tuple[tuple[float, float], ...]:
        """Least and most budget of each entry, as they are negotiated: delays are scaled, shares are not."""
        low, high = (end / self.scale for end in self.box)
        classes = len(self.goals)
        return ((low, high),) * classes + (self.share_box,) * (len(self.entries) - classes)

    @property
    def entries(self) -> tuple[float, ...]:
        """The goals of all entries, as they are negotiated."""
        goals = [goal / self.scale for goal in self.goals]
        more = [ends for ends in (self.losses, self.reliabilities) if ends is not None]
        return (*goals, *(1.0 for ends in more for _ in ends))


ProblemTable = Annotated[
    QuadraticTable
    | LogisticTable
    | HuberTable
    | MedianTable
    | RendezvousTable
    | FileTable
    | DispatchTable
    | QosTable,
    Field(discriminator="kind"),
]
"""One problem, by its `kind`."""
