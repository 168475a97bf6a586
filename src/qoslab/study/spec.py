"""The tables of a study file that are the same for every domain."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["MethodTable", "ReportTable", "SeriesKept", "StudyTable"]

SeriesKept = Literal["first", "all", "none"]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class StudyTable(_Table):
    """`[study]`: what is run."""

    name: str = Field(
        description="The study's name; it stands in every seed.",
        min_length=1,
        max_length=200,
        pattern=r"^[^/\x00-\x1f]+$",
    )
    domain: str = Field(description="The domain that the scenario and the methods belong to.", min_length=1)
    seeds: int = Field(
        default=20, description="Replications of every scenario and method.", ge=1, le=1_000_000
    )
    seed: int = Field(default=0, description="Root of all random numbers.", ge=0, lt=2**128)
    time_limit_s: float = Field(
        default=3600.0, description="Wall seconds that a trial may take before it is stopped.", gt=0
    )
    train_limit_s: float = Field(
        default=86400.0, description="Wall seconds that a training may take before it is stopped.", gt=0
    )
    series: SeriesKept = Field(
        default="first",
        description="Which replications keep their series for figures: the first of each scenario and method, "
        "all, or none.",
    )


class MethodTable(_Table):
    """The keys of `[[method]]` that are no parameters."""

    id: str = Field(description="The method's name.", min_length=1)
    file: str | None = Field(
        default=None, description="The Python file of a method of your own.", min_length=1
    )
    label: str | None = Field(
        default=None, description="Its name in tables and figures.", min_length=1, max_length=200
    )


class ReportTable(_Table):
    """`[report]`: what is asked of the results."""

    metric: str | None = Field(
        default=None, description="The metric to judge by; the domain's first by default."
    )
    baseline: str | None = Field(
        default=None, description="Label of the method that others are compared with."
    )
    precision: float | None = Field(
        default=None, description="Relative half-width of the interval at which a run may stop.", gt=0, lt=1
    )
    level: float = Field(default=0.95, description="Confidence level of every interval.", gt=0.5, lt=1)
    title: str | None = Field(default=None, description="Title of the report.")
    question: str | None = Field(default=None, description="The question in your own words.")
