"""What was computed for the questions asked for last."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

__all__ = ["Remembered"]

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class Remembered(Generic[_Key, _Value]):
    """Values by key, computed where they are not there; the one asked for longest ago goes first.

    Safe to use from several threads: nobody waits for a value of another key, and two who ask for one at once may both
    compute it.

    Args:
        most: How many values are kept.
    """

    def __init__(self, most: int) -> None:
        self._most, self._found, self._lock = most, dict[_Key, _Value](), Lock()

    def __len__(self) -> int:
        """How many values are kept."""
        return len(self._found)

    def of(self, key: _Key, compute: Callable[[], _Value]) -> _Value:
        """The value of a key.

        Args:
            key: What is asked for.
            compute: Gives the value where it is not remembered.
        """
        with self._lock:
            if key in self._found:
                self._found[key] = self._found.pop(key)
                return self._found[key]
        value = compute()
        with self._lock:
            self._found.pop(key, None)
            while len(self._found) >= self._most:
                del self._found[next(iter(self._found))]
            self._found[key] = value
        return value
