"""Costs from a user's Python file: `cost(x, data)`, its gradient, and what each agent's `data` is."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from qoslab.agents.message import FloatArray
from qoslab.core.errors import BadInput, MissingExtra, Problem
from qoslab.domains.optimization.problems.costs import Costs

__all__ = ["UserCosts", "user_costs"]

_FIELD = "scenario.problem.file"
_APART = 1e-5


@dataclass(frozen=True, eq=False)
class UserCosts(Costs):
    """f_i(x) = cost(x, data_i) of a file, gradients by its own function or by torch.

    Attributes:
        path: The file.
        autograd: Whether gradients are torch's.
        size: p.
        agents: Which agents these are.
        data: What `data(agent, n, rng)` gave each; the agent's number where the file has no such function.
        bend: Lipschitz constant of every gradient; None to measure it.
        optimum: Where the sum is least, once that is known.
        convex: Constant of strong convexity of every cost.
    """

    path: str
    autograd: bool
    size: int
    agents: tuple[int, ...]
    data: tuple[Any, ...]
    bend: float | None
    convex: float
    optimum: FloatArray | None = None

    @property
    def dimension(self) -> int:
        """P."""
        return self.size

    @property
    def count(self) -> int:
        """Number of rows."""
        return len(self.agents)

    def rows(self, agents: Any) -> UserCosts:
        """The costs of some agents alone, with nothing of the others' data."""
        at = list(agents)
        return replace(self, agents=tuple(self.agents[i] for i in at), data=tuple(self.data[i] for i in at))

    def value(self, x: FloatArray) -> FloatArray:
        """f_i(x_i), shape (rows,)."""
        return np.array([float(self._call("cost", i, np.array(point))) for i, point in enumerate(x)])

    def gradient(self, x: FloatArray) -> FloatArray:
        """Gradients, shape (rows, p).

        Raises:
            BadInput: The function fails or gives another shape; names the agent.
        """
        by = self._differentiated if self.autograd else self._given
        return np.array([by(i, np.array(point)) for i, point in enumerate(x)]).reshape(len(x), self.size)

    def hessian(self, x: FloatArray) -> FloatArray:
        """Second derivatives by central differences of the gradients, shape (rows, p, p)."""
        columns = []
        for entry in range(self.size):
            step = _APART * (1.0 + np.abs(x[:, entry]))
            away = np.zeros(x.shape)
            away[:, entry] = step
            columns.append((self.gradient(x + away) - self.gradient(x - away)) / (2.0 * step[:, None]))
        bent = np.stack(columns, axis=2)
        return np.asarray(0.5 * (bent + bent.transpose(0, 2, 1)))

    def smoothness(self) -> FloatArray:
        """As given; else each agent's largest second derivative at 0 and at the optimum, shape (rows,)."""
        if self.bend is not None:
            return np.full(self.count, self.bend)
        places = [np.zeros(self.size), *([] if self.optimum is None else [self.optimum])]
        bent = np.stack([self.hessian(np.broadcast_to(place, (self.count, self.size))) for place in places])
        return np.asarray(np.abs(np.linalg.eigvalsh(bent)).max(axis=(0, 2)))

    def convexity(self) -> FloatArray:
        """As given, shape (rows,)."""
        return np.full(self.count, self.convex)

    def _given(self, row: int, point: FloatArray) -> FloatArray:
        found = np.asarray(self._call("gradient", row, point), np.float64)
        if found.shape != (self.size,):
            message = f"agent {self.agents[row]}: gradient gave the shape {found.shape}, not ({self.size},)"
            raise BadInput(Problem(field=_FIELD, message=message))
        return found

    def _differentiated(self, row: int, point: FloatArray) -> FloatArray:
        torch = _torch()
        x = torch.tensor(point, dtype=torch.float64, requires_grad=True)
        value = self._call("cost", row, x)
        if not torch.is_tensor(value) or value.numel() != 1 or not value.requires_grad:
            message = f"agent {self.agents[row]}: cost must give one number that torch can differentiate"
            raise BadInput(Problem(field=_FIELD, message=message))
        (slope,) = torch.autograd.grad(value.sum(), x)
        return np.asarray(slope.numpy(), np.float64)

    def _call(self, name: str, row: int, point: Any) -> Any:
        function: Callable[..., Any] = getattr(_module(self.path), name)
        if name == "cost" and self.autograd and isinstance(point, np.ndarray):
            point = _torch().tensor(point, dtype=_torch().float64)
        try:
            return function(point, self.data[row])
        except BadInput:
            raise
        except Exception as error:
            message = f"agent {self.agents[row]}: {name} failed: {type(error).__name__}: {error}"
            raise BadInput(Problem(field=_FIELD, message=message, path=Path(self.path))) from error


def user_costs(
    path: str,
    n: int,
    size: int,
    rng: np.random.Generator,
    *,
    autograd: bool = False,
    smoothness: float | None = None,
    convexity: float = 0.0,
) -> UserCosts:
    """The costs of n agents from a file, which is executed now.

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
    data: tuple[Any, ...] = tuple(range(n))
    if hasattr(module, "data"):
        try:
            data = tuple(module.data(agent, n, rng) for agent in range(n))
        except Exception as error:
            message = f"data failed: {type(error).__name__}: {error}"
            raise BadInput(Problem(field=_FIELD, message=message, path=Path(path))) from error
    if not (math.isfinite(convexity) and convexity >= 0):
        raise BadInput(Problem(field="scenario.problem.convexity", message="must be finite and not negative"))
    return UserCosts(None, path, autograd, size, tuple(range(n)), data, smoothness, convexity)


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
