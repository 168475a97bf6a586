"""Weights as safetensors with their description as JSON inside; nothing that is read is ever executed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qoslab.core.errors import BadInput, MissingExtra, Problem

__all__ = ["MAX_BYTES", "dump_weights", "load_weights"]

MAX_BYTES = 1 << 30
"""Largest file of weights that is read."""


def dump_weights(tensors: Mapping[str, NDArray[Any]], about: Mapping[str, Any]) -> bytes:
    """Weights and what must be known to use them, as the bytes of a safetensors file.

    Args:
        tensors: Arrays by name.
        about: A description that JSON can hold: architecture, sizes, how it was trained.
    """
    save = _safetensors("saving weights").save
    plain = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    return bytes(save(plain, metadata={"qoslab": json.dumps(dict(about), sort_keys=True)}))


def load_weights(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The weights and their description from a safetensors file.

    Args:
        path: The file.

    Raises:
        BadInput: It is too large, no safetensors file (a pickle is refused unread), or not one of ours.
    """
    if path.stat().st_size > MAX_BYTES:
        raise BadInput(Problem(message=f"weights of more than {MAX_BYTES >> 20} MiB are not read", path=path))
    raw = path.read_bytes()
    try:
        tensors: dict[str, NDArray[Any]] = _safetensors("reading weights").load(raw)
        header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
        about: dict[str, Any] = json.loads(header["__metadata__"]["qoslab"])
    except MissingExtra:
        raise
    except Exception as error:
        hint = "weights are safetensors files written by qoslab"
        raise BadInput(Problem(message=f"these are no weights: {error}", path=path, hint=hint)) from None
    return tensors, about


def _safetensors(what: str) -> Any:
    try:
        from safetensors import numpy
    except ImportError:
        raise MissingExtra(what, "learn") from None
    return numpy
