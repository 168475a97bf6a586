"""What a trial's numbers rest on, as digests by part, so that a change re-runs just what it touches.

A pair of scenario and method has two dictionaries of parts. Their digest, with the trial's seed, names the
trial; the parts themselves stand in the journal, so that a later plan can say which of them changed. The
version of qoslab is not among them: what counts is the source that a method and its domain import.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date, time
from enum import Enum
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from qoslab.core.domain import Domain
from qoslab.core.errors import MissingData
from qoslab.core.scenario import dataset_names, input_files
from qoslab.core.seeds import Seed
from qoslab.study.cases import MethodCase, ScenarioCase, importable, params_of
from qoslab.study.closure import digest_of, imported_names, local_modules, module_closure

__all__ = [
    "Parts",
    "canonical",
    "changes",
    "digest",
    "method_parts",
    "pair_digest",
    "scenario_parts",
    "trial_digest",
]

Parts = dict[str, str]
"""Digest of each thing a result rests on, by a name that means something to a reader."""

MISSING = "missing"
"""Stands for the digest of a data file that is not on this machine."""


def digest(*words: Any) -> str:
    """The digest of a JSON value."""
    text = json.dumps(words, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return blake2b(text.encode(), digest_size=16).hexdigest()


def scenario_parts(case: ScenarioCase, dataset: Callable[[str], Path]) -> Parts:
    """What the numbers owe to a scenario: its values, the files and the datasets it names.

    Args:
        case: The scenario.
        dataset: Finds a data file.

    Returns:
        Digests; a data file that is not here has the digest `missing`.
    """
    parts = {"scenario": digest(canonical(case.scenario))}
    for path in input_files(case.scenario):
        parts[f"input {path.name}"] = digest_of(path)
    for name in dataset_names(case.scenario):
        try:
            parts[f"data {name}"] = digest_of(dataset(name))
        except MissingData:
            parts[f"data {name}"] = MISSING
    return parts


def method_parts(case: MethodCase, domain: Domain) -> Parts:
    """What the numbers owe to a method: its parameters, its weights, its code and that of its domain's run.

    Args:
        case: The method.
        domain: Its domain.

    Returns:
        Digests by `parameters`, `weights ...`, `code MODULE` and `file NAME`.
    """
    params = params_of(case.source)
    weights = dict(_weights(params, domain))
    plain = params | {"weights": "file"} if "weights" in weights else params
    parts = {"method": digest(case.id), "parameters": digest(canonical(plain))} | weights
    modules = [domain.run.partition(":")[0]]
    file = case.source.file
    if file is not None:
        sources = local_modules(file)
        parts |= {f"file {path.relative_to(file.parent)}": content for path, content in sources.items()}
        homes = {"qoslab", modules[0].partition(".")[0]}
        names = (name for path in sources for name in imported_names(path))
        modules += [name for name in names if name.partition(".")[0] in homes]
    elif importable(method := case.build()):
        modules.append(type(method).__module__)
    else:
        parts["class"] = _class_digest(type(method))
    return parts | {f"code {name}": content for name, content in module_closure(*modules).items()}


def pair_digest(scenario: Parts, method: Parts) -> str:
    """The digest of a scenario and a method together."""
    return digest("pair", digest(scenario), digest(method))


def trial_digest(pair: str, seed: Seed) -> str:
    """The fingerprint of a trial."""
    return digest("trial", pair, seed.path)


def changes(before: Parts, now: Parts) -> list[str]:
    """The names of the parts that differ."""
    return [name for name in sorted(before.keys() | now.keys()) if before.get(name) != now.get(name)]


def canonical(value: Any) -> Any:
    """A value as plain JSON that is equal for equal values; a file that it names counts by its content.

    Raises:
        TypeError: The value is of a type whose content cannot be told.
    """
    if isinstance(value, BaseModel):
        fields = {name: canonical(getattr(value, name)) for name in type(value).model_fields}
        return {"": type(value).__name__, **fields}
    if isinstance(value, Mapping):
        return {str(key): canonical(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((canonical(item) for item in value), key=json.dumps)
    return _canonical_leaf(value)


def _canonical_leaf(value: Any) -> Any:
    if isinstance(value, Enum):
        return canonical(value.value)
    if isinstance(value, np.ndarray):
        return ["array", str(value.dtype), list(value.shape), value.tolist()]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool | int | float):
        return value if not isinstance(value, float) or np.isfinite(value) else repr(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, date | time):
        return value.isoformat()
    if hasattr(value, "__dataclass_fields__"):
        return {name: canonical(getattr(value, name)) for name in value.__dataclass_fields__}
    message = f"a value of type {type(value).__name__} cannot stand in a scenario or method"
    raise TypeError(message)


def _text(value: str) -> str:
    """Text; of a file that a scenario names only the content counts, not where it lies."""
    if type(value) is not str and value.startswith("/") and Path(value).is_file():
        return f"file:{digest_of(Path(value))}"
    return str(value)


def _weights(params: Mapping[str, Any], domain: Domain) -> Iterator[tuple[str, str]]:
    """The weights a method starts from: a file by content; `builtin`, all those that come with the domain."""
    named = params.get("weights")
    if not isinstance(named, str) or named == "train":
        return
    if named != "builtin":
        path = Path(named)
        yield "weights", digest_of(path) if path.is_file() else MISSING
        return
    import importlib

    home = Path(str(importlib.import_module(domain.methods).__file__)).parent.parent
    for path in sorted(home.rglob("*.safetensors")):
        yield f"weights {path.relative_to(home)}", digest_of(path)


def _class_digest(cls: type) -> str:
    """A class that stands in no file another process could import, such as one from a notebook."""
    try:
        return digest(inspect.getsource(cls))
    except (OSError, TypeError):
        code = [f"{name}:{f.__code__.co_code.hex()}:{f.__code__.co_consts!r}" for name, f in _functions(cls)]
        return digest(code)


def _functions(cls: type) -> list[tuple[str, Any]]:
    return sorted((name, f) for name, f in vars(cls).items() if inspect.isfunction(f))
