# mypy: disable-error-code="no-any-return"
"""Random streams that run inside kernels: SFC64 words, numpy's ziggurats, one small array per stream.

A stream is a uint64 array of 4 words (the state of Doty-Humphrey's SFC64); a bank of streams is an array of shape
(count, 4). Numpy seeds them and is the reference: `uniform`, `exponential` and `normal` give, bit for bit, what
`numpy.random.Generator(SFC64(seed))` gives from `random`, `standard_exponential` and `standard_normal`.

SFC64 and not a counter-based generator, by measurement: inside an event loop a Philox draw costs five times as much.
The rows of a bank are keyed by counter: row i is made from words 3i to 3i + 2 of a Philox generator, whatever the
count.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qoslab.engine.kernel import kernel

__all__ = [
    "Stream",
    "bits",
    "exponential",
    "gamma",
    "high_bits",
    "integers",
    "low_bits",
    "normal",
    "stream",
    "streams",
    "uniform",
]

Stream = NDArray[np.uint64]

_WORD = 0xFFFF_FFFF_FFFF_FFFF
_U1, _U3, _U11, _U24, _U40, _U64 = (np.uint64(n) for n in (1, 3, 11, 24, 40, 64))
_UNIT = 2.0**-53


def _ziggurat() -> tuple[
    NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.int64], Any, Any
]:
    """Numpy's own tables, 256 layers: bounds, widths and densities for exponential, the same for normal."""
    table = np.load(Path(__file__).with_name("ziggurat.npy"), allow_pickle=False)
    real = table.view(np.float64)
    whole = table.astype(np.int64)
    return whole[0].copy(), real[1].copy(), real[2].copy(), whole[3].copy(), real[4].copy(), real[5].copy()


_EXP_BOUND, _EXP_WIDTH, _EXP_DENSITY, _NORMAL_BOUND, _NORMAL_WIDTH, _NORMAL_DENSITY = _ziggurat()
_EXP_TAIL = 7.69711747013104972
_NORMAL_TAIL = 3.6541528853610087963519472518
_NORMAL_TAIL_INVERSE = 0.27366123732975827203338247596


def stream(seed: np.random.SeedSequence | int) -> Stream:
    """One stream in the state that `numpy.random.SFC64(seed)` starts from.

    Args:
        seed: Where it comes from; a `SeedSequence` keyed by names in any real study.

    Returns:
        State, uint64, shape (4,); draws change it in place.
    """
    state: Stream = np.random.SFC64(seed).state["state"]["state"].astype(np.uint64)
    return state


def streams(seed: np.random.SeedSequence | int, count: int) -> Stream:
    """A bank of independent streams, one per link, server or agent; 10**5 of them take some milliseconds.

    Args:
        seed: Where they come from.
        count: How many; row i is the same whatever the count.

    Returns:
        States, uint64, shape (count, 4); `bank[i]` is a stream.
    """
    keys = np.random.Philox(seed).random_raw(3 * count).reshape(count, 3)
    bank = np.empty((count, 4), np.uint64)
    bank[:, :3], bank[:, 3] = keys, 1
    for _ in range(12):  # as many rounds as numpy runs after seeding
        a, b, c, d = bank.T.copy()
        word = a + b + d
        bank.T[:] = b ^ (b >> _U11), c + (c << _U3), ((c << _U24) | (c >> _U40)) + word, d + _U1
    return bank


def _compiled_bits(s: Stream) -> Any:
    a, b, c, d = s[0], s[1], s[2], s[3]
    word = a + b + d
    s[0] = b ^ (b >> _U11)
    s[1] = c + (c << _U3)
    s[2] = ((c << _U24) | (c >> _U40)) + word
    s[3] = d + _U1
    return word


@kernel(inline=True, twin=_compiled_bits)
def bits(s: Stream) -> int:
    """The next 64 random bits (SFC64, Doty-Humphrey 2010), an int in plain runs and a uint64 in compiled ones."""
    a, b, c, d = int(s[0]), int(s[1]), int(s[2]), int(s[3])
    word = (a + b + d) & _WORD
    s[0] = b ^ (b >> 11)
    s[1] = (c + (c << 3)) & _WORD
    s[2] = (((c << 24) | (c >> 40)) + word) & _WORD
    s[3] = (d + 1) & _WORD
    return word


def _compiled_high_bits(s: Stream, count: int) -> np.int64:
    return np.int64(bits(s) >> (_U64 - np.uint64(count)))


@kernel(inline=True, twin=_compiled_high_bits)
def high_bits(s: Stream, count: int) -> int:
    """The highest `count` of the next 64 bits, 1 <= count <= 63, as a number from 0 to 2**count - 1."""
    return bits(s) >> (64 - count)


def _compiled_low_bits(s: Stream, count: int) -> np.int64:
    return np.int64(bits(s) & ((_U1 << np.uint64(count)) - _U1))


@kernel(inline=True, twin=_compiled_low_bits)
def low_bits(s: Stream, count: int) -> int:
    """The lowest `count` of the next 64 bits, 1 <= count <= 63, as a number from 0 to 2**count - 1."""
    return bits(s) & ((1 << count) - 1)


