"""Weights of learned policies from safetensors files, read with numpy alone; nothing that is read is ever executed."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qoslab.core.errors import BadInput, Problem

__all__ = ["BUILTIN", "MEAN_FIELD", "check_training", "laid_out", "read_weights"]

BUILTIN = Path(__file__).parent / "blind_sed.safetensors"
"""The weights of `blind_sed` that come with the package."""
MEAN_FIELD = Path(__file__).parent / "mean_field_control.safetensors"
"""Those of `mean_field_control`."""
MAX_BYTES = 2_000_000
"""Largest file that is read: these networks are small."""
_MAX_HEADER_BYTES = 100_000
_TYPES = {"F32": "<f4", "F64": "<f8"}


def read_weights(named: str, builtin: Path = BUILTIN) -> dict[str, NDArray[Any]]:
    """The arrays of a file of weights.

    Args:
        named: `builtin`, or the path of a safetensors file.
        builtin: The file that `builtin` stands for.

    Raises:
        BadInput: There is no such file, it is too large, or it is no safetensors file of float arrays.
    """
    path = builtin if named == "builtin" else Path(named)
    if not path.is_file():
        problem = Problem(
            message=f"there is no file {named!r}", field="weights", hint="`builtin`, or a safetensors file"
        )
        raise BadInput(problem)
    status = path.stat()
    if status.st_size > MAX_BYTES:
        raise BadInput(Problem(message=f"is larger than {MAX_BYTES} bytes", field="weights", path=path))
    return dict(_read(path, status.st_mtime_ns))


def laid_out(
    weights: Mapping[str, NDArray[Any]], shapes: Mapping[str, tuple[int, ...]]
) -> NDArray[np.float64]:
    """Weights one after the other in the order of their shapes, as kernels take them; one dimension.

    Args:
        weights: Arrays by name.
        shapes: The names and shapes that a network needs.

    Raises:
        BadInput: Names that are missing, shapes that are not as they must be, numbers that are not finite.
    """
    problems = []
    for name, shape in shapes.items():
        found = weights[name].shape if name in weights else None
        if found != shape:
            message = (
                f"'{name}' is missing" if found is None else f"'{name}' has the shape {found}, not {shape}"
            )
            problems.append(Problem(message=message, field="weights"))
        elif not np.isfinite(weights[name].astype(np.float64)).all():
            problems.append(Problem(message=f"'{name}' holds a number that is not finite", field="weights"))
    if problems:
        raise BadInput(problems)
    return np.concatenate([np.asarray(weights[name], np.float64).ravel() for name in shapes])


def check_training(out: Path, **counts: int) -> None:
    """Refuse a training that could not end well, before its minutes are spent.

    Args:
        out: File that the weights are to be written to.
        counts: Numbers by the names of their options; each is to be at least 1.

    Raises:
        BadInput: The file's folder is not there, `out` is a folder, or a number is below 1.
    """
    problems = [
        Problem(message=f"must be at least 1, is {count}", field=name)
        for name, count in counts.items()
        if count < 1
    ]
    if out.is_dir() or not out.parent.is_dir():
        message = f"{str(out)!r} is a folder" if out.is_dir() else f"there is no folder {str(out.parent)!r}"
        problems.append(Problem(message=message, field="out", hint="name a file in a folder that exists"))
    if problems:
        raise BadInput(problems)


@functools.lru_cache(maxsize=8)
def _read(path: Path, changed: int) -> dict[str, NDArray[Any]]:  # noqa: ARG001 - part of the key
    try:
        return _parsed(path.read_bytes())
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        OverflowError,
        RecursionError,
        OSError,
    ) as error:
        message = f"these are no weights: {error}"
        raise BadInput(Problem(message=message, field="weights", path=path)) from None


def _parsed(raw: bytes) -> dict[str, NDArray[Any]]:
    """The format: eight bytes with the length of a JSON header, the header, then the numbers that it points to."""
    if len(raw) < 8:
        message = "the file is too short"
        raise ValueError(message)
    start = 8 + int.from_bytes(raw[:8], "little")
    if start > len(raw):
        message = "the header is cut off"
        raise ValueError(message)
    if start - 8 > _MAX_HEADER_BYTES:
        message = f"the header is longer than {_MAX_HEADER_BYTES} bytes"
        raise ValueError(message)
    header = json.loads(raw[8:start])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        shape = tuple(int(size) for size in entry["shape"])
        low, high = (start + int(place) for place in entry["data_offsets"])
        kind = np.dtype(_TYPES[entry["dtype"]])
        if not start <= low <= high <= len(raw) or high - low != kind.itemsize * math.prod(shape):
            message = f"'{name}' does not lie where the header says"
            raise ValueError(message)
        tensors[str(name)] = np.frombuffer(raw[low:high], kind).reshape(shape)
    return tensors
