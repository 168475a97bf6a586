"""Who follows a stream best: online factors, AMF, or training again, slot by slot on real response times."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Protocol

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.errors import BadInput, Problem, did_you_mean
from qoslab.core.seeds import Seed
from qoslab.datasets.locate import resolver
from qoslab.domains.prediction import online
from qoslab.domains.prediction.adaptive import Adaptive, Transform, learn, transform_of
from qoslab.domains.prediction.archives import seconds
from qoslab.domains.prediction.data import BoolArray, FloatArray, Known
from qoslab.domains.prediction.factor_analysis import Scale, factorise, floor_of, scale_of
from qoslab.domains.prediction.methods.robust_factorisation import RobustFactorisation
from qoslab.domains.prediction.tuning import draw

__all__ = [
    "CONTENDERS",
    "Replay",
    "Setting",
    "Slots",
    "compare",
    "follow",
    "means",
    "open_slots",
    "split",
    "summary",
    "tuned",
]

DATASET = "wsdream-2-sample/ds2_rt_64slots_ms_uint16.npz"
_CHOSEN_ON = range(20, 32)
"""Slots that chose the memory of online factors, and choose what is tuned; the others are reported apart."""
_RANK, _SWEEPS = 8, 25
_SPREAD = 4.0
"""Largest factor between a parameter that is tuned and the one it begins with."""

Slots = Callable[[int], FloatArray]
"""Gives the table of a slot, shape (users, services), NaN where nobody measured."""


@dataclass(frozen=True)
class Setting:
    """How a stream is told.

    Attributes:
        density: Share of a slot's measured cells that is told; the others are asked.
        slots: Number of slots.
        newcomers: Share of users, and of services, of whom nothing is told in the first half of the slots.
        seed: Draws cells, newcomers and starts.
        draws: Name of these draws; another name makes others of the same seed.
    """

    density: float = 0.1
    slots: int = 64
    newcomers: float = 0.1
    seed: int = 0
    draws: str = "streaming"


@dataclass(frozen=True)
class Replay:
    """How AMF learns from a stream; step, decay, rank and exponent are the published ones.

    Attributes:
        rank: Number of factors.
        power: Exponent of Box-Cox.
        rate: Step size.
        ridge: Decay of the factors.
        least: Transformed value below which a relative error is taken of this value instead.
        first_passes: How often the first slot's cells are replayed.
        passes: The same for those of every other slot.
    """

    rank: Annotated[int, Field(ge=1, le=100)] = 10
    power: Annotated[float, Field(gt=-1, lt=1)] = -0.007
    rate: Annotated[float, Field(gt=0)] = 0.8
    ridge: Annotated[float, Field(ge=0)] = 3e-4
    least: Annotated[float, Field(gt=0, le=1)] = 0.5
    first_passes: Annotated[int, Field(ge=1)] = 300
    passes: Annotated[int, Field(ge=1)] = 50


class Contender(Protocol):
    """Somebody who follows a stream of tables, each with a part of a slot's cells."""

    def take(self, told: FloatArray) -> None:
        """Take in what is told of a slot, shape (users, services), NaN elsewhere."""

    def table(self) -> FloatArray:
        """Predictions for every cell of now."""


class Online:
    """Factors that every measurement changes; the first slot is analysed whole, and has the scale for all."""

    def __init__(self, rng: np.random.Generator, memory: online.Memory | None = None) -> None:
        self._rng, self._memory = rng, memory or online.Memory()
        self._state: online.State | None = None
        self._scale: Scale | None = None
        self._ends = (0.0, 0.0)

    def take(self, told: FloatArray) -> None:
        """Absorb the cells in random order."""
        if self._state is None or self._scale is None:
            self._scale = scale_of(told[None])
            logs = self._scale.forward(told[None])[0]
            fit = factorise(logs, _RANK, _SWEEPS, self._rng, Context())
            self._state = online.start(fit, logs, 1, self._memory)
            self._ends = float(np.nanmin(told)), float(np.nanmax(told))
            return
        self._ends = min(self._ends[0], float(np.nanmin(told))), max(self._ends[1], float(np.nanmax(told)))
        users, services = np.nonzero(np.isfinite(told))
        order = self._rng.permutation(len(users))
        users, services = users[order], services[order]
        logs = self._scale.forward(told[None])[0][users, services]
        online.learn(self._state, users, services, logs[:, None], self._memory)

    def table(self) -> FloatArray:
        """Predictions within what was seen."""
        assert self._state is not None
        assert self._scale is not None
        low, high = self._scale.forward(np.array(self._ends)[:, None, None])
        found = self._scale.backward(np.clip(online.predict(self._state), low, high))
        return np.asarray(np.clip(found[0], *self._ends))


