"""Which measurements there are, and how many of them a method may learn from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from qoslab.core.errors import BadInput, Problem, did_you_mean
from qoslab.core.scenario import DatasetName, InputFile, Part, Scenario
from qoslab.domains.prediction.sizes import too_large

__all__ = [
    "LARGER",
    "Cold",
    "Dataset",
    "Matrices",
    "Planted",
    "PredictionScenario",
    "Slots",
    "Source",
    "Table",
    "example",
    "larger_of",
]


LARGER = ("tp", "throughput", "bandwidth", "reliability", "availability")
"""Parameters of which large values are good, unless a scenario says otherwise; data need not have them."""


DataFile = Annotated[InputFile | DatasetName, Field(union_mode="left_to_right")]
"""A file beside the study, where there is one of that name, else one of the registry."""


class Planted(Part):
    """Measurements drawn from known factors: what a method can learn is known in advance."""

    kind: Literal["planted"]
    users: int = Field(100, ge=2, description="number of users")
    services: int = Field(400, ge=2, description="number of services")
    parameters: int = Field(2, ge=1, le=16, description="number of QoS parameters")
    rank: int = Field(4, ge=1, description="number of factors behind the logarithms of the values")
    signal: float = Field(0.8, ge=0, description="standard deviation of the logarithms that factors explain")
    noise: float = Field(0.3, ge=0, description="standard deviation of the logarithms that nothing explains")
    tail: float = Field(
        0, ge=0, description="degrees of freedom of Student's t noise of that scale; 0 is Gaussian noise"
    )
    countries: int = Field(
        0, ge=0, description="countries of users and services, each with three networks (AS); 0 is no context"
    )
    place: float = Field(
        0.5, ge=0, description="standard deviation of the logarithms that pairs of places explain"
    )

    @model_validator(mode="after")
    def _it_can_be_held(self) -> Planted:
        large = too_large(self.parameters, self.users, self.services)
        if large is not None:
            raise ValueError(large)
        return self


class Dataset(Part):
    """Measurements of a NumPy archive of the dataset registry."""

    kind: Literal["dataset"]
    name: DatasetName = Field(
        description="an archive with, per parameter X, an array X or X_ms (milliseconds) of (users, services) or "
        "(slots, users, services), or the columns X_u, X_s, X_v; of one parameter u, s, v will do"
    )
    parameters: tuple[str, ...] = Field(("rt", "tp"), min_length=1, description="names of the arrays")
    context: tuple[str, ...] = Field(
        (), description="kinds of context X that the archive has as user_X and svc_X, such as country and as"
    )
    services: int | None = Field(
        None, ge=1, description="keep the first so many services; 4700 where WS-DREAM #1's context is certain"
    )
    service_context: bool = Field(
        default=True, description="whether services have that context, too, or users alone"
    )
    slot: int | None = Field(
        None, ge=0, description="of several slots this one; without it, each cell's mean over them"
    )

    @model_validator(mode="after")
    def _an_array_has_one_use(self) -> Dataset:
        _each_once(self.parameters, "array")
        return self


class Matrices(Part):
    """WS-DREAM #1 as published: one text matrix per parameter, -1 where nobody measured, and the lists of places."""

    kind: Literal["matrices"]
    files: dict[str, DataFile] = Field(
        min_length=1, description="file of each parameter, of your own or registered; .gz is unpacked"
    )
    users: DataFile | None = Field(None, description="the list of users, userlist.txt")
    services: DataFile | None = Field(None, description="the list of services, wslist.txt")

    @model_validator(mode="after")
    def _both_lists_or_none(self) -> Matrices:
        if (self.users is None) != (self.services is None):
            message = "places need the lists of both users and services"
            raise ValueError(message)
        return self


class Slots(Part):
    """WS-DREAM #2 as published: a text file per parameter, `user service slot value` on each line."""

    kind: Literal["slots"]
    files: dict[str, DataFile] = Field(
        min_length=1, description="file of each parameter, of your own or registered; .gz is unpacked"
    )
    slot: int | None = Field(None, ge=0, description="the slot; without it, each cell's mean over all slots")


