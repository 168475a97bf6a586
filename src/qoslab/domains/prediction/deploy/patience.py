"""Connections that ask nothing are closed: else a few hundred of them would keep everybody else out."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

__all__ = ["impatient"]

if TYPE_CHECKING:
    _Base = Any
else:
    _Base = AutoHTTPProtocol


def impatient(silence_s: float) -> type[asyncio.Protocol]:
    """The HTTP protocol, for connections that may be without a request that long.

    uvicorn's `timeout_keep_alive` begins after the first answer and ends with the first byte of the next request.

    Args:
        silence_s: Time from the connection, or from an answer, to the whole head of the next request; up to twice that.
    """

    class Impatient(_Base):  # type: ignore[misc]
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._look_again(None)

        def connection_lost(self, exc: Exception | None) -> None:
            self._watch.cancel()
            super().connection_lost(exc)

        def _look_again(self, seen: Any) -> None:
            self._watch = self.loop.call_later(silence_s, self._look, seen)

        def _look(self, seen: Any) -> None:
            done = self.cycle is None or self.cycle.response_complete
            if done and self.cycle is seen:
                self.transport.close()
            else:
                self._look_again(self.cycle)

    return Impatient
