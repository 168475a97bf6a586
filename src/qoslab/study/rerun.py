"""Running one row again: the same numbers, from what the results folder or an archive of it knows."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from qoslab.core.domain import Domain
from qoslab.core.errors import BadInput, Problem, QoslabError
from qoslab.core.located import problems_of
from qoslab.core.registry import registry
from qoslab.core.scenario import Scenario
from qoslab.core.seeds import Seed
from qoslab.study.archive import unpack
from qoslab.study.cases import Kept, MethodCase, ScenarioCase
from qoslab.study.closure import digest_of
from qoslab.study.data import DataFiles
from qoslab.study.executor import Gave, Lost, Over
from qoslab.study.fingerprint import changes, method_parts, scenario_parts, trial_digest
from qoslab.study.journal import Record
from qoslab.study.keep import kept_input, weights_file
from qoslab.study.local import Local
from qoslab.study.provenance import versions
from qoslab.study.results import Results
from qoslab.study.work import Batch, Failure, Result, Success, Trained

__all__ = ["Rerun", "rerun"]


@dataclass(frozen=True)
class Rerun:
    """A row, then and now.

    Attributes:
        row: Its number.
        seed_path: Its seed in words.
        method: Label of its method.
        before: Status, metrics and counters as they stand in the results.
        now: The same from running it again.
        notes: What is different from when it ran: code, versions, platform.
    """

    row: int
    seed_path: str
    method: str
    before: Mapping[str, Any]
    now: Mapping[str, Any]
    notes: tuple[str, ...]

    @property
    def same(self) -> bool:
        """Whether status and every number are the same, to the last bit."""
        return dict(self.before) == dict(self.now)

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "row": self.row,
            "seed_path": self.seed_path,
            "method": self.method,
            "same": self.same,
            "before": dict(self.before),
            "now": dict(self.now),
            "notes": list(self.notes),
        }

    def __str__(self) -> str:
        head = f"row {self.row}: {self.method}, seed {self.seed_path}"
        if self.same:
            words = f"the same {len(self.now['metrics'])} metrics, to the last bit"
            lines = [f"{head}: {words}" if self.now["metrics"] else f"{head}: {self.now['status']} again"]
        else:
            lines = [f"{head}: NOT the same", *self._differences()]
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])

    def _differences(self) -> list[str]:
        lines = []
        if self.before["status"] != self.now["status"]:
            lines.append(f"  status: {self.before['status']} before, {self.now['status']} now")
        for part in ("metrics", "counters"):
            before, now = self.before[part], self.now[part]
            names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
            lines += [f"  {name}: {before.get(name)!r} before, {now.get(name)!r} now" for name in names]
        return lines


def rerun(results: str | Path, row: int, *, data: Path | None = None) -> Rerun:
    """Run a row of results again, in a fresh process.

    A user's own method is taken from the copy that the results keep, and executed.

    Args:
        results: A results folder, or an archive of one.
        row: Number of the row in the table, from 0.
        data: A folder to look for data files in first.

    Returns:
        Its numbers then and now.

    Raises:
        BadInput: There are no such results or row, or what the row needs is not here.
        MissingData: A data file is not on this machine.
    """
    path = Path(results)
    with ExitStack() as stack:
        if path.is_file():
            path = unpack(path, Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="qoslab-"))))
        return _rerun(Results.open(path), row, DataFiles(data))


def _rerun(opened: Results, row: int, dataset: DataFiles) -> Rerun:
    records = opened.records()
    if not 0 <= row < len(records):
        has = f"rows 0 to {len(records) - 1}" if records else "no rows yet"
        message = f"there is no row {row}; the table has {has}"
        raise BadInput(message)
    record, world, way = records[row]
    domain = registry.domain(opened.study.domain)
    scenario = ScenarioCase(world["label"], {}, _scenario(opened.path, domain, world))
    method = _method(opened, way)
    for name in world["datasets"]:
        dataset(name)
    seed = Seed(opened.study.seed, opened.study.name, world["label"], record["replication"])
    batch = Batch(1, domain, scenario.scenario, method.source, (seed,), dataset=dataset)
    limits = opened.plan["study"]
    batch = replace(batch, time_limit_s=limits["time_limit_s"])
    result = _run(opened, record, batch, limits["train_limit_s"])
    before = {"status": record["status"], "metrics": record["metrics"], "counters": record["counters"]}
    good = result if isinstance(result, Success) else None
    now = {
        "status": result.status if isinstance(result, Failure) else "done",
        "metrics": dict(good.metrics) if good else {},
        "counters": dict(good.counters) if good else {},
    }
    notes = [*_notes(opened, record, world, way, scenario, method, domain, dataset)]
    if isinstance(result, Failure):
        notes.append(result.reason)
    return Rerun(row, record["seed"], way["label"], before, now, tuple(notes))


def _scenario(folder: Path, domain: Domain, world: Record) -> Scenario:
    """The scenario of a row; files that it names are taken from where they were, or from the results."""
    moved = {name: str(_input(folder, name, content)) for name, content in world["inputs"].items()}
    values = _moved(world["scenario"], moved)
    kind = domain.scenario_type()
    try:
        return kind.model_validate_json(json.dumps(values), context={"base": str(folder)})
    except ValidationError as error:
        raise BadInput(problems_of(error, kind, values)) from None


def _method(opened: Results, way: Record) -> MethodCase:
    case = next(case for case in opened.study.methods if case.label == way["label"])
    assert isinstance(case.source, Kept)
    moved = {name: str(_input(opened.path, name, content)) for name, content in way["inputs"].items()}
    return replace(case, source=replace(case.source, params=_moved(case.source.params, moved)))


def _moved(value: Any, places: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return places.get(value, value)
    if isinstance(value, Mapping):
        return {key: _moved(item, places) for key, item in value.items()}
    return [_moved(item, places) for item in value] if isinstance(value, list) else value


def _input(folder: Path, name: str, content: str) -> Path:
    for path in (Path(name), kept_input(folder, content)):
        if path.is_file() and digest_of(path) == content:
            return path.absolute()
    message = "a file that the row was run with has changed or is not here"
    raise BadInput(
        Problem(message=message, path=Path(name), hint="an archive by `qoslab export` contains it")
    )


def _run(opened: Results, record: Record, batch: Batch, train_limit_s: float) -> Result:
    """Run a batch of one trial in a process of its own; a training comes first if its weights are gone."""
    params = batch.source.build()
    weights = getattr(params, "weights", None)
    with ExitStack() as stack:
        executor = Local(1)
        stack.callback(executor.close)
        if weights == "train" and hasattr(params, "train"):
            seed = replace(batch.seeds[0], replication=-1)
            kept = weights_file(opened.path, trial_digest(record["pair"], seed))
            if not kept.is_file():
                kept = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "weights.safetensors"
                training = replace(batch, seeds=(seed,), training=True, time_limit_s=train_limit_s)
                trained = _one(executor, training)
                if not isinstance(trained, Trained):
                    return trained
                kept.write_bytes(trained.weights)
            batch = replace(batch, weights=kept)
        elif isinstance(weights, str) and weights != "builtin":
            batch = replace(batch, weights=Path(weights))
        return _one(executor, batch)


def _one(executor: Local, batch: Batch) -> Result:
    while not executor.free():
        executor.wait(0.5)
    executor.submit(batch)
    result: Result | None = None
    while True:
        for report in executor.wait(0.5):
            match report:
                case Gave():
                    result = report.result
                case Lost(_, status, reason, wall_s, _):
                    return result or Failure(status, reason, 0.0, wall_s)
                case Over():
                    if result is None:
                        message = "the worker gave no result"
                        raise QoslabError(message)
                    return result


def _notes(
    opened: Results,
    record: Record,
    world: Record,
    way: Record,
    scenario: ScenarioCase,
    method: MethodCase,
    domain: Domain,
    dataset: DataFiles,
) -> list[str]:
    """What is different from when the row ran."""
    now = scenario_parts(scenario, dataset) | method_parts(method, domain)
    changed = changes(world["parts"] | way["parts"], now)
    notes = [f"changed since: {', '.join(changed)}"] if changed else []
    before, here = json.loads(opened.run_record(record["run"])["versions"]), json.loads(versions())
    other = [name for name in sorted(before.keys() | here.keys()) if before.get(name) != here.get(name)]
    return notes + [
        f"{name}: {before.get(name, 'absent')} then, {here.get(name, 'absent')} here" for name in other
    ]
