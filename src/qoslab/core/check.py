"""One line of `qoslab verify`: an expected figure, the figure we got, and whether they agree."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Check", "Status"]

Status = Literal["pass", "fail", "not run"]


@dataclass(frozen=True)
class Check:
    """A comparison of the laboratory with the truth.

    Attributes:
        name: What is checked, such as `M/M/8 mean response time, rho = 0.8`.
        source: Where the expected figure comes from: a closed form with its reference, a published table.
        expected: The expected figure; None for a check that is not a number.
        got: Our figure; None where the check did not run.
        low: Lower end of what is accepted, or of the interval around `got`.
        high: Upper end of the same.
        status: The judgement.
        note: Anything a reader must know; for `not run`, the command that makes it run.
    """

    name: str
    source: str
    expected: float | None
    got: float | None
    low: float | None
    high: float | None
    status: Status
    note: str = ""

    @classmethod
    def within(
        cls, name: str, source: str, *, expected: float, got: float, low: float, high: float, note: str = ""
    ) -> Check:
        """A check that passes where `got` lies between `low` and `high`."""
        status: Status = "pass" if low <= got <= high else "fail"
        return cls(name, source, expected, got, low, high, status, note)

    @classmethod
    def not_run(cls, name: str, source: str, *, expected: float | None, note: str) -> Check:
        """A check that lacks its data or an extra; `note` is the command that gets it."""
        return cls(name, source, expected, None, None, None, "not run", note)
