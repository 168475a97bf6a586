"""What clients may ask and send, checked field by field."""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    WithJsonSchema,
    model_validator,
)

from qoslab.domains.prediction.deploy.kept import MOST_CHARACTERS, MOST_PARAMETERS
from qoslab.domains.prediction.sizes import LARGEST, MEASUREMENT, SMALLEST

__all__ = ["Batch", "Bounds", "Measured", "Measurements", "Pair", "Question", "Wanted"]

MOST_PAIRS = 1000
MOST_SERVICES = 1000

Id = Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)]


def _place(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63:
        return value
    if isinstance(value, str) and 0 < len(value) <= MOST_CHARACTERS:
        return value
    message = "it is a word, or a code, which is a whole number from 0 on"
    raise ValueError(message)


def _possible(value: float) -> float:
    if not 0 <= value <= LARGEST:
        message = f"it is {value:g}; {MEASUREMENT}, and a missing one is left out"
        raise ValueError(message)
    return value if value >= SMALLEST else 0.0  # no refusal: earlier versions acknowledged and kept such


_FORMS = [{"type": "integer", "minimum": 0}, {"type": "string", "minLength": 1, "maxLength": MOST_CHARACTERS}]

Place = Annotated[int | str, PlainValidator(_place), WithJsonSchema({"anyOf": _FORMS})]
Codes = Annotated[dict[str, Place], Field(max_length=16)]
Value = Annotated[float, AfterValidator(_possible)]
Level = Annotated[float, Field(ge=0.5, lt=1)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)


class Pair(_Part):
    """One user and one service."""

    user: Id = Field(description="id of the user")
    service: Id = Field(description="id of the service")
    user_context: Codes | None = Field(
        None,
        description="words (codes where there are none) of a user who may be unknown; {} asks for the population's",
    )
    service_context: Codes | None = Field(None, description="the same for the service")


class Question(Pair):
    """A single question."""

    level: Level | None = Field(None, description="probability of the intervals; the model's own by default")


class Batch(_Part):
    """Several questions at once."""

    pairs: list[Pair] = Field(min_length=1, max_length=MOST_PAIRS, description="users and services")
    level: Level | None = Field(None, description="probability of the intervals; the model's own by default")


class Bounds(_Part):
    """Limits on one parameter."""

    at_most: float | None = Field(None, description="values up to here are good")
    at_least: float | None = Field(None, description="values from here on are good")

    @model_validator(mode="after")
    def _one(self) -> Bounds:
        if self.at_most is None and self.at_least is None:
            message = "at_most or at_least is needed"
            raise ValueError(message)
        if self.at_most is not None and self.at_least is not None and self.at_least > self.at_most:
            message = f"nothing is at_least {self.at_least:g} and at_most {self.at_most:g}"
            raise ValueError(message)
        return self


class Wanted(_Part):
    """Which services a user had best take."""

    user: Id = Field(description="id of the user")
    user_context: Codes | None = Field(
        None, description="words (codes where there are none) of a user who may be unknown"
    )
    limits: dict[str, Bounds] = Field(
        min_length=1, max_length=MOST_PARAMETERS, description="limits by parameter"
    )
    k: int = Field(10, ge=1, le=MOST_SERVICES, description="how many services")


class Measured(Pair):
    """One measurement."""

    values: dict[str, Value] = Field(
        min_length=1, max_length=MOST_PARAMETERS, description="values by parameter"
    )


class Measurements(_Part):
    """Measurements to take in."""

    measurements: list[Measured] = Field(min_length=1, max_length=MOST_PAIRS, description="what was measured")
    id: str | None = Field(
        None,
        min_length=1,
        max_length=200,
        description="name of this delivery: one that was taken in before is not taken in again",
    )
