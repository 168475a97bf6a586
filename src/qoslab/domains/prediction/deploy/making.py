"""From a method and measurements to a model that can be kept: predictions, intervals, and factors for what is new."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem
from qoslab.domains.prediction.data import FloatArray, Known
from qoslab.domains.prediction.deploy.analysis import analyse
from qoslab.domains.prediction.deploy.kept import MOST_PARAMETERS, About, KeptModel
from qoslab.domains.prediction.deploy.rehearsal import rehearse
from qoslab.domains.prediction.intervals import Complete, calibrate, child, out_of_fold
from qoslab.domains.prediction.methods.conformal import completing
from qoslab.domains.prediction.scenario import LARGER, larger_of

__all__ = ["Making", "enough_rounds", "make_model"]

_ENOUGH_CELLS = 1000
"""Hidden cells that make promises: with 355 those of rare limits were off by as much as a half."""

_MOST_ROUNDS = 5


@dataclass(frozen=True)
class Making:
    """How a model is made.

    Attributes:
        level: Probability that intervals promise unless a question asks for another.
        folds: Folds that the known cells are dealt into for calibration.
        rounds: How many of them are hidden, one after the other; by default as many as hide 1,000 cells, at most five.
        rank: Factors that serve what is new.
        sweeps: EM steps of their analysis.
        seed: Root of all random numbers.
        scenario: The scenario that the measurements came from, where there is one.
        users: Ids; numbers from 0 where none are given.
        services: The same for services.
        larger_is_better: Parameters of which large values are good.
    """

    level: float = 0.9
    folds: int = 20
    rounds: int | None = None
    rank: int = 8
    sweeps: int = 25
    seed: int = 0
    scenario: Mapping[str, Any] | None = None
    users: Sequence[str] = ()
    services: Sequence[str] = ()
    larger_is_better: Sequence[str] = LARGER


def make_model(
    known: Known,
    name: str,
    method: Any,
    making: Making,
    context: Context,
    begun: Callable[[str], None] = lambda _: None,
) -> KeptModel:
    """Train, calibrate, and analyse.

    The method is trained once more than there are rounds.

    Args:
        known: All measurements.
        name: The method's name.
        method: The method.
        making: How.
        context: Time limit and data.
        begun: Told each step as it begins: trainings, and rehearsals of newcomers.

    Raises:
        BadInput: There are too few measurements, or too many parameters to be kept.
    """
    if len(known.parameters) > MOST_PARAMETERS:
        message = f"there are {len(known.parameters)}; a model keeps {MOST_PARAMETERS} at most"
        raise BadInput(Problem(message=message, field="parameters"))
    for parameter, table in zip(known.parameters, known.values, strict=True):
        if not np.isfinite(table).any():
            raise BadInput(Problem(message=f"{parameter!r} has no measurement", field="parameters"))
    root = np.random.SeedSequence(making.seed)
    rounds = making.rounds or enough_rounds(known, making.folds)
    complete = _told(completing(method, context), rounds + 1, begun)
    hidden = child(root, 0)
    residuals = out_of_fold(complete, known, making.folds, rounds, hidden, context, level=making.level)
    intervals = calibrate(residuals, known, child(root, 1))
    intervals.quantiles(making.level)  # of many hidden cells a part is kept
    values = complete(known, child(root, 2))
    raw = intervals.logs(known.values)
    mean, std = (moment(raw, axis=(1, 2), keepdims=True) for moment in (np.nanmean, np.nanstd))
    std = np.where(std > 0, std, 1.0)
    logs = (raw - mean) / std
    rng = np.random.default_rng(child(root, 3))
    users, services = np.nonzero(np.isfinite(known.values).any(axis=0))
    spread = intervals.spread
    arrays = {
        "values": values,
        "floor": intervals.floor,
        "offset": intervals.offset,
        "lowest": intervals.lowest,
        "highest": intervals.highest,
        "spread/edges": spread.edges,
        "spread/steps": spread.steps,
        "spread/user": spread.user,
        "spread/service": spread.service,
        "spread/most": spread.most,
        "scores": intervals.scores,
        "hidden/levels": intervals.levels,
        "hidden/sizes": intervals.sizes,
        "scale/mean": mean[:, 0, 0],
        "scale/std": std[:, 0, 0],
        "known/users": users,
        "known/services": services,
        "known/values": known.values[:, users, services].T,
    }
    arrays |= analyse(logs, making.rank, making.sweeps, rng, context)
    made = KeptModel(_about(known, name, method, making), arrays)
    arrays["newcomers"] = rehearse(made, logs, making.sweeps, rng, context, begun)
    return made


def enough_rounds(known: Known, folds: int) -> int:
    """Folds to hide, one after the other, so that 1,000 cells are hidden; at most five.

    Args:
        known: All measurements.
        folds: Number of folds.
    """
    cells = int(np.isfinite(known.values).any(axis=0).sum())
    return min(-(-_ENOUGH_CELLS * folds // max(cells, 1)), _MOST_ROUNDS, folds)


def _told(complete: Complete, trainings: int, begun: Callable[[str], None]) -> Complete:
    """The same, but each training is told of before it begins."""
    numbers = itertools.count(1)

    def told(known: Known, seed: np.random.SeedSequence) -> FloatArray:
        begun(f"training {next(numbers)} of {trainings}")
        return complete(known, seed)

    return told


def _about(known: Known, name: str, method: Any, making: Making) -> About:
    return About(
        method=name,
        method_parameters=dataclasses.asdict(method),
        parameters=known.parameters,
        larger_is_better=larger_of(making.larger_is_better, known.parameters),
        users=tuple(making.users) or tuple(map(str, range(known.users))),
        services=tuple(making.services) or tuple(map(str, range(known.services))),
        user_context={kind: tuple(map(int, codes)) for kind, codes in known.user_context.items()},
        service_context={kind: tuple(map(int, codes)) for kind, codes in known.service_context.items()},
        words=dict(known.words),
        level=making.level,
        scenario=None if making.scenario is None else dict(making.scenario),
        seed=making.seed,
        sha256="0" * 64,
    )
