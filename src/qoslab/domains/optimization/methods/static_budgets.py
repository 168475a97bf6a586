"""Budgets that are fixed beforehand and never negotiated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field

from qoslab.agents.message import FloatArray, Message, MessageType
from qoslab.agents.program import Own, State
from qoslab.core.errors import BadInput, Problem
from qoslab.core.method import method

__all__ = ["StaticBudgets"]


@method(
    "optimization",
    "static_budgets",
    summary="each shared constraint is divided beforehand, and nothing is said",
    origin="ours",
)
@dataclass(frozen=True)
class StaticBudgets:
    """What today's contracts do: every shared constraint is divided beforehand among those it involves.

    x_i is as large as the smallest of its parts allows, within its box and its capacity. Nothing is sent and nothing is
    agreed anew, whatever happens to the costs; budgets for which a degraded agent has no capacity left it exceeds as
    little as it can.

    Attributes:
        first_share: Part of each constraint that its first agent gets, the core of an end-to-end path.
            The others divide the rest equally. 0 gives equal parts to all.
    """

    first_share: Annotated[float, Field(ge=0, lt=1)] = 0.0

    decision: ClassVar[str] = "own"
    projects: ClassVar[bool] = True

    def message(self, own: Own) -> MessageType:  # noqa: ARG002
        """Nothing."""
        return MessageType(())

    def start(self, own: Own) -> State:
        """The parts.

        Raises:
            BadInput: A constraint mixes signs or entries, so that it cannot be divided without talking.
        """
        coupled = own.data.coupled
        if (coupled.share < 0).any() or ((coupled.share != 0).sum(axis=2) > 1).any():
            message = (
                "a shared constraint is not a sum of one entry of each agent: it cannot be divided beforehand"
            )
            raise BadInput(Problem(field="scenario.problem", message=message))
        part = self._parts(own)[:, :, None]
        with np.errstate(divide="ignore"):
            room = np.where(coupled.share > 0, part / coupled.share, np.inf).min(axis=1)
        return {"x": coupled.project(np.where(np.isfinite(room), room, coupled.high))}

    def say(self, state: State, own: Own) -> Message:  # noqa: ARG002
        """Nothing."""
        return {}

    def hear(self, state: State, heard: Message, own: Own, k: int) -> State:  # noqa: ARG002
        """Nothing changes but what can no longer be kept."""
        return {"x": own.data.coupled_in(k).project(state["x"])}

    def _parts(self, own: Own) -> FloatArray:
        """What each agent may use of each constraint, shape (rows, m)."""
        terms = own.data.terms
        if self.first_share == 0:
            return np.asarray(np.broadcast_to(terms.goals / terms.parties, terms.leads.shape), np.float64)
        rest = (1.0 - self.first_share) * terms.goals / np.maximum(terms.parties - 1.0, 1.0)
        return np.asarray(np.where(terms.leads, self.first_share * terms.goals, rest))