class Amf:
    """AMF: every measurement is a gradient step; a slot's cells are replayed."""

    def __init__(self, rng: np.random.Generator, how: Replay | None = None) -> None:
        self._rng, self._how = rng, how or Replay()
        self._state: Adaptive | None = None
        self._transform: Transform | None = None
        self._seen: tuple[BoolArray, BoolArray] | None = None

    def take(self, told: FloatArray) -> None:
        """Replay the cells in random orders."""
        mask = np.isfinite(told)
        users, services = np.nonzero(mask)
        how = self._how
        passes = how.passes
        if self._state is None or self._transform is None or self._seen is None:
            self._transform = transform_of(told[mask], how.power)
            sides = [self._rng.random((n, how.rank)) / how.rank**0.5 for n in told.shape]
            self._state = Adaptive(sides[0], sides[1], np.ones(len(told)), np.ones(told.shape[1]))
            self._seen = np.zeros(len(told), bool), np.zeros(told.shape[1], bool)
            passes = how.first_passes
        values = self._transform.forward(told[mask])
        for _ in range(passes):
            order = self._rng.permutation(len(values))
            cells = (users[order], services[order], values[order])
            learn(self._state, cells, rate=how.rate, ridge=how.ridge, least=how.least)
        self._seen = self._seen[0] | mask.any(axis=1), self._seen[1] | mask.any(axis=0)

    def table(self) -> FloatArray:
        """Sigmoids of products; who was never told has the mean factors."""
        assert self._state is not None
        assert self._transform is not None
        assert self._seen is not None
        sides = []
        for factors, seen in zip((self._state.users, self._state.services), self._seen, strict=True):
            sides.append(np.where(seen[:, None], factors, factors[seen].mean(axis=0)))
        return self._transform.backward(0.5 + 0.5 * np.tanh(0.5 * sides[0] @ sides[1].T))


Complete = Callable[[FloatArray, np.random.Generator], FloatArray]
"""Completes a table, shape (users, services), NaN where nothing is known."""


class Trained:
    """A model from nothing after each slot, on the geometric means of the last slots' cells.

    Zeros count as the smallest positive value of their slot.
    """

    def __init__(self, rng: np.random.Generator, window: int, complete: Complete) -> None:
        self._rng, self._window, self._complete = rng, window, complete
        self._told: list[FloatArray] = []
        self._values = np.empty(0)

    def take(self, told: FloatArray) -> None:
        """Train on what was told lately."""
        self._told = [*self._told, np.log(np.maximum(told, floor_of(told[None])[0]))][-self._window :]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # cells that nobody measured are NaN, as they should be
            values = np.exp(np.nanmean(np.stack(self._told), axis=0))
        self._values = self._complete(values, self._rng)

    def table(self) -> FloatArray:
        """Predictions of the last training."""
        return self._values


