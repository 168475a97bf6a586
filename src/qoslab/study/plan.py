"""Which trials a study has, which of them are finished, and why the others are not."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from qoslab.core.registry import registry
from qoslab.core.scenario import dataset_names, input_files
from qoslab.core.seeds import Seed
from qoslab.study.cases import MethodCase, ScenarioCase, params_of
from qoslab.study.closure import digest_of
from qoslab.study.data import DataFiles
from qoslab.study.fingerprint import (
    MISSING,
    Parts,
    canonical,
    changes,
    method_parts,
    pair_digest,
    scenario_parts,
    trial_digest,
)
from qoslab.study.journal import Record
from qoslab.study.store import Key, Store
from qoslab.study.study import Study
from qoslab.study.userfile import digest as file_digest

__all__ = ["Pair", "Plan", "Trial", "make_plan", "plan"]

State = Literal["cached", "new", "changed"]


@dataclass(frozen=True)
class Pair:
    """A scenario and a method of a study.

    Attributes:
        scenario: The scenario.
        method: The method.
        fingerprint: Digest of all that their trials' numbers rest on, but for the seed.
        parts: The same, part by part.
    """

    scenario: ScenarioCase
    method: MethodCase
    fingerprint: str
    parts: Parts = field(repr=False)


@dataclass(frozen=True)
class Trial:
    """One trial of a plan.

    Attributes:
        pair: Its scenario and method.
        seed: Its seed; the same for every method.
        fingerprint: What its row is found by.
        state: `cached`: its row is there; `changed`: there is a row of this name, but of other code or values;
            `new`: there is none that is done.
        why: The state in words; empty for a cached trial.
    """

    pair: Pair
    seed: Seed
    fingerprint: str
    state: State
    why: str

    @property
    def replication(self) -> int:
        """Number of the replication."""
        return self.seed.replication

    @property
    def scenario(self) -> str:
        """Label of the scenario."""
        return self.pair.scenario.label

    @property
    def method(self) -> str:
        """Label of the method."""
        return self.pair.method.label


@dataclass(frozen=True)
class Plan:
    """All trials of a study, in the order of its table: scenarios, methods, replications.

    Attributes:
        study: The study.
        pairs: Its scenarios and methods.
        trials: Its trials.
        scenario_parts: What each scenario's numbers rest on.
        method_parts: What each method's numbers rest on.
        mean_s: Mean wall seconds of a trial by pair, where earlier trials tell.
    """

    study: Study
    pairs: tuple[Pair, ...]
    trials: tuple[Trial, ...]
    scenario_parts: tuple[Parts, ...]
    method_parts: tuple[Parts, ...]
    mean_s: Mapping[str, float]

    @property
    def todo(self) -> list[Trial]:
        """The trials that a run would run."""
        return [trial for trial in self.trials if trial.state != "cached"]

    def __repr__(self) -> str:
        """The study's name, how many trials are in which state, and how long the rest takes, where that is known."""
        states = dict.fromkeys(trial.state for trial in self.trials)
        counts = ", ".join(f"{self.count(state)} {state}" for state in states)
        seconds = self.seconds() if self.todo else None
        time = "" if seconds is None else f"; about {seconds:.3g} s with one worker"
        return f"<Plan of {self.study.name!r}: {len(self.trials)} trials ({counts}){time}>"

    def count(self, state: State) -> int:
        """How many trials are in a state."""
        return sum(trial.state == state for trial in self.trials)

    def seconds(self, workers: int = 1) -> float | None:
        """Expected wall seconds of a run; None where no earlier trial tells.

        Args:
            workers: How many workers share the trials.
        """
        if not self.mean_s:
            return 0.0 if not self.todo else None
        usual = sum(self.mean_s.values()) / len(self.mean_s)
        total = sum(self.mean_s.get(trial.pair.fingerprint, usual) for trial in self.todo)
        return total / max(1, min(workers, len(self.todo)))

    def missing_data(self) -> list[str]:
        """Names of the data files that scenarios need and that are not on this machine."""
        parts = (part for parts in self.scenario_parts for part in parts.items())
        return sorted({name.removeprefix("data ") for name, content in parts if content == MISSING})

    def record(self) -> Record:
        """The plan as it stands in the journal: what the table, `--why` and `rerun` need of it."""
        study = self.study
        return {
            "kind": "plan",
            "at": time.time_ns(),
            "study": study.summary(),
            "metrics": [metric.name for metric in registry.domain(study.domain).metrics],
            "scenarios": list(map(_scenario_record, study.scenarios, self.scenario_parts)),
            "methods": list(map(_method_record, study.methods, self.method_parts)),
        }


