"""A user's Python file: `cost(x, data)`, its gradient, and what each agent's `data` is; nothing it gives is trusted."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from qoslab.agents.message import FloatArray
from qoslab.core.errors import BadInput, MissingExtra, Problem

__all__ = ["UserFile", "user_file"]

_FIELD = "scenario.problem.file"
_LONG = 120


@dataclass(frozen=True, eq=False)
class UserFile:
    """The functions of a file, row by row.

    Attributes:
        path: The file.
        autograd: Whether gradients are torch's.
        size: Entries of x.
        agents: Which agents these are.
        data: What `data(agent, n, rng)` gave each; the agent's number where the file has no such function.
        moment: When the functions are called, as messages tell it.
    """

    path: str
    autograd: bool
    size: int
    agents: tuple[int, ...]
    data: tuple[Any, ...]
    moment: str = "before the first round"

    def rows(self, agents: Any) -> UserFile:
        """What some agents hold, with nothing of the others' data."""
        at = list(agents)
        return replace(self, agents=tuple(self.agents[i] for i in at), data=tuple(self.data[i] for i in at))

    def value(self, x: FloatArray) -> FloatArray:
        """The file's cost, shape (rows,); NaN where x_i is no number, for which the file is not asked.

        Raises:
            BadInput: The function fails, or gives what is not one finite number; names moment, agent and place.
        """
        found = [self._cost(row, point) if _finite(point) else np.nan for row, point in enumerate(x)]
        return np.array(found, np.float64)

    def tried(self, x: FloatArray) -> FloatArray:
        """The same, infinite where the cost does not exist: a search may step where it is not defined.

        Raises:
            BadInput: The function gives what is no number at all, such as a text.
        """
        found = [self._tried(row, point) if _finite(point) else np.inf for row, point in enumerate(x)]
        return np.array(found, np.float64)

    def gradient(self, x: FloatArray) -> FloatArray:
        """The file's gradient, or torch's of its cost, shape (rows, size); NaN where x_i is no number.

        Raises:
            BadInput: The function fails, or gives anything but `size` finite numbers; names moment, agent and place.
        """
        by = self._differentiated if self.autograd else self._given
        nothing = np.full(self.size, np.nan)
        found = [by(row, np.array(point)) if _finite(point) else nothing for row, point in enumerate(x)]
        return np.array(found, np.float64).reshape(len(x), self.size)

    def slope(self, row: int, x: float) -> float:
        """One row's gradient of one entry; faults are told as `gradient` does."""
        by = self._differentiated if self.autograd else self._given
        return float(by(row, np.array([x]))[0])

    def _cost(self, row: int, point: FloatArray) -> float:
        found = self._call("cost", row, point)
        number = _numbers(found)
        if number is None or number.size != 1 or not np.isfinite(number).all():
            raise self._refused(row, "cost", point, found, "one finite number")
        return float(number.reshape(()))

    def _tried(self, row: int, point: FloatArray) -> float:
        try:
            found = self._evaluated("cost", row, point)
        except (ArithmeticError, ValueError):
            return np.inf
        except Exception as error:
            raise self._failed(row, "cost", point, error) from error
        number = _numbers(found)
        if number is None or number.size != 1:
            raise self._refused(row, "cost", point, found, "one finite number")
        return float(number.reshape(())) if np.isfinite(number).all() else np.inf

    def _given(self, row: int, point: FloatArray) -> FloatArray:
        found = self._call("gradient", row, point)
        numbers = _numbers(found)
        if numbers is None or numbers.shape != (self.size,) or not np.isfinite(numbers).all():
            raise self._refused(row, "gradient", point, found, self._wanted)
        return numbers

    def _differentiated(self, row: int, point: FloatArray) -> FloatArray:
        torch = _torch()
        x = torch.tensor(point, dtype=torch.float64, requires_grad=True)
        value = self._call("cost", row, x)
        if not torch.is_tensor(value) or value.numel() != 1 or not value.requires_grad:
            raise self._refused(row, "cost", point, value, "one number that torch can differentiate")
        try:
            (slope,) = torch.autograd.grad(value.sum(), x)
        except RuntimeError as error:
            raise self._failed(row, "cost", point, error, "torch cannot differentiate ") from error
        found = np.asarray(slope.numpy(), np.float64)
        if not np.isfinite(found).all():
            raise self._refused(row, "cost", point, found, self._wanted, "torch's gradient of ")
        return found

    @property
    def _wanted(self) -> str:
        return "one finite number" if self.size == 1 else f"{self.size} finite numbers"

    def _call(self, name: str, row: int, point: Any) -> Any:
        try:
            return self._evaluated(name, row, point)
        except BadInput:
            raise
        except Exception as error:
            raise self._failed(row, name, point, error) from error

    def _evaluated(self, name: str, row: int, point: Any) -> Any:
        function: Callable[..., Any] = getattr(_module(self.path), name)
        if isinstance(point, np.ndarray):
            # A copy: what a function does to its argument stays with it.
            given = _torch().tensor(point, dtype=_torch().float64) if self.autograd else np.array(point)
        else:
            given = point
        # What is no number is told with its agent, not as a warning.
        with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
            return function(given, self.data[row])

    def _failed(self, row: int, name: str, point: Any, error: Exception, how: str = "") -> BadInput:
        verb = "" if how else " failed"
        said = f"{how}{name}(x, data){verb} at x = {_shown(point)}: {type(error).__name__}: {error}"
        return self._problem(row, said)

    def _refused(self, row: int, name: str, point: Any, found: Any, wanted: str, what: str = "") -> BadInput:
        said = f"{what}{name}(x, data) at x = {_shown(point)} gave {_shown(found)}, not {wanted}"
        return self._problem(row, said)

    def _problem(self, row: int, said: str) -> BadInput:
        message = f"{self.moment}, agent {self.agents[row]}: {said}"
        return BadInput(Problem(field=_FIELD, message=message, path=Path(self.path)))


