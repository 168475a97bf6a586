"""Learning without clients."""

from __future__ import annotations

from dataclasses import dataclass

from qoslab.core.method import method
from qoslab.domains.federation.network import FloatArray
from qoslab.domains.federation.strategy import Needs, Plain, Round, State

__all__ = ["ServerOnly"]


@method(
    "federation",
    "server_only",
    summary="gradient descent on the server's samples alone",
    origin="ours",
)
@dataclass(frozen=True)
class ServerOnly(Plain):
    """K_0 steps of size eta_0 on the server's samples per round; what clients must beat. No parameters."""

    def needs(self) -> Needs:
        """Nothing of the clients."""
        return Needs(clients=False)

    def merge(self, state: State, seen: Round) -> tuple[FloatArray, State]:
        """One round."""
        return seen.learn(seen.model, 1.0), state