def plan(study: Study, results: Path | None = None, *, data: Path | None = None) -> Plan:
    """Plan a study; nothing is run, and no user's file is executed.

    Args:
        study: The study.
        results: Its results folder; the usual one by default.
        data: A folder to look for data files in first.

    Returns:
        Its trials, each with its state.
    """
    return make_plan(study, Store(results or study.results_path), DataFiles(data))


def make_plan(study: Study, store: Store, dataset: Callable[[str], Path]) -> Plan:
    """`plan` against an open results folder."""
    domain = registry.domain(study.domain)
    worlds = tuple(scenario_parts(case, dataset) for case in study.scenarios)
    ways = tuple(method_parts(case, domain) for case in study.methods)
    pairs = tuple(
        Pair(scenario, method, pair_digest(world, way), world | way)
        for scenario, world in zip(study.scenarios, worlds, strict=True)
        for method, way in zip(study.methods, ways, strict=True)
    )
    history = _History(store)
    trials = tuple(
        _trial(study, pair, replication, history) for pair in pairs for replication in range(study.seeds)
    )
    return Plan(study, pairs, trials, worlds, ways, history.mean_s)


def _trial(study: Study, pair: Pair, replication: int, history: _History) -> Trial:
    seed = Seed(study.seed, study.name, pair.scenario.label, replication)
    fingerprint = trial_digest(pair.fingerprint, seed)
    state, why = history.judge((pair.scenario.label, pair.method.label, replication), fingerprint, seed, pair)
    return Trial(pair, seed, fingerprint, state, why)


class _History:
    """What earlier runs of a folder say about a trial."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.mean_s = _mean_seconds(store)

    def judge(self, key: Key, fingerprint: str, seed: Seed, pair: Pair) -> tuple[State, str]:
        """A trial's state, and why."""
        record = self._store.trials.get(fingerprint)
        if record is not None:
            done = record["status"] == "done"
            return ("cached", "") if done else ("new", f"{record['status']} before: {record['reason']}")
        before = self._store.latest.get(key)
        if before is None:
            return "new", "new seed" if self._known(key) else "never run"
        if before["seed"] != seed.path:
            return "changed", f"another seed: {before['seed']} before, {seed.path} now"
        return "changed", self._difference(before["pair"], pair.parts)

    def _known(self, key: Key) -> bool:
        return (key[0], key[1], 0) in self._store.latest

    def _difference(self, before: str, now: Parts) -> str:
        if before not in self._parts:
            return "changed"
        return "changed: " + ", ".join(changes(self._parts[before], now))

    @cached_property
    def _parts(self) -> dict[str, Parts]:
        """The parts of every pair of every plan so far; asked for only where something changed."""
        return {
            pair_digest(scenario["parts"], method["parts"]): scenario["parts"] | method["parts"]
            for old in self._store.plans
            for scenario in old["scenarios"]
            for method in old["methods"]
        }


def _mean_seconds(store: Store) -> dict[str, float]:
    sums: dict[str, tuple[int, float]] = {}
    for record in store.trials.values():
        count, total = sums.get(record["pair"], (0, 0.0))
        sums[record["pair"]] = count + 1, total + record["wall_s"]
    return {pair: total / count for pair, (count, total) in sums.items()}


def _scenario_record(case: ScenarioCase, parts: Parts) -> Record:
    return {
        "label": case.label,
        "varied": canonical(case.varied),
        "parts": parts,
        "scenario": case.scenario.model_dump(mode="json"),
        "inputs": {str(path): digest_of(path) for path in input_files(case.scenario)},
        "datasets": dataset_names(case.scenario),
        "recorded": case.scenario.recorded(),
    }


def _method_record(case: MethodCase, parts: Parts) -> Record:
    file, params = case.source.file, params_of(case.source)
    weights = str(params.get("weights"))
    named = "weights" in parts and Path(weights).is_file()
    return {
        "label": case.label,
        "id": case.id,
        "varied": canonical(case.varied),
        "params": canonical(params),
        "parts": parts,
        "file": file.name if file else None,
        "content": file_digest(file) if file else None,
        "inputs": {weights: digest_of(Path(weights))} if named else {},
    }
