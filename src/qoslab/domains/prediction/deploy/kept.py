"""A trained model as a folder: `model.json` says what it is, `model.safetensors` holds its arrays."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from qoslab.core.errors import BadInput, Problem
from qoslab.core.files import room_for, sync_folder, write_whole
from qoslab.core.plain_words import said
from qoslab.domains.prediction.deploy.strangers import SIDES
from qoslab.learning.checkpoint import dump_weights, load_weights

__all__ = ["ARRAYS", "MOST_CHARACTERS", "MOST_PARAMETERS", "About", "KeptModel", "load_model", "save_model"]

MAX_ABOUT_BYTES = 64 << 20
"""Largest `model.json` that is read; it names all users and services."""

MOST_CHARACTERS = 1000
"""Longest id or word of a context that is kept, and that may be asked for."""

MOST_PARAMETERS = 64
"""Most parameters of a model, and of a measurement."""

Word = Annotated[str, Field(max_length=MOST_CHARACTERS)]

Code = Annotated[int, Field(ge=-(2**63), lt=2**63)]

Arrays = dict[str, NDArray[Any]]

ARRAYS = {
    "values": "PUS",
    "floor": "P",
    "offset": "P",
    "lowest": "P",
    "highest": "P",
    "spread/edges": "Pe",
    "spread/steps": "Pb",
    "spread/user": "PU",
    "spread/service": "PS",
    "spread/most": "P",
    "scores": "nP",
    "hidden/levels": "nP",
    "hidden/sizes": "nP",
    "scale/mean": "P",
    "scale/std": "P",
    "factors/rows": "PUr",
    "factors/row_covariances": "PUrr",
    "factors/points": "Sk",
    "factors/point_covariances": "Skk",
    "factors/noise": "PU",
    "newcomers": "Pw",
    "known/users": "c",
    "known/services": "c",
    "known/values": "cP",
}
"""Arrays of a model and their axes: P parameters, U users, S services; axes of one letter have one length."""

_EXACT = {"floor", "offset", "lowest", "highest"}
"""Arrays kept in float64: cells that measured an end of the range must not lie beyond it by rounding."""

_VERSION: Literal[4] = 4
"""Of the arrays and what `model.json` holds."""

_MAY_BE_NAN = {"scores", "known/values"}


class About(BaseModel):
    """What `model.json` holds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["qoslab prediction model"] = "qoslab prediction model"
    version: Literal[4] = _VERSION
    method: str = Field(max_length=200)
    method_parameters: dict[str, Any]
    parameters: tuple[str, ...] = Field(min_length=1, max_length=MOST_PARAMETERS)
    larger_is_better: tuple[str, ...]
    users: tuple[Word, ...] = Field(max_length=1_000_000)
    services: tuple[Word, ...] = Field(max_length=1_000_000)
    user_context: dict[str, tuple[Code, ...]]
    service_context: dict[str, tuple[Code, ...]]
    words: dict[str, tuple[Word, ...]] = {}
    level: float = Field(gt=0, lt=1)
    scenario: dict[str, Any] | None
    seed: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")

    @field_validator("parameters", "users", "services")
    @classmethod
    def _each_once(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(names)) < len(names):
            twice = next(name for name, count in Counter(names).items() if count > 1)
            message = f"{twice!r} stands there twice"
            raise ValueError(message)
        return names

    def digest(self) -> str:
        """SHA-256 of all but `sha256`, which the weights carry: what they mean stands here."""
        kept = json.loads(self.model_dump_json(exclude={"sha256"}))
        return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class KeptModel:
    """A model in memory.

    Attributes:
        about: What it is.
        arrays: The arrays that `ARRAYS` names, in float64 or int64.
    """

    about: About
    arrays: Arrays


