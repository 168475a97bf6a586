"""Sub-network routing (Ma et al., AAAI 2019) with hard-concrete gates (Louizos et al., ICLR 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from math import log
from typing import Any

__all__ = ["BETA", "GAMMA", "ZETA", "gate", "open_probability", "route"]

BETA, GAMMA, ZETA = 2 / 3, -0.1, 1.1
"""Temperature and stretch of the hard-concrete distribution, as Louizos et al. chose them."""

_EDGE = 1e-6


def gate(log_alpha: Any, noise: Any = None) -> Any:
    """A gate in [0, 1]: a sample of the hard-concrete distribution, or its deterministic value at test.

    Args:
        log_alpha: Location of each gate.
        noise: Uniform numbers of the same shape; None at test.
    """
    if noise is None:
        s = log_alpha.sigmoid()
    else:
        u = noise.clamp(_EDGE, 1 - _EDGE)
        s = ((u.log() - (1 - u).log() + log_alpha) / BETA).sigmoid()
    return (s * (ZETA - GAMMA) + GAMMA).clamp(0.0, 1.0)


def open_probability(log_alpha: Any) -> Any:
    """The probability that a gate is not zero; their sum is the L0 penalty."""
    return (log_alpha - BETA * log(-GAMMA / ZETA)).sigmoid()


def route(gates: Any, blocks: Sequence[Any], transforms: Any) -> Any:
    """What one task receives: sum_k z_k T_k(block_k).

    The sum over blocks that lie side by side is one product with their gated transforms one above the other.

    Args:
        gates: z, shape (K,).
        blocks: Outputs of all K blocks in order, in tensors of shape (nodes, n d) that hold n of them side by side.
        transforms: T, shape (K, d, d).

    Returns:
        Shape (nodes, d).
    """
    import torch

    gated = (gates[:, None, None] * transforms).flatten(0, 1)
    first, *others = torch.split(gated, [block.shape[1] for block in blocks])
    found = blocks[0] @ first
    for block, part in zip(blocks[1:], others, strict=True):
        found = torch.addmm(found, block, part)
    return found
