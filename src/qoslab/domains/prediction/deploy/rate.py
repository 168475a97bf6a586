"""How many requests an address may make: token buckets."""

from __future__ import annotations

from collections import OrderedDict

__all__ = ["Rates"]

_MOST_CLIENTS = 10_000


class Rates:
    """One bucket of tokens for each client; one that is full again is forgotten first.

    Args:
        per_s: Tokens that a bucket gains per second.
        burst: Tokens that it holds at most.
    """

    def __init__(self, per_s: float, burst: float) -> None:
        self._per_s, self._burst = per_s, max(1.0, burst)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, client: str, now_s: float) -> float:
        """Take a token and return 0, or take none and return how long to wait for one.

        Args:
            client: Whose bucket.
            now_s: A clock that does not go back.
        """
        tokens, then = self._buckets.pop(client, (self._burst, now_s))
        tokens = min(self._burst, tokens + (now_s - then) * self._per_s)
        wait = max(0.0, (1.0 - tokens) / self._per_s)
        self._buckets[client] = (tokens if wait else tokens - 1.0, now_s)
        while len(self._buckets) > _MOST_CLIENTS:
            self._buckets.popitem(last=False)
        return wait
