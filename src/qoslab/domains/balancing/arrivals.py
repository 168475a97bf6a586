"""How requests arrive."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from qoslab.core.scenario import DatasetName, InputFile, Part
from qoslab.domains.balancing.laws import Exponential, Law

__all__ = ["Arrivals", "Closed", "Mmpp", "Poisson", "RateSeries", "Renewal", "Trace"]


class Poisson(Part):
    """Poisson arrivals at a constant rate, set by the scenario's `load` or `rate_per_s`."""

    kind: Literal["poisson"] = Field("poisson", description="which arrivals these are")


class Renewal(Part):
    """Independent times between arrivals of any law; its mean is set by the scenario's load."""

    kind: Literal["renewal"] = Field("renewal", description="which arrivals these are")
    gap: Law = Field(description="law of the time between arrivals; only its shape counts, not its mean")


class Mmpp(Part):
    """Markov-modulated Poisson: the rate jumps between states, the mean rate is set by the scenario's load."""

    kind: Literal["mmpp"] = Field("mmpp", description="which arrivals these are")
    rates: tuple[float, ...] = Field(
        (1.0, 5.0), min_length=2, max_length=64, description="rate of each state, relative to the others"
    )
    sojourns_s: tuple[float, ...] = Field(
        (10.0, 2.0), min_length=2, max_length=64, description="mean time in each state before the next, s"
    )

    @model_validator(mode="after")
    def _fits(self) -> Mmpp:
        if len(self.rates) != len(self.sojourns_s):
            message = (
                f"{len(self.rates)} rates, but {len(self.sojourns_s)} sojourns_s: give one for each state"
            )
            raise ValueError(message)
        if min(self.sojourns_s) <= 0 or min(self.rates) < 0 or max(self.rates) <= 0:
            message = "sojourns_s must be positive, rates not negative and not all zero"
            raise ValueError(message)
        return self


class RateSeries(Part):
    """Poisson arrivals whose rate follows a series, over and over; its mean is set by the scenario's load."""

    kind: Literal["rates"] = Field("rates", description="which arrivals these are")
    rates: tuple[float, ...] = Field((), description="the series itself, for short ones")
    file: InputFile | None = Field(
        None, description="or a text file of numbers, separated by spaces or lines"
    )
    dataset: DatasetName | None = Field(None, description="or a registered file, `DATASET/FILE`")
    step_s: float = Field(1.0, gt=0, description="time that each number stands for, s")
    start: int = Field(0, ge=0, description="first number of the series to use")
    count: int | None = Field(None, ge=1, description="how many numbers to use; none for all")

    @model_validator(mode="after")
    def _one_source(self) -> RateSeries:
        if sum([bool(self.rates), self.file is not None, self.dataset is not None]) != 1:
            message = "give exactly one of `rates`, `file` and `dataset`"
            raise ValueError(message)
        if self.rates and (min(self.rates) < 0 or max(self.rates) <= 0):
            message = "rates must not be negative, and not all zero"
            raise ValueError(message)
        return self


class Closed(Part):
    """A fixed population of clients; each thinks, sends a request, waits for its end, and thinks again.

    A run ends early, with the counter `stranded`, when all of them wait for servers that have failed for good.
    """

    kind: Literal["closed"] = Field("closed", description="which arrivals these are")
    clients: int = Field(10, ge=1, le=1_000_000, description="how many clients there are")
    think: Law = Field(Exponential(), description="law of the think time")


class Trace(Part):
    """Recorded arrivals: a CSV or Parquet file with a column of times and, where there is one, of sizes."""

    kind: Literal["trace"] = Field("trace", description="which arrivals these are")
    file: InputFile | None = Field(None, description="a file of your own")
    dataset: DatasetName | None = Field(None, description="or a registered file, `DATASET/FILE`")
    time: str = Field("time_s", description="column of arrival times: seconds, or timestamps")
    size: dict[str, float] | str | None = Field(
        None,
        description="column of sizes in s; or a table of columns and factors whose sum is the size; none to draw "
        "sizes from the scenario's law",
    )
    flow: str | None = Field(None, description="column whose equal values belong to one flow")
    scale: bool = Field(
        default=False,
        description="stretch the times so that the scenario's load is met; else they stand as recorded",
    )

    @model_validator(mode="after")
    def _one_source(self) -> Trace:
        if (self.file is None) == (self.dataset is None):
            message = "give either `file` or `dataset`"
            raise ValueError(message)
        return self


Arrivals = Annotated[
    Poisson | Renewal | Mmpp | RateSeries | Closed | Trace,
    Field(discriminator="kind"),
]
"""How requests arrive, chosen by `kind`."""