class Table(Part):
    """Measurements of a CSV or Parquet file: one row per user and service, one column per parameter."""

    kind: Literal["table"]
    file: InputFile | None = Field(
        None, description="a .csv, .csv.gz or .parquet file; an empty field is not measured"
    )
    dataset: DatasetName | None = Field(None, description="or such a file of the registry, `DATASET/FILE`")
    parameters: tuple[str, ...] = Field(min_length=1, description="names of the columns with measurements")
    user: str = Field("user", description="name of the column that tells users apart")
    service: str = Field("service", description="name of the column that tells services apart")
    context: tuple[str, ...] = Field(
        (), description="kinds of context X that stand in the columns user_X and service_X"
    )
    user_context: bool = Field(
        default=True, description="whether users have that context, too, or services alone"
    )
    service_context: bool = Field(
        default=True, description="whether services have that context, too, or users alone"
    )
    columns: dict[str, str] = Field(
        {},
        description='names that columns have in the file where it is another one, such as rt = "ResponseTime"',
    )
    missing: tuple[float | Literal["nan"], ...] = Field(
        (), description="values that stand for not measured, such as -1 or nan"
    )

    @property
    def sides(self) -> tuple[str, ...]:
        """Who has a context: "user", "service", or both."""
        return ("user",) * self.user_context + ("service",) * self.service_context

    @model_validator(mode="after")
    def _somebody_has_the_context(self) -> Table:
        if self.context and not self.sides:
            message = "a context is that of users or of services; leave `context` out for none"
            raise ValueError(message)
        return self

    @field_validator("missing", mode="before")
    @classmethod
    def _nan_as_word(cls, given: Any) -> Any:
        """JSON, in which scenarios are kept, has no NaN."""
        if not isinstance(given, list | tuple):
            return given
        return tuple("nan" if isinstance(one, float) and math.isnan(one) else one for one in given)

    @model_validator(mode="after")
    def _one_source(self) -> Table:
        if (self.file is None) == (self.dataset is None):
            message = "name either a file or a dataset"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _a_column_has_one_use(self) -> Table:
        _each_once((self.user, self.service, *self.parameters), "column")
        _each_once(tuple(self.columns.values()), "column")
        return self


Source = Annotated[Planted | Dataset | Matrices | Slots | Table, Field(discriminator="kind")]
"""Where measurements come from."""


def _each_once(names: Sequence[str], what: str) -> None:
    for place, name in enumerate(names):
        if name in names[:place]:
            message = f"the {what} {name!r} is named twice"
            raise ValueError(message)


class Cold(Part):
    """Users or services of whom nothing is known; they alone are asked."""

    users: float = Field(0, ge=0, lt=1, description="share of the users that are new")
    services: float = Field(
        0, ge=0, lt=1, description="share of the services that are new; with both, new users ask for new ones"
    )

    @model_validator(mode="after")
    def _someone_is_new(self) -> Cold:
        if self.users == 0 and self.services == 0:
            message = "name a share of users, of services, or both"
            raise ValueError(message)
        return self


class PredictionScenario(Scenario):
    """A table of users and services of which a share is known."""

    data: Source = Field(description="where the measurements come from")
    density: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="share of the whole table that is known; all else that was measured is the test",
    )
    folds: int = Field(
        0,
        ge=0,
        description="in place of a density: cross-validation, replication r asks fold r mod so many of one deal",
    )
    joint: bool = Field(
        default=True,
        description="whether all parameters are known in the same cells, those where all were measured",
    )
    cold: Cold | None = Field(None, description="users or services that are new")
    timeouts: dict[str, Annotated[float, Field(gt=0)]] = Field(
        {}, description="value of a parameter from which on a cell counts as not measured, such as rt = 20.0"
    )
    outliers: float = Field(
        0,
        ge=0,
        le=0.1,
        description="share of each parameter's values, the strangest by an isolation forest, that is not judged",
    )
    larger_is_better: tuple[str, ...] = Field(
        LARGER,
        description="parameters of which large values rank first, in capitals or not; of all others, small ones do",
    )

    @model_validator(mode="after")
    def _one_kind_of_split(self) -> PredictionScenario:
        if self.folds == 1:
            message = "one fold leaves nothing to learn from: name two or more"
            raise ValueError(message)
        if self.folds and "density" in self.model_fields_set:
            message = "density and folds exclude each other"
            raise ValueError(message)
        return self


def larger_of(given: Sequence[str], parameters: Sequence[str]) -> tuple[str, ...]:
    """Those of the parameters of which large values are good.

    Args:
        given: Their names, in capitals or not.
        parameters: The names that the data has.

    Raises:
        BadInput: The data has no parameter of a name that is given, and it is none of `LARGER`.
    """
    words = {name.casefold() for name in given}
    there = {name.casefold() for name in parameters}
    for name in given:
        if name.casefold() not in {*there, *LARGER}:
            hint = did_you_mean(name, parameters)
            message = f"the data has no parameter {name!r}; it has {', '.join(parameters)}"
            raise BadInput(Problem(message=message, field="scenario.larger_is_better", hint=hint))
    return tuple(name for name in parameters if name.casefold() in words)


def example() -> PredictionScenario:
    """A small world for contract tests."""
    data = {"kind": "planted", "users": 12, "services": 20, "parameters": 2}
    return PredictionScenario.model_validate({"data": data, "density": 0.3})
