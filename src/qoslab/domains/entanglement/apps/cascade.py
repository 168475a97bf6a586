"""Cascade: reconcile two keys by parities (Brassard and Salvail, Eurocrypt 1993); our reference instance."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["reconcile"]

Bits = NDArray[np.uint8]
IntArray = NDArray[np.int64]

_FIRST_BLOCK = 0.73
"""First block size times the error rate."""


def reconcile(
    alice: Bits, bob: Bits, error_rate: float, rng: np.random.Generator, passes: int = 4
) -> tuple[Bits, int]:
    """Bob's key after Cascade.

    The first pass cuts the key into blocks of 0.73 / Q bits, each further one shuffles it and doubles them. In a
    block of odd parity a binary search mends one bit; every earlier block that holds it is then odd again and is
    searched in its turn, the shortest first.

    Args:
        alice: Her key, shape (n,).
        bob: His key, shape (n,).
        error_rate: Estimate of their difference.
        rng: The public shuffles.
        passes: How many.

    Returns:
        His corrected key, and how many parities Alice made public.
    """
    search = _Search(alice, bob)
    size = max(1, math.ceil(_FIRST_BLOCK / max(error_rate, _FIRST_BLOCK / max(len(bob), 1))))
    for number in range(passes if len(bob) else 0):
        order = np.arange(len(bob)) if number == 0 else rng.permutation(len(bob))
        first = len(search.blocks)
        search.add(order, min(size << number, len(bob)))
        odd = {block for block in range(first, len(search.blocks)) if search.is_odd(block)}
        while odd:
            block = min(odd, key=lambda each: (len(search.blocks[each]), each))
            odd ^= search.mend(block)
    return search.bob, search.leaked


class _Search:
    """Both keys, all blocks of all passes, and the parities told so far."""

    def __init__(self, alice: Bits, bob: Bits) -> None:
        self.alice, self.bob = alice, bob.copy()
        self.blocks: list[IntArray] = []
        self.places: list[IntArray] = []  # per pass: block of each bit
        self.leaked = 0

    def add(self, order: IntArray, size: int) -> None:
        """One more pass: blocks of one size over an order; Alice tells the parity of each."""
        place = np.empty(len(order), np.int64)
        place[order] = len(self.blocks) + np.arange(len(order)) // size
        self.places.append(place)
        fresh = [order[start : start + size] for start in range(0, len(order), size)]
        self.blocks += fresh
        self.leaked += len(fresh)

    def is_odd(self, block: int) -> bool:
        """Whether the keys differ in an odd number of this block's bits."""
        return self._differs(self.blocks[block])

    def mend(self, block: int) -> set[int]:
        """Flip one wrong bit of an odd block; the blocks whose parity has changed by that."""
        bits = self.blocks[block]
        while len(bits) > 1:
            half = bits[: len(bits) // 2]
            self.leaked += 1
            bits = half if self._differs(half) else bits[len(half) :]
        self.bob[bits[0]] ^= 1
        return {int(place[bits[0]]) for place in self.places}

    def _differs(self, bits: IntArray) -> bool:
        return bool(np.bitwise_xor.reduce(self.alice[bits] ^ self.bob[bits]))
