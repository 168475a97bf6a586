"""The path whose swap order is planned, as a file states it and as the planner sees it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationInfo, field_validator

from qoslab.core.scenario import Part

__all__ = ["Goal", "PathFile", "SwapLink", "SwapPath"]

Objective = Literal["pairs", "secret_key", "distillable"]
Chance = Annotated[float, Field(gt=0, le=1)]
Delay = Annotated[float, Field(ge=0)]


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
    swap_delay_s: Delay | tuple[Delay, ...] = Field(
        0.0,
        description="how long a swap takes, one for all or one per repeater; it counts where there is a `slot_s` or a "
        "`coherence_time_s`",
    )
    slot_s: float | None = Field(
        None,
        gt=0,
        description="time for attempts and swaps together: attempts are those of a slot whose swaps take no time, and "
        "swaps that are over later than the slowest link's first pair take their share of it; left out: they take none",
    )
    coherence_time_s: float | None = Field(
        None, gt=0, description="decay time of each memory; left out where memories are perfect"
    )
    speed_km_per_s: float = Field(200_000.0, gt=0, description="speed of heralds")
    objective: Objective = Field("pairs", description="what an end-to-end pair counts for")
    minimum_fidelity: float = Field(0.0, ge=0, le=1, description="pairs below it count for nothing")
    purification_rounds: int = Field(
        0, ge=0, le=4, description="most rounds of purification that a segment may get"
    )

    @field_validator("swap_success", "swap_delay_s")
    @classmethod
    def _one_per_repeater(
        cls, given: float | tuple[float, ...], info: ValidationInfo
    ) -> float | tuple[float, ...]:
        links = info.data.get("link")
        if isinstance(given, tuple) and links is not None and len(given) != len(links) - 1:
            message = f"has {len(given)} values for {len(links) - 1} repeaters"
            raise ValueError(message)
        return given

    def path(self) -> SwapPath:
        """The path as the planner sees it."""
        swaps, delays = (
            given if isinstance(given, tuple) else (given,) * (len(self.link) - 1)
            for given in (self.swap_success, self.swap_delay_s)
        )
        links = tuple(
            SwapLink(link.attempts, link.success, (4 * link.fidelity - 1) / 3, link.length_km)
            for link in self.link
        )
        decay = 0.0 if self.coherence_time_s is None else 2.0 / self.coherence_time_s
        herald, slot = 1.0 / self.speed_km_per_s, self.slot_s
        first = () if slot is None else tuple(slot / (each.attempts * each.success) for each in links)
        return SwapPath(links, swaps, self.swap_fidelity, delays, decay, herald, slot, first)

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
        swap_delays_s: Duration of each repeater's swap; empty where swaps take no time.
        decay_per_s: Rate at which a waiting pair's Werner parameter falls: 2 / T for two memories.
        herald_s_per_km: Time that news of a swap takes.
        slot_s: Time for attempts and swaps together, see `within`; None where swaps take none of it.
        first_s: Mean time to the first pair of each link, when a swap may begin; empty where all are there at once.
    """

    links: tuple[SwapLink, ...]
    swaps: tuple[float, ...]
    gate: float = 1.0
    swap_delays_s: tuple[float, ...] = ()
    decay_per_s: float = 0.0
    herald_s_per_km: float = 0.0
    slot_s: float | None = None
    first_s: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a path whose parts do not fit.

        Raises:
            ValueError: There is not one repeater fewer than links, one delay per repeater, one first time per link.
        """
        if len(self.swaps) != len(self.links) - 1:
            message = f"{len(self.links)} links need {len(self.links) - 1} repeaters, not {len(self.swaps)}"
            raise ValueError(message)
        if len(self.swap_delays_s) not in (0, len(self.swaps)):
            message = f"{len(self.swaps)} repeaters have {len(self.swap_delays_s)} delays"
            raise ValueError(message)
        if len(self.first_s) not in (0, len(self.links)):
            message = f"{len(self.links)} links have {len(self.first_s)} times to a first pair"
            raise ValueError(message)

    @property
    def repeaters(self) -> int:
        """How many repeaters there are."""
        return len(self.swaps)

    @property
    def ages(self) -> bool:
        """Whether waiting costs fidelity."""
        return self.decay_per_s > 0

    @property
    def timed(self) -> bool:
        """Whether the time that an order takes matters."""
        return self.ages or self.slot_s is not None

    @cached_property
    def places_km(self) -> NDArray[np.float64]:
        """Distance of each node from the left end, shape (links + 1,)."""
        return np.concatenate([[0.0], np.cumsum([link.length_km for link in self.links])])

    @cached_property
    def _delays_s(self) -> NDArray[np.float64]:
        """How long the swap of each node takes, 0 at the ends, s, shape (links + 1,)."""
        return np.array([0.0, *(self.swap_delays_s or (0.0,) * self.repeaters), 0.0])

    def word_s(self, i: Any, k: Any, j: Any) -> Any:
        """Time from when node k begins its swap until both ends i < k < j know of it; elementwise."""
        at = self.places_km
        herald = np.maximum(at[k] - at[i], at[j] - at[k]) * self.herald_s_per_km
        return self._delays_s[k] + herald

    def joined(self, word_s: Any, left: Any, left_s: Any, right: Any, right_s: Any) -> tuple[Any, Any]:
        """Werner parameter and time of a joined segment: the earlier pair waits, then all wait for swap and herald.

        Args:
            word_s: Time that the swap takes, and then its news to the farther end.
            left: Werner parameter of the left segment's pairs.
            left_s: When they were known to both of its ends.
            right: The same of the right segment.
            right_s: The same of the right segment.
        """
        if not self.timed:
            return left * right * self.gate, 0.0 * left_s
        start = np.maximum(left_s, right_s)
        end = start + word_s
        waited = (start - left_s) + (start - right_s) + (end - start)
        return left * right * self.gate * np.exp(-self.decay_per_s * waited), end

    @cached_property
    def start_s(self) -> NDArray[np.float64]:
        """When each link has its first pair, s, shape (links,); 0 where time does not matter."""
        return np.array(self.first_s if self.timed and self.first_s else (0.0,) * len(self.links))

    def within(self, ready_s: float) -> SwapPath:
        """The path with the attempts that swaps leave in a slot: none where they leave no time.

        Swaps of the first pairs go on while slower links still try; only what they take beyond that is lost.

        Args:
            ready_s: When the first pairs of all links are joined, s.
        """
        if self.slot_s is None:
            return self
        share = max(0.0, 1.0 - (ready_s - float(self.start_s.max())) / self.slot_s)
        return replace(
            self, links=tuple(replace(each, attempts=round(each.attempts * share)) for each in self.links)
        )

    def told_s(self, i: Any, j: Any) -> Any:
        """Time that purification of the segment i..j takes: one message along it."""
        return (self.places_km[j] - self.places_km[i]) * self.herald_s_per_km * self.timed


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
