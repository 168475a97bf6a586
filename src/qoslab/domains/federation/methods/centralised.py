"""Learning in one place from everybody's samples."""

from __future__ import annotations

from dataclasses import dataclass

from qoslab.core.method import method
from qoslab.domains.federation.network import FloatArray
from qoslab.domains.federation.strategy import Needs, Plain, Round, State

__all__ = ["Centralised"]


@method(
    "federation",
    "centralised",
    summary="gradient descent on all samples in one place",
    origin="ours",
)
@dataclass(frozen=True)
class Centralised(Plain):
    """What federation gives away: the clients' and the server's samples in one place.

    As many steps per round as all clients of a round take together, of the clients' size and batch. No parameters.
    """

    def needs(self) -> Needs:
        """Everybody's samples, before the first round."""
        return Needs(clients=False, pooled=True)

    def merge(self, state: State, seen: Round) -> tuple[FloatArray, State]:
        """One round."""
        return seen.learn(seen.model, 1.0), state