def user_file(path: str, n: int, size: int, rng: np.random.Generator, *, autograd: bool = False) -> UserFile:
    """The functions of a file, which is executed now, and the data of n agents.

    Args:
        path: The file.
        n: Number of agents.
        size: Entries of x.
        rng: What `data` may draw from.
        autograd: Whether torch is to differentiate `cost`.

    Raises:
        BadInput: The file fails, or lacks a function.
        MissingExtra: Torch is to differentiate and is not installed.
    """
    module = _module(path)
    if autograd:
        _torch()
    for name in ("cost",) if autograd else ("cost", "gradient"):
        if not callable(getattr(module, name, None)):
            message = f"the file has no function {name}(x, data)"
            hint = "problem.gradient = 'torch' differentiates cost" if name == "gradient" else None
            raise BadInput(Problem(field=_FIELD, message=message, path=Path(path), hint=hint))
    return UserFile(path, autograd, size, tuple(range(n)), _held(module, path, n, rng))


def _held(module: ModuleType, path: str, n: int, rng: np.random.Generator) -> tuple[Any, ...]:
    if not hasattr(module, "data"):
        return tuple(range(n))
    held = []
    for agent in range(n):
        try:
            held.append(module.data(agent, n, rng))
        except Exception as error:
            message = f"agent {agent}: data(agent, n, rng) failed: {type(error).__name__}: {error}"
            raise BadInput(Problem(field=_FIELD, message=message, path=Path(path))) from error
    return tuple(held)


def _finite(point: FloatArray) -> bool:
    return bool(np.isfinite(point).all())


def _numbers(found: Any) -> FloatArray | None:
    """Real numbers as an array; None for anything else: a text that reads as a number is none."""
    plain = found.detach() if hasattr(found, "detach") else found
    try:
        array = np.asarray(plain)
    except (ValueError, TypeError, RuntimeError):
        return None
    return np.asarray(array, np.float64) if array.dtype.kind in "buif" else None


def _shown(value: Any) -> str:
    plain = value.detach() if hasattr(value, "detach") else value
    said = str(plain.tolist()) if hasattr(plain, "tolist") else repr(plain)
    return said if len(said) <= _LONG else f"{said[:_LONG]} .."


def _module(path: str) -> ModuleType:
    return _executed(path, Path(path).stat().st_mtime_ns)


@cache
def _executed(path: str, changed: int) -> ModuleType:  # noqa: ARG001 - an edited file is executed again
    spec = importlib.util.spec_from_file_location("qoslab_user_costs", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        message = f"the file fails: {type(error).__name__}: {error}"
        raise BadInput(Problem(field=_FIELD, message=message, path=Path(path))) from error
    return module


def _torch() -> Any:
    try:
        import torch
    except ImportError:
        what = "differentiating a cost by torch"
        raise MissingExtra(what, "learn") from None
    return torch