@kernel(inline=True)
def uniform(s: Stream) -> float:
    """Uniform on [0, 1), a multiple of 2**-53."""
    return high_bits(s, 53) * _UNIT


@kernel
def _exponential_rest(s: Stream, layer: int, x: float) -> float:
    """What the ziggurat does in 1.1 % of draws: the wedges and the tail."""
    while True:
        if layer == 0:
            return _EXP_TAIL - math.log1p(-uniform(s))
        height = (_EXP_DENSITY[layer - 1] - _EXP_DENSITY[layer]) * uniform(s) + _EXP_DENSITY[layer]
        if height < math.exp(-x):
            return x
        word = high_bits(s, 61)
        layer = word & 255
        place = word >> 8
        x = place * _EXP_WIDTH[layer]
        if place < _EXP_BOUND[layer]:
            return x


@kernel(inline=True)
def exponential(s: Stream) -> float:
    """Exponential with mean 1 (ziggurat, Marsaglia and Tsang 2000; exact in law up to 53-bit rounding)."""
    word = high_bits(s, 61)
    layer = word & 255
    place = word >> 8
    x = place * _EXP_WIDTH[layer]
    if place < _EXP_BOUND[layer]:
        return x
    return _exponential_rest(s, layer, x)


@kernel
def _normal_rest(s: Stream, word: int) -> float:
    """What the ziggurat does in 1.4 % of draws: the wedges and the tails."""
    while True:
        layer = word & 255
        negative = (word >> 8) & 1
        place = (word >> 9) & 0xF_FFFF_FFFF_FFFF
        x = place * _NORMAL_WIDTH[layer]
        if place >= _NORMAL_BOUND[layer]:
            if layer == 0:
                while True:
                    x = -_NORMAL_TAIL_INVERSE * math.log1p(-uniform(s))
                    y = -math.log1p(-uniform(s))
                    if y + y > x * x:
                        break
                x = _NORMAL_TAIL + x
                # numpy takes the tail's sign from another bit than the sign of the body
                return -x if (place >> 8) & 1 else x
            if negative:
                x = -x
            height = (_NORMAL_DENSITY[layer - 1] - _NORMAL_DENSITY[layer]) * uniform(s) + _NORMAL_DENSITY[
                layer
            ]
            if height >= math.exp(-0.5 * x * x):
                word = low_bits(s, 61)
                continue
            return x
        return -x if negative else x


@kernel(inline=True)
def normal(s: Stream) -> float:
    """Normal with mean 0 and variance 1 (ziggurat, Marsaglia and Tsang 2000; exact in law up to 52-bit rounding)."""
    word = low_bits(s, 61)
    layer = word & 255
    place = (word >> 9) & 0xF_FFFF_FFFF_FFFF
    if place < _NORMAL_BOUND[layer]:
        x = place * _NORMAL_WIDTH[layer]
        return -x if (word >> 8) & 1 else x
    return _normal_rest(s, word)


def _build_product() -> Any:
    """Full 64 x 64 -> 128 bit product as (high, low), one machine instruction."""
    from llvmlite import ir
    from numba import types
    from numba.extending import intrinsic

    def lower(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = ir.IntType(128)
        product = builder.mul(*(builder.zext(argument, wide) for argument in arguments))
        high = builder.trunc(builder.lshr(product, wide(64)), ir.IntType(64))
        low = builder.trunc(product, ir.IntType(64))
        return context.make_tuple(builder, signature.return_type, [high, low])

    def product(typing: Any, a: Any, b: Any) -> Any:  # noqa: ARG001
        return types.UniTuple(types.uint64, 2)(types.uint64, types.uint64), lower

    return intrinsic(product)


@kernel(build=_build_product)
def _product(a: int, b: int) -> tuple[int, int]:
    """Full 64 x 64 -> 128 bit product as (high, low)."""
    product = a * b
    return product >> 64, product & _WORD


def _compiled_integers(s: Stream, n: int) -> np.int64:
    bound: Any = np.uint64(n)
    high, low = _product(bits(s), bound)
    if low < bound:
        least = (np.uint64(0) - bound) % bound
        while low < least:
            high, low = _product(bits(s), bound)
    return np.int64(high)


@kernel(inline=True, twin=_compiled_integers)
def integers(s: Stream, n: int) -> int:
    """Uniform on 0, 1, ..., n - 1 without bias (Lemire 2019); n from 1 to 2**63 - 1."""
    n = int(n)
    high, low = _product(bits(s), n)
    if low < n:
        least = (_WORD + 1 - n) % n
        while low < least:
            high, low = _product(bits(s), n)
    return high


@kernel
def gamma(s: Stream, shape: float) -> float:
    """Gamma with the given shape > 0 and scale 1 (Marsaglia and Tsang 2000, boosted below shape 1)."""
    boost = 1.0
    if shape < 1.0:
        boost = math.exp(math.log1p(-uniform(s)) / shape)
        shape = shape + 1.0
    d = shape - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        x = normal(s)
        v = 1.0 + c * x
        if v <= 0.0:
            continue
        v = v * v * v
        if math.log1p(-uniform(s)) < 0.5 * x * x + d - d * v + d * math.log(v):
            return d * v * boost
