"""The path whose swap order is planned, as a file states it and as the planner sees it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationInfo, field_validator

from qoslab.core.scenario import Part

__all__ = ["Goal", "PathFile", "SwapLink", "SwapPath"]

Objective = Literal["pairs", "secret_key", "distillable"]
Chance = Annotated[float, Field(gt=0, le=1)]


class LinkTable(Part):
    """One link of a path, from left to right."""

    attempts: int = Field(ge=1, description="attempts in one slot, over all its channels")
    success: float = Field(gt=0, le=1, description="probability that one attempt gives a pair")
    fidelity: float = Field(1.0, ge=0.25, le=1, description="fidelity of a fresh pair (Werner)")
    length_km: float = Field(0.0, ge=0, description="length; it delays heralds where memories decay")


class PathFile(Part):
    """A path of links and repeaters, with what its end-to-end pairs must be good for."""

    link: tuple[LinkTable, ...] = Field(min_length=1, description="the links, from left to right")
    swap_success: Chance | tuple[Chance, ...] = Field(
        0.5, description="probability that a swap succeeds, one for all or one per repeater"
    )
    swap_fidelity: float = Field(
        1.0, gt=0, le=1, description="factor by which a swap's own noise shrinks the Werner parameter"
    )
    swap_delay_s: float = Field(0.0, ge=0, description="how long a swap takes")
    coherence_time_s: float | None = Field(
        None, gt=0, description="decay time of each memory; left out where memories are perfect"
    )
    speed_km_per_s: float = Field(200_000.0, gt=0, description="speed of heralds")
    objective: Objective = Field("pairs", description="what an end-to-end pair counts for")
    minimum_fidelity: float = Field(0.0, ge=0, le=1, description="pairs below it count for nothing")
    purification_rounds: int = Field(
        0, ge=0, le=4, description="most rounds of purification that a segment may get"
    )

    @field_validator("swap_success")
    @classmethod
    def _swaps_fit(cls, given: float | tuple[float, ...], info: ValidationInfo) -> float | tuple[float, ...]:
        links = info.data.get("link")
        if isinstance(given, tuple) and links is not None and len(given) != len(links) - 1:
            message = f"has {len(given)} values for {len(links) - 1} repeaters"
            raise ValueError(message)
        return given

    def path(self) -> SwapPath:
        """The path as the planner sees it."""
        q = self.swap_success
        swaps = q if isinstance(q, tuple) else (q,) * (len(self.link) - 1)
        links = tuple(
            SwapLink(link.attempts, link.success, (4 * link.fidelity - 1) / 3, link.length_km)
            for link in self.link
        )
        decay = 0.0 if self.coherence_time_s is None else 2.0 / self.coherence_time_s
        return SwapPath(links, swaps, self.swap_fidelity, self.swap_delay_s, decay, 1.0 / self.speed_km_per_s)

    def goal(self) -> Goal:
        """What end-to-end pairs count for."""
        return Goal(self.objective, self.minimum_fidelity, self.purification_rounds)


@dataclass(frozen=True)
class SwapLink:
    """A link.

    Attributes:
        attempts: Attempts in a slot, w_i.
        success: Probability that an attempt succeeds, p_i.
        werner: Werner parameter of a fresh pair, in [0, 1].
        length_km: Its length.
    """

    attempts: int
    success: float
    werner: float = 1.0
    length_km: float = 0.0


@dataclass(frozen=True)
class SwapPath:
    """A path of n + 1 links and n repeaters.

    Attributes:
        links: From left to right.
        swaps: Success probability of each repeater's swap, from left to right.
        gate: Factor of the Werner parameter per swap and per purification.
        swap_delay_s: Duration of a swap.
        decay_per_s: Rate at which a waiting pair's Werner parameter falls: 2 / T for two memories.
        herald_s_per_km: Time that news of a swap takes.
    """

    links: tuple[SwapLink, ...]
    swaps: tuple[float, ...]
    gate: float = 1.0
    swap_delay_s: float = 0.0
    decay_per_s: float = 0.0
    herald_s_per_km: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a path whose parts do not fit.

        Raises:
            ValueError: There is not one repeater fewer than links.
        """
        if len(self.swaps) != len(self.links) - 1:
            message = f"{len(self.links)} links need {len(self.links) - 1} repeaters, not {len(self.swaps)}"
            raise ValueError(message)

    @property
    def repeaters(self) -> int:
        """How many repeaters there are."""
        return len(self.swaps)

    @property
    def ages(self) -> bool:
        """Whether waiting costs fidelity."""
        return self.decay_per_s > 0

    @cached_property
    def places_km(self) -> NDArray[np.float64]:
        """Distance of each node from the left end, shape (links + 1,)."""
        return np.concatenate([[0.0], np.cumsum([link.length_km for link in self.links])])

    def herald_s(self, i: Any, k: Any, j: Any) -> Any:
        """Time from a swap at node k until both ends i < k < j know of it; elementwise."""
        at = self.places_km
        return np.maximum(at[k] - at[i], at[j] - at[k]) * self.herald_s_per_km

    def joined(self, herald_s: Any, left: Any, left_s: Any, right: Any, right_s: Any) -> tuple[Any, Any]:
        """Werner parameter and time of a joined segment: the earlier pair waits, then all wait for the herald.

        Args:
            herald_s: Time that the news takes to the farther end.
            left: Werner parameter of the left segment's pairs.
            left_s: When they were known to both of its ends.
            right: The same of the right segment.
            right_s: The same of the right segment.
        """
        if not self.ages:
            return left * right * self.gate, 0.0 * left_s
        start = np.maximum(left_s, right_s)
        end = start + self.swap_delay_s + herald_s
        waited = (start - left_s) + (start - right_s) + (end - start)
        return left * right * self.gate * np.exp(-self.decay_per_s * waited), end

    def told_s(self, i: Any, j: Any) -> Any:
        """Time that purification of the segment i..j takes: one message along it."""
        return (self.places_km[j] - self.places_km[i]) * self.herald_s_per_km * self.ages


@dataclass(frozen=True)
class Goal:
    """What an end-to-end pair counts for.

    Attributes:
        objective: `pairs` counts each one; `secret_key` counts 1 - 2 h(Q) bits of BB84, Q = (1 - w) / 2;
            `distillable` counts the hashing bound of a Werner pair.
        minimum_fidelity: Pairs below it count for nothing.
        purification_rounds: Most rounds of purification of a segment.
    """

    objective: Objective = "pairs"
    minimum_fidelity: float = 0.0
    purification_rounds: int = 0

    @property
    def blind(self) -> bool:
        """Whether fidelity plays no part."""
        return self.objective == "pairs" and self.minimum_fidelity <= 0