def _analysed(values: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Factor analysis with the rank and sweeps that online factors begin with."""
    scale = scale_of(values[None])
    fit = factorise(scale.forward(values[None])[0], _RANK, _SWEEPS, rng, Context())
    found = scale.backward(fit.predict()[None])[0]
    return np.asarray(np.clip(found, np.nanmin(values), np.nanmax(values)))


def _robust(values: FloatArray, rng: np.random.Generator) -> FloatArray:
    """`robust_factorisation` with its defaults."""
    seed = np.random.SeedSequence(int(rng.integers(2**63)))
    return np.asarray(RobustFactorisation().predict(Known(("rt",), values[None]), seed, Context())[0])


Maker = Callable[[np.random.Generator], Contender]

CONTENDERS: dict[str, Maker] = {
    "online factors": Online,
    "AMF, cells replayed": Amf,
    "trained on the last slot": lambda rng: Trained(rng, 1, _analysed),
    "trained on the last 8 slots": lambda rng: Trained(rng, 8, _analysed),
    "trained on all slots so far": lambda rng: Trained(rng, 64, _analysed),
    "trained robustly on the last 8 slots": lambda rng: Trained(rng, 8, _robust),
}
_LONGER = ("trained robustly on the last 8 slots",)
"""Contenders who take minutes for a seed, and follow where they are named."""

_TUNABLE: dict[str, tuple[Callable[..., Contender], Any]] = {
    "online factors": (Online, online.Memory()),
    "AMF, cells replayed": (Amf, Replay()),
}
"""Contenders that have parameters, and those they begin with."""


def _maker(name: str, parameters: Any) -> Maker:
    """A contender with parameters of its own."""
    make = _TUNABLE[name][0]
    return lambda rng: make(rng, parameters)


def open_slots(path: Path) -> Slots:
    """The slots of WS-DREAM #2 in seconds; zeros of the source (0.3 % of cells) count as not measured."""
    with np.load(path, allow_pickle=False) as archive:
        table = archive["rt_ms"]

    def slot(number: int) -> FloatArray:
        return seconds(table[number])

    return slot


def split(table: FloatArray, density: float, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """A slot's cells as told and asked, each with NaN elsewhere."""
    told = rng.random(table.shape) < density
    return np.where(told, table, np.nan), np.where(told, np.nan, table)


def follow(slots: Slots, contender: str | Maker, setting: Setting) -> Iterator[dict[str, Any]]:
    """The way of a contender, by its name or made, through the stream, one row per slot after the first.

    Rows have `forecast` (MAE in the slot's asked cells before it is told of), `mae` (after), `newcomers` (the same
    for cells of users or services new since half time; NaN before) and `cpu_s` of taking the slot in.

    Raises:
        BadInput: A slot is left without cells to tell, or without any to ask.
    """
    seed = Seed(setting.seed, setting.draws)
    maker = CONTENDERS[contender] if isinstance(contender, str) else contender
    follower = maker(seed.generator("start"))
    new: BoolArray | None = None
    for number in range(setting.slots):
        table = slots(number)
        if new is None:
            new = _newcomers(table.shape, setting.newcomers, seed)
        told, asked = split(table, setting.density, seed.generator("cells", number))
        early = number < setting.slots // 2
        if early:
            told, asked = np.where(new, np.nan, told), np.where(new, np.nan, asked)
        _must_have_cells(number, told, asked)
        forecast = _mae(follower.table(), asked) if number else np.nan
        begun = time.process_time()
        follower.take(told)
        cpu_s = time.process_time() - begun
        if number:
            found = follower.table()
            late = np.nan if early else _mae(found, np.where(new, asked, np.nan))
            yield {
                "slot": number,
                "forecast": forecast,
                "mae": _mae(found, asked),
                "newcomers": late,
                "cpu_s": cpu_s,
            }


def _must_have_cells(number: int, told: FloatArray, asked: FloatArray) -> None:
    for cells, use in ((told, "told"), (asked, "asked")):
        if not np.isfinite(cells).any():
            message = f"no cell of slot {number} is {use}"
            hint = "a larger share" if use == "told" else "a smaller share"
            raise BadInput(Problem(message=message, field="density", hint=f"{hint}, or fewer newcomers"))


def tuned(slots: Slots, name: str, trials: int, setting: Setting) -> Any:
    """The parameters with which a contender errs least in the slots that may choose, of some that are drawn.

    The first trial has the parameters that the contender has; the others draw every number around them, by up to four
    times. Cells, newcomers and starts are others than those of any comparison.

    Args:
        slots: The slots.
        name: A contender that has parameters.
        trials: Number of trials.
        setting: How the stream is told.
    """
    start = _TUNABLE[name][1]
    few = Setting(setting.density, len(_CHOSEN_ON), setting.newcomers, setting.seed, "streaming/tuning")
    rng = Seed(few.seed, few.draws).generator("parameters")
    tried = [start, *(draw(start, _SPREAD, rng) for _ in range(trials - 1))]

    def error(one: Any) -> float:
        rows = follow(lambda number: slots(_CHOSEN_ON[number]), _maker(name, one), few)
        return float(np.mean([row["mae"] for row in rows]))

    return min(tried, key=error)


def compare(
    *,
    density: float = 0.1,
    slots: int = 64,
    newcomers: float = 0.1,
    seeds: int = 1,
    seed: int = 0,
    contender: Sequence[str] = (),
    trials: int = 0,
) -> list[dict[str, Any]]:
    """Follow the 64 slots of WS-DREAM #2's response times, and say who was nearest and what it cost.

    In each slot a share of the measured cells is told, all others are asked. Mean absolute errors are means over the
    slots but the first, then over seeds; `other_slots_mae_s` keeps those that had no say in the memory of online
    factors. With several seeds, `more` is by how much a method errs more in these than the nearest one, as a share of
    its error, with the 95 % interval of differences that are paired by seed.

    Args:
        density: Share of a slot's cells that is told.
        slots: Number of slots, at most 64.
        newcomers: Share of users, and of services, who come at half time.
        seeds: Number of seeds.
        seed: The first of them; each draws cells, newcomers and starts.
        contender: Who follows; by default all but the robust training, which takes five minutes of CPU for a seed.
        trials: With these many sets of parameters, online factors and AMF are tuned on the slots 20 to 31, with other
            draws, and follow once more as tuned; 0 tunes nobody.
    """
    names = list(dict.fromkeys(contender)) or [name for name in CONTENDERS if name not in _LONGER]
    _check(
        density=density, slots=slots, newcomers=newcomers, seeds=seeds, seed=seed, names=names, trials=trials
    )
    source = open_slots(resolver()(DATASET))
    settings = [Setting(density, slots, newcomers, seed + one) for one in range(seeds)]
    makers: dict[str, Maker] = {name: CONTENDERS[name] for name in names}
    chosen = {}
    for name in (name for name in names if trials and name in _TUNABLE):
        found = tuned(source, name, trials, settings[0])
        chosen[f"{name}, tuned"] = found
        makers[f"{name}, tuned"] = _maker(name, found)
    rows = summary({name: [means(follow(source, one, s)) for s in settings] for name, one in makers.items()})
    return [row | ({"parameters": str(chosen.get(row["method"], ""))} if chosen else {}) for row in rows]


def _check(
    *, density: float, slots: int, newcomers: float, seeds: int, seed: int, names: Sequence[str], trials: int
) -> None:
    strange = next((name for name in names if name not in CONTENDERS), "")
    hint = did_you_mean(strange, CONTENDERS) or f"they are {', '.join(CONTENDERS)}"
    problems = [
        Problem(message=message, field=field, hint=hint if field == "contender" else None)
        for field, wrong, message in (
            ("density", not 0 < density < 1, "must be between 0 and 1"),
            ("slots", not 2 <= slots <= 64, "must be from 2 to 64"),
            ("newcomers", not 0 <= newcomers < 1, "must be from 0 to below 1"),
            ("seeds", not 1 <= seeds <= 100, "must be from 1 to 100"),
            ("seed", seed < 0, "must not be negative"),
            ("contender", bool(strange), f"nobody is called {strange!r}"),
            ("trials", not 0 <= trials <= 10_000, "must be from 0 to 10,000"),
        )
        if wrong
    ]
    if problems:
        raise BadInput(problems)


def means(rows: Iterable[dict[str, Any]]) -> dict[str, float]:
    """Means over the slots of one way through the stream, and the median of what a slot cost.

    `other_slots` is the `mae` over the slots that had no say in choosing the memory of online factors.
    """
    kept = list(rows)
    late = [row["newcomers"] for row in kept if np.isfinite(row["newcomers"])]
    found = {key: float(np.mean([row[key] for row in kept])) for key in ("mae", "forecast")}
    others = [row["mae"] for row in kept if row["slot"] not in _CHOSEN_ON]
    found["other_slots"] = float(np.mean(others)) if others else float("nan")
    found["newcomers"] = float(np.mean(late)) if late else float("nan")
    return found | {"cpu_s": float(np.median([row["cpu_s"] for row in kept]))}


def summary(found: Mapping[str, Sequence[Mapping[str, float]]]) -> list[dict[str, Any]]:
    """One row per method: means over seeds, and what it errs more than the nearest in slots that chose nothing.

    Args:
        found: Of each method the `means` of each seed, the seeds in the same order.
    """
    mae = {name: np.array([one["other_slots"] for one in runs]) for name, runs in found.items()}
    nearest = min(mae, key=lambda name: float(mae[name].mean()))
    rows = []
    for name, runs in found.items():
        over_seeds = {key: float(np.mean([one[key] for one in runs])) for key in runs[0]}
        row: dict[str, Any] = {"method": name}
        for key in ("mae", "other_slots", "forecast", "newcomers"):
            label = "mae_s" if key == "mae" else f"{key}_mae_s"
            row[label] = round(over_seeds[key], 4) if np.isfinite(over_seeds[key]) else None
        row["cpu_s_per_slot"] = round(over_seeds["cpu_s"], 4)
        if len(runs) > 1:
            row |= _more((mae[name] - mae[nearest]) / mae[nearest].mean())
        rows.append(row)
    return rows


def _more(differences: FloatArray) -> dict[str, float]:
    """Mean and ends of the 95 % interval of Student's t."""
    from scipy.special import stdtrit

    count, mean = len(differences), float(differences.mean())
    half = float(stdtrit(count - 1, 0.975) * differences.std(ddof=1) / np.sqrt(count))
    return {"more": round(mean, 4), "low": round(mean - half, 4), "high": round(mean + half, 4)}


def _newcomers(shape: tuple[int, ...], share: float, seed: Seed) -> BoolArray:
    rng = seed.generator("newcomers")
    users, services = (rng.random(n) < share for n in shape)
    return np.asarray(users[:, None] | services[None])


def _mae(found: FloatArray, asked: FloatArray) -> float:
    inside = np.isfinite(asked)
    return float(np.abs(found[inside] - asked[inside]).mean()) if inside.any() else float("nan")
