"""One world to work in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationInfo, model_validator

__all__ = ["DatasetName", "InputFile", "Part", "Scenario", "dataset_names", "input_files"]


class _FilePath(str):
    """An existing file a scenario names; made only by `InputFile`."""

    __slots__ = ()


class _Dataset(str):
    """A registered dataset a scenario names; made only by `DatasetName`."""

    __slots__ = ()


def _resolve(value: str, info: ValidationInfo) -> str:
    base = Path((info.context or {}).get("base", "."))
    path = (base / value).expanduser()
    if not path.is_file():
        message = (
            f"there is no file {value!r} in {str(base)!r}"
            if not Path(value).is_absolute()
            else "no such file"
        )
        raise ValueError(message)
    return _FilePath(path.resolve())


InputFile = Annotated[str, AfterValidator(_resolve)]
"""A field that names a file, relative to the study file; its content counts in the trial's fingerprint."""

DatasetName = Annotated[str, AfterValidator(_Dataset)]
"""A field that names a file of the dataset registry as `DATASET/FILE` or a whole dataset as `DATASET`."""


class Part(BaseModel):
    """A table inside a scenario: frozen, typed, no unknown keys, no NaN, nothing silently converted.

    Sequences are tuples; the arrays of a TOML file become tuples on the way in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _arrays_are_tuples(cls, values: Any) -> Any:
        return {key: _tuples(value) for key, value in values.items()} if isinstance(values, dict) else values


class Scenario(Part):
    """Base of every domain's scenario.

    Units stand in field names (`coherence_time_s`, `distance_km`). Every field has a description: `qoslab
    new` prints it into the study file, `qoslab schema` gives it to editors. Validation may look at several
    fields at once, and rejects a world that cannot be.
    """

    def recorded(self) -> str:
        """What every seed replays instead of drawing it, such as `arrivals`; empty where each seed is a new world.

        A verdict says so: its intervals then speak of this record alone.
        """
        return ""


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list) else value


def _values(value: Any) -> Iterator[Any]:
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _values(getattr(value, name))
    elif isinstance(value, dict):
        for item in value.values():
            yield from _values(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _values(item)
    else:
        yield value


def input_files(scenario: BaseModel) -> list[Path]:
    """Every file a scenario names through an `InputFile` field, absolute, in the order of the fields."""
    return [Path(value) for value in _values(scenario) if isinstance(value, _FilePath)]


def dataset_names(scenario: BaseModel) -> list[str]:
    """Every dataset a scenario names through a `DatasetName` field, in the order of the fields."""
    return [str(value) for value in _values(scenario) if isinstance(value, _Dataset)]
