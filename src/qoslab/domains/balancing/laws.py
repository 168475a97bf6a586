"""Laws of positive times: sizes of requests, times between arrivals, think times."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, model_validator

from qoslab.core.scenario import DatasetName, InputFile, Part

__all__ = [
    "Deterministic",
    "Empirical",
    "Erlang",
    "Exponential",
    "Hyperexponential",
    "Law",
    "Lognormal",
    "Pareto",
    "Uniform",
]

_SHORTEST, _LONGEST = 1e-9, 1e9
"""Bounds of means, s: response times are counted from 1e-12 to 1e12 s, a thousand times beyond."""
_MEAN = Field(1.0, ge=_SHORTEST, le=_LONGEST, description="mean, s")


class Exponential(Part):
    """Exponential with the given mean."""

    law: Literal["exponential"] = Field("exponential", description="which law this is")
    mean_s: float = _MEAN


class Deterministic(Part):
    """Always the same."""

    law: Literal["deterministic"] = Field("deterministic", description="which law this is")
    mean_s: float = _MEAN


class Erlang(Part):
    """Sum of `stages` exponentials: squared coefficient of variation 1 / stages."""

    law: Literal["erlang"] = Field("erlang", description="which law this is")
    mean_s: float = _MEAN
    stages: int = Field(2, ge=1, le=1000, description="number of exponential stages")


class Uniform(Part):
    """Uniform between two bounds."""

    law: Literal["uniform"] = Field("uniform", description="which law this is")
    low_s: float = Field(0.0, ge=0, description="lower bound, s")
    high_s: float = Field(2.0, ge=_SHORTEST, le=_LONGEST, description="upper bound, s")

    @model_validator(mode="after")
    def _ordered(self) -> Uniform:
        if self.low_s >= self.high_s:
            message = f"low_s = {self.low_s:g} must be below high_s = {self.high_s:g}"
            raise ValueError(message)
        return self

    @property
    def mean_s(self) -> float:
        """The mean, s."""
        return 0.5 * (self.low_s + self.high_s)


class Lognormal(Part):
    """Lognormal with the given mean and squared coefficient of variation."""

    law: Literal["lognormal"] = Field("lognormal", description="which law this is")
    mean_s: float = _MEAN
    scv: float = Field(4.0, gt=0, description="variance divided by the square of the mean")


class Hyperexponential(Part):
    """A mixture of two exponentials with balanced means: each contributes half of the mean."""

    law: Literal["hyperexponential"] = Field("hyperexponential", description="which law this is")
    mean_s: float = _MEAN
    scv: float = Field(4.0, gt=1, description="variance divided by the square of the mean")


class Pareto(Part):
    """Pareto, P(X > x) = (least / x)^shape, with the given mean; cut at `most` times the least where that is set."""

    law: Literal["pareto"] = Field("pareto", description="which law this is")
    mean_s: float = _MEAN
    shape: float = Field(
        1.5, gt=0, description="tail index; the variance is infinite up to 2, the mean up to 1"
    )
    most: float | None = Field(
        None, gt=1, description="largest value as a multiple of the least; none for no bound"
    )

    @model_validator(mode="after")
    def _mean_exists(self) -> Pareto:
        if self.most is None and self.shape <= 1:
            message = f"the mean is infinite with shape {self.shape:g}: take a shape above 1, or set `most`"
            raise ValueError(message)
        return self

    @property
    def least_s(self) -> float:
        """The least value, s, that gives the mean."""
        a, b = self.shape, self.most
        if b is None:
            return self.mean_s * (a - 1) / a
        weight = a / (1 - math.pow(b, -a))
        factor = math.log(b) if a == 1 else (1 - math.pow(b, 1 - a)) / (a - 1)
        return self.mean_s / (weight * factor)


class Empirical(Part):
    """A distribution from a file: two columns, value and cumulative share (0 to 1, or 0 to 100), linear between."""

    law: Literal["empirical"] = Field("empirical", description="which law this is")
    file: InputFile | None = Field(None, description="a text file of your own")
    dataset: DatasetName | None = Field(None, description="or a registered file, `DATASET/FILE`")
    mean_s: float = Field(
        1.0, ge=_SHORTEST, le=_LONGEST, description="mean, s, that the values are scaled to"
    )

    @model_validator(mode="after")
    def _one_source(self) -> Empirical:
        if (self.file is None) == (self.dataset is None):
            message = "give either `file` or `dataset`"
            raise ValueError(message)
        return self


Law = Annotated[
    Exponential | Deterministic | Erlang | Uniform | Lognormal | Hyperexponential | Pareto | Empirical,
    Field(discriminator="law"),
]
"""A law of positive times, chosen by its `law`."""
