"""Step sizes: constants on a problem's natural scale, and sequences that fall."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import Field

__all__ = ["Positive", "Share", "falling", "natural", "natural_subgradient", "step_field"]

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0)]


def natural(step: float, share: float, smoothness: float, n: int = 1) -> float:
    """The step itself where it is positive, else `share / (n smoothness)`.

    Methods that track the sum of n gradients move by it: 1 / (n l) is their natural scale.
    """
    return step if step > 0 else share / (n * smoothness)


def natural_subgradient(step: float, share: float, smoothness: float) -> float:
    """The same for methods that need no smooth costs: 0.1 where costs are not smooth, for they have no scale."""
    return natural(step, share, smoothness) if math.isfinite(smoothness) else step or 0.1


def falling(first: float, decay: float, power: float, k: int) -> float:
    """First / (1 + k / decay)^power."""
    return float(first / (1.0 + k / decay) ** power)


def step_field(method: Any) -> str:
    """The parameter that a method's step size goes by: `step`, or the `penalty` of methods that minimise instead."""
    return "penalty" if not hasattr(method, "step") and hasattr(method, "penalty") else "step"
