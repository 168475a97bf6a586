"""Deterministic torch: the same numbers on the same platform, whatever ran before in the process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from qoslab.core.errors import MissingExtra

__all__ = ["deterministic", "require_torch"]


def require_torch(what: str) -> Any:
    """The torch module.

    Args:
        what: Who needs it, `DOMAIN/METHOD`, for the message.

    Raises:
        MissingExtra: torch is not installed.
    """
    try:
        import torch
    except ImportError:
        raise MissingExtra(what, "learn") from None
    return torch


@contextmanager
def deterministic(seed: np.random.SeedSequence, what: str = "a learned method") -> Iterator[Any]:
    """Run torch on one thread with deterministic kernels, seeded by name; everything is put back afterwards.

    One thread, because the order of a sum over threads is not fixed, and because the study runs one trial on
    each core. On CUDA, cuBLAS multiplies matrices the same way each time only with a workspace of fixed size, which the
    environment variable `CUBLAS_WORKSPACE_CONFIG` asks for before CUDA starts; it is set where it is not.

    Args:
        seed: Where all of torch's random numbers in the block come from.
        what: Who needs torch, for the message where it is not installed.

    Yields:
        The torch module.
    """
    torch = require_torch(what)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # without it strict torch refuses any product
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(mode=True)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(seed.generate_state(1, np.uint64)[0]))
            yield torch
    finally:
        torch.use_deterministic_algorithms(strict)
        torch.set_num_threads(threads)
