"""`qoslab check` and `qoslab plan`: they run nothing, and execute no file of the user's."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from qoslab.app.output import duration, print_json, print_table, short
from qoslab.app.settings import overrides
from qoslab.core.errors import BadInput, Problem

if TYPE_CHECKING:
    from qoslab.study.plan import Plan
    from qoslab.study.study import Study

__all__ = ["check", "plan"]

Set = Annotated[tuple[str, ...], Parameter(name="--set", help="Set a value: --set scenario.load=0.9.")]


def check(
    file: Path,
    /,
    *,
    set_: Set = (),
    json: Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")] = False,
) -> int:
    """Check a study file; every problem is named with its line and column.

    Args:
        file: The study file.
        set_: Values to set, `a.b=value`.
        json: Print what it holds and its problems as JSON, for editors and scripts.

    Returns:
        2 where it cannot be used, else 0.
    """
    from qoslab.report.words import count
    from qoslab.study.study import Study

    try:
        study = Study.from_file(file, overrides(set_))
    except BadInput as error:
        if not json:
            raise
        print_json({"file": str(file), "problems": [_located(problem) for problem in error.problems]})
        return error.exit_code
    if json:
        print_json(_contents(file, study))
        return 0
    trials = len(study.scenarios) * len(study.methods) * study.seeds
    parts = (
        count(len(study.scenarios), "scenario"),
        count(len(study.methods), "method"),
        count(study.seeds, "seed"),
    )
    print(f"{short(file)}: {' x '.join(parts)} = {count(trials, 'trial')}")
    return 0


def _located(problem: Problem) -> dict[str, Any]:
    return dataclasses.asdict(problem) | {"path": str(problem.path) if problem.path else None}


def _contents(file: Path, study: Study) -> dict[str, Any]:
    return {
        "file": str(file),
        "problems": [],
        "name": study.name,
        "domain": study.domain,
        "scenarios": [case.label for case in study.scenarios],
        "methods": [case.label for case in study.methods],
        "seeds": study.seeds,
        "trials": len(study.scenarios) * len(study.methods) * study.seeds,
    }


def plan(
    file: Path,
    /,
    *,
    why: Annotated[bool, Parameter(negative="", help="Say why each trial would run.")] = False,
    set_: Set = (),
    out: Annotated[Path | None, Parameter(help="Folder of results.")] = None,
    data: Annotated[Path | None, Parameter(help="Folder of data files to look in first.")] = None,
    json: Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")] = False,
) -> int:
    """Say what a run would do: trials, those kept from before, an estimate.

    Args:
        file: The study file.
        why: Say for each scenario and method why its trials would run.
        set_: Values to set, `a.b=value`.
        out: Folder of results; beside the study file by default.
        data: Folder of data files to look in first.
        json: Print JSON.
    """
    from qoslab.study.study import Study

    study = Study.from_file(file, overrides(set_))
    made = study.plan(out or study.results_path, data=data)
    if json:
        print_json(_as_dict(made))
        return 0
    from qoslab.report.words import count

    print(
        f"{count(len(made.trials), 'trial')}: {made.count('cached')} kept, {len(made.todo)} to run{_estimate(made)}"
    )
    for name in made.missing_data():
        print(f"missing data: {name} (qoslab data where {name.partition('/')[0]})")
    if why:
        _print_reasons(made)
    return 0


def _estimate(made: Plan) -> str:
    seconds = made.seconds()
    if not made.todo:
        return ""
    if seconds is None:
        return "; how long that takes is known once a few trials have run"
    return f", about {duration(seconds)} on one worker"


def _print_reasons(made: Plan) -> None:
    """What would run first stands first; what is kept comes last."""
    ordered = [*made.todo, *(trial for trial in made.trials if trial.state == "cached")]
    reasons = Counter((t.scenario, t.method, t.why or "kept") for t in ordered)
    rows = [
        {"scenario": scenario, "method": method, "trials": count, "why": why}
        for (scenario, method, why), count in reasons.items()
    ]
    print_table(rows, ["scenario", "method", "trials", "why"])


def _as_dict(made: Plan) -> dict[str, object]:
    return {
        "trials": len(made.trials),
        "cached": made.count("cached"),
        "new": made.count("new"),
        "changed": made.count("changed"),
        "estimate_s": made.seconds(),
        "missing_data": made.missing_data(),
        "todo": [
            {"scenario": t.scenario, "method": t.method, "replication": t.replication, "why": t.why}
            for t in made.todo
        ],
    }
