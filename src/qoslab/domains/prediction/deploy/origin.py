"""The measurements that a kept model was made from, divided as they were: what it has not seen may be asked."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import ValidationError

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem
from qoslab.core.plain_words import said
from qoslab.core.seeds import Seed
from qoslab.datasets.locate import resolver
from qoslab.domains.prediction.data import Known, Task, make_task
from qoslab.domains.prediction.deploy.kept import MOST_CHARACTERS, KeptModel
from qoslab.domains.prediction.scenario import PredictionScenario, Table
from qoslab.domains.prediction.tables import read_ids

__all__ = ["check_words", "ids_of", "task_of"]

_FLOAT32 = 1e-6
"""Relative difference that the model's float32 makes, with room."""


def task_of(kept: KeptModel) -> Task:
    """The task that a model was trained on.

    Raises:
        BadInput: The model keeps no scenario, so that nothing says which cells it has not seen; or the measurements are
            not on this machine, or have changed since, so that cells which it learned from would be asked.
        MissingData: A registered dataset is not on this machine.
    """
    if kept.about.scenario is None:
        message = (
            "the model keeps no scenario: it was trained with `--everything` or from Python without one, so that no "
            "cell is left to ask"
        )
        hint = "train without --everything, which keeps some back"
        raise BadInput(Problem(message=message, field="scenario", hint=hint))
    scenario = _scenario(kept)
    task = make_task(scenario, Seed(replication=kept.about.seed), Context(dataset=resolver()))
    if not _same(kept, scenario, task.known):
        message = "the measurements have changed since the model was trained: cells that it learned from would be asked"
        hint = "train a new model on them, or put the old ones back"
        raise BadInput(Problem(message=message, field="scenario.data", hint=hint))
    return task


def check_words(known: Known, users: Sequence[str], services: Sequence[str]) -> None:
    """Refuse, before a training, ids and words of a context that could never be asked for.

    Raises:
        BadInput: One is too long.
    """
    for what, words in {"user": users, "service": services, **known.words}.items():
        longest = max(words, key=len, default="")
        if len(longest) > MOST_CHARACTERS:
            message = f"{what} {longest[:40]!r}... has {len(longest)} characters; at most {MOST_CHARACTERS} are kept"
            raise BadInput(Problem(message=message, field="scenario.data"))


def ids_of(scenario: PredictionScenario, known: Known) -> tuple[list[str], list[str]]:
    """Ids of users and services: those of a table, else their numbers."""
    if isinstance(scenario.data, Table):
        return read_ids(scenario.data, Context(dataset=resolver()))
    return [str(user) for user in range(known.users)], [str(service) for service in range(known.services)]


def _scenario(kept: KeptModel) -> PredictionScenario:
    try:
        return PredictionScenario.model_validate(kept.about.scenario)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(("scenario", *map(str, first["loc"])))
        message = (
            f"the measurements that the model was made from cannot be had: {said(first)}: {first['input']!r}"
        )
        raise BadInput(Problem(message=message, field=place)) from None


def _same(kept: KeptModel, scenario: PredictionScenario, known: Known) -> bool:
    """Whether users, services and training cells are those that the model keeps."""
    about, arrays = kept.about, kept.arrays
    if known.parameters != about.parameters:
        return False
    if ids_of(scenario, known) != (list(about.users), list(about.services)):
        return False
    users, services = np.nonzero(np.isfinite(known.values).any(axis=0))
    if not (
        np.array_equal(users, arrays["known/users"]) and np.array_equal(services, arrays["known/services"])
    ):
        return False
    here, there = known.values[:, users, services].T, arrays["known/values"]
    return np.allclose(here, there, rtol=_FLOAT32, atol=0, equal_nan=True)
