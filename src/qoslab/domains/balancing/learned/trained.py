"""What methods that learn in runs share: weights that a training left, or that a run begins with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem
from qoslab.core.seeds import Seed
from qoslab.learning.checkpoint import load_weights

__all__ = [
    "Weights",
    "demand_runs",
    "first_weights",
    "of_number",
    "take_over",
    "together_by_number",
    "training_seed",
]

Weights = Mapping[str, NDArray[Any]]


def training_seed(seed: Seed, number: int) -> Seed:
    """The seed of a run that does not count.

    Args:
        seed: The trial's seed, or the training's.
        number: The run's number, from 0.
    """
    return Seed(seed.root, seed.study, f"{seed.scenario} training {number}", seed.replication)


def demand_runs(episodes: int) -> None:
    """Refuse a training without runs.

    Args:
        episodes: How many runs there are to learn in.

    Raises:
        BadInput: None.
    """
    if episodes == 0:
        message = "is 0: a training needs runs to learn in"
        raise BadInput(
            Problem(message=message, field="episodes", hint="the published learners had 20 or more")
        )


def first_weights(named: str, context: Context) -> dict[str, NDArray[Any]]:
    """The weights that a run begins with.

    Args:
        named: The method's parameter `weights`: a file, or `train` where a study has trained.
        context: Services of the laboratory, which know the file of a study's training.

    Raises:
        BadInput: There is no such file, or it is not one of ours.
    """
    path = context.weights or Path(named)
    if not path.is_file():
        hint = "`builtin`, a file of weights, or, in a study, `train`"
        raise BadInput(Problem(message=f"there is no file {named!r}", field="weights", hint=hint))
    return load_weights(path)[0]


def take_over(mine: Weights, weights: Weights) -> None:
    """Overwrite a learner's arrays.

    Args:
        mine: The arrays, by name; overwritten.
        weights: Arrays of the same names and shapes; others are left out.

    Raises:
        BadInput: A name is missing, or a shape is another one.
    """
    wrong = [name for name in mine if name not in weights or weights[name].shape != mine[name].shape]
    if wrong:
        message = f"were learned for other sizes: {len(wrong)} arrays do not fit, among them {wrong[0]!r}"
        raise BadInput(Problem(message=message, field="weights"))
    for name, array in mine.items():
        np.copyto(array, weights[name])


def together_by_number(each: Sequence[Weights]) -> dict[str, NDArray[Any]]:
    """Weights of several learners, each name after its learner's number."""
    return {f"{number}.{name}": array for number, mine in enumerate(each) for name, array in mine.items()}


def of_number(weights: Weights, number: int) -> dict[str, NDArray[Any]]:
    """One learner's part of what `together_by_number` made."""
    start = f"{number}."
    return {name.removeprefix(start): array for name, array in weights.items() if name.startswith(start)}