def save_model(folder: Path, model: KeptModel) -> None:
    """Write a model's folder whole or not at all.

    Args:
        folder: Must not exist.
        model: What is kept; its `sha256` is replaced by that of its arrays.

    Raises:
        BadInput: The folder exists.
        DiskFull: There is no room.
    """
    if folder.exists():
        raise BadInput(
            Problem(message=f"{str(folder)!r} exists already", field="to", hint="name a new folder")
        )
    small = {name: _small(name, array) for name, array in model.arrays.items()}
    weights = dump_weights(small, {"of": "qoslab prediction model", "about": model.about.digest()})
    about = model.about.model_copy(update={"sha256": hashlib.sha256(weights).hexdigest()})
    beside = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        with room_for(folder):
            beside.mkdir()
            write_whole(beside / "model.safetensors", weights)
            write_whole(beside / "model.json", about.model_dump_json(indent=1).encode())
            sync_folder(beside)
            beside.rename(folder)
            sync_folder(folder.parent)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def load_model(folder: Path) -> KeptModel:
    """A model from its folder.

    Raises:
        BadInput: It is no such folder, a file is too large or damaged, or an array has not the shape that
            `model.json` says, or that was changed; pickles are refused unread.
    """
    about = _about(folder / "model.json")
    path = folder / "model.safetensors"
    if not path.is_file():
        others = sorted(p.name for p in folder.iterdir() if p.suffix in {".pkl", ".pickle", ".pt", ".joblib"})
        hint = f"{others[0]} is not read: a pickle may run anything" if others else "train the model again"
        raise BadInput(Problem(message="there is no model.safetensors", path=folder, hint=hint))
    tensors, inside = load_weights(path)
    if hashlib.sha256(path.read_bytes()).hexdigest() != about.sha256:
        raise BadInput(Problem(message="these are not the weights that model.json names", path=path))
    if inside.get("about") != about.digest():
        message = "it is not what the weights were kept with: something in it was changed"
        raise BadInput(Problem(message=message, path=folder / "model.json", hint="train the model again"))
    for problem in _wrong(tensors, about):
        raise BadInput(Problem(message=problem, path=path))
    wide = {
        name: array.astype(np.int64 if array.dtype.kind in "iu" else np.float64)
        for name, array in tensors.items()
    }
    return KeptModel(about, wide)


def _about(path: Path) -> About:
    try:
        if path.stat().st_size > MAX_ABOUT_BYTES:
            message = f"more than {MAX_ABOUT_BYTES >> 20} MiB are not read"
            raise BadInput(Problem(message=message, path=path))
        return About.model_validate_json(path.read_bytes())
    except OSError as error:
        hint = "a model is a folder that `qoslab prediction train` wrote"
        message = f"there is no model here: {error.strerror}"
        raise BadInput(Problem(message=message, path=path, hint=hint)) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or None
        message, hint = said(first), None
        if field == "version":
            message = f"the model is kept in another form ({str(first['input'])[:20]}) than is read here ({_VERSION})"
            hint = "train the model again, or serve it with the qoslab that trained it"
        raise BadInput(Problem(message=message, path=path, field=field, hint=hint)) from None


def _wrong(tensors: Arrays, about: About) -> list[str]:
    """What is wrong with the arrays, one sentence each."""
    if set(tensors) != set(ARRAYS):
        odd = sorted(set(tensors) ^ set(ARRAYS))
        return [f"array {odd[0]!r} is missing or unknown"]
    size = {"P": len(about.parameters), "U": len(about.users), "S": len(about.services)}
    for name, axes in ARRAYS.items():
        shape = tensors[name].shape
        if len(shape) != len(axes):
            return [f"array {name!r} has {len(shape)} axes instead of {len(axes)}"]
        for axis, length in zip(axes, shape, strict=True):
            if size.setdefault(axis, length) != length:
                return [f"array {name!r} has the shape {shape}, which does not fit the others"]
        if name not in _MAY_BE_NAN and not np.isfinite(tensors[name]).all():
            return [f"array {name!r} holds a value that is not finite"]
    if size["r"] != size["k"] + 1 or size["b"] != size["e"] + 1:
        return ["factors and spread have sizes that do not fit each other"]
    if size["w"] != len(SIDES):
        return [f"array 'newcomers' has {size['w']} columns instead of {len(SIDES)}"]
    if tensors["newcomers"].min() <= 0:
        return ["array 'newcomers' holds a factor that is not above zero"]
    for side, axis in (("user", "U"), ("service", "S")):
        known = tensors[f"known/{side}s"]
        if len(known) and not (known.min() >= 0 and known.max() < size[axis]):
            return [f"a known cell names a {side} that does not exist"]
        codes = about.user_context if side == "user" else about.service_context
        if any(len(column) != size[axis] for column in codes.values()):
            return [f"the context of {side}s has another length than there are {side}s"]
    return []


def _small(name: str, array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind in "iu":
        return array.astype(np.int32)
    return array.astype(np.float64 if name in _EXACT else np.float32)
