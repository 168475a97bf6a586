"""Hashing of flows and servers, the same in compiled and plain runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from qoslab.engine.kernel import kernel

__all__ = ["hash_bits", "hash_unit"]

_WORD = 0xFFFF_FFFF_FFFF_FFFF
_GOLDEN, _FIRST, _SECOND = 0x9E37_79B9_7F4A_7C15, 0xBF58_476D_1CE4_E5B9, 0x94D0_49BB_1331_11EB
_G64, _F64, _S64 = np.uint64(_GOLDEN), np.uint64(_FIRST), np.uint64(_SECOND)
_U1, _U27, _U30, _U31, _U64 = (np.uint64(n) for n in (1, 27, 30, 31, 64))
_UNIT = 2.0**-53


def _compiled_mixed(word: Any) -> Any:
    word = (word ^ (word >> _U30)) * _F64
    word = (word ^ (word >> _U27)) * _S64
    return word ^ (word >> _U31)


@kernel(inline=True, twin=_compiled_mixed)
def _mixed(word: int) -> int:
    """The finalizer of SplitMix64 (Steele, Lea and Flood 2014): a bijection of 64 bits."""
    word = ((word ^ (word >> 30)) * _FIRST) & _WORD
    word = ((word ^ (word >> 27)) * _SECOND) & _WORD
    return word ^ (word >> 31)


def _compiled_hash_bits(key: int, salt: int, count: int) -> np.int64:
    word: Any = _mixed(np.uint64(key) + _G64)  # type: ignore[arg-type]
    word = _mixed(word + _G64 * (np.uint64(salt) + _U1))
    return np.int64(word >> (_U64 - np.uint64(count)))


@kernel(inline=True, twin=_compiled_hash_bits)
def hash_bits(key: int, salt: int, count: int) -> int:
    """A number of `count` bits, 1 <= count <= 63, that depends on key and salt alone.

    Args:
        key: What is hashed, such as a flow, from 0 to 2**63 - 1.
        salt: Which hash function, from 0 to 2**63 - 1; those of two salts are as good as independent.
        count: How many bits.
    """
    first = _mixed((int(key) + _GOLDEN) & _WORD)
    return _mixed((first + _GOLDEN * (int(salt) + 1)) & _WORD) >> (64 - count)


@kernel(inline=True)
def hash_unit(key: int, salt: int) -> float:
    """A number strictly between 0 and 1, in steps of 2**-53, that depends on key and salt alone."""
    return (hash_bits(key, salt, 52) + 0.5) * (2.0 * _UNIT)
