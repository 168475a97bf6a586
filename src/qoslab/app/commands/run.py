"""`qoslab run`: run a study, or what is left of it, and say what came out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from qoslab.app.files import verdict_from_here
from qoslab.app.output import print_json, short
from qoslab.app.progress import study_progress
from qoslab.app.settings import overrides
from qoslab.core.errors import BadInput, Problem
from qoslab.core.plain_words import NO_SUCH_KEY

if TYPE_CHECKING:
    from qoslab.study.results import Results
    from qoslab.study.study import Study

__all__ = ["conclude", "run", "run_study"]

_AGENTS = "scenario.agents"


def run(
    file: Path,
    /,
    *,
    workers: Annotated[int | None, Parameter(help="Worker processes; one per processor by default.")] = None,
    ray: Annotated[str | None, Parameter(help="Address of a Ray cluster, or auto.")] = None,
    executor: Annotated[
        str | None, Parameter(help="Executor of another package: NAME or NAME:ADDRESS.")
    ] = None,
    agents: Annotated[
        Literal["local", "ray"] | None,
        Parameter(help="Agents on their own, where a domain has them: local processes, or Ray actors."),
    ] = None,
    set_: Annotated[tuple[str, ...], Parameter(name="--set", help="Set a value: --set study.seeds=5.")] = (),
    out: Annotated[Path | None, Parameter(help="Folder of results.")] = None,
    until_precision: Annotated[
        float | None, Parameter(help="Add seeds until intervals are this narrow: 0.05 is 5 % of the mean.")
    ] = None,
    fail_fast: Annotated[bool, Parameter(negative="", help="Stop at the first failed trial.")] = False,
    data: Annotated[Path | None, Parameter(help="Folder of data files to look in first.")] = None,
    json: Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")] = False,
) -> int:
    """Run a study, or what is left of it; a file of your own that the study names is executed.

    Args:
        file: The study file.
        workers: Worker processes; 0 runs in this process; by default one per processor.
        ray: Run on a Ray cluster instead: its address, or `auto` to find or start one.
        executor: Run on an executor that another package brings instead: its name, and behind a colon what it is told.
        agents: Where the agents of a domain that has them live: each as a process here, or as a Ray actor; the same as
            `--set scenario.agents=...`.
        set_: Values to set, `a.b=value`.
        out: Folder of results; `NAME.results` beside the study file by default.
        until_precision: Add seeds until every method's interval of the report's metric has at most this relative
            half-width.
        fail_fast: Stop at the first trial that fails.
        data: Folder of data files to look in first.
        json: Print the verdict as JSON.

    Returns:
        1 where a trial failed, 130 where the run was interrupted, else 0.
    """
    study = _study(file, overrides(set_), agents)
    if until_precision is not None:
        study = study.with_precision(until_precision)
    results = run_study(
        study,
        out,
        workers=workers,
        ray=ray,
        executor=executor,
        until_precision=study.report.precision,
        fail_fast=fail_fast,
        data=data,
    )
    return conclude(results, json=json, file=file)


def _study(file: Path, values: dict[str, str], agents: str | None) -> Study:
    """The study with what was set from outside.

    Raises:
        BadInput: As `Study.from_file`; what is wrong with `--agents` is named so.
    """
    from qoslab.study.study import Study

    if agents is None:
        return Study.from_file(file, values)
    try:
        return Study.from_file(file, {**values, _AGENTS: agents})
    except BadInput as error:
        raise BadInput([_by_its_option(problem, agents) for problem in error.problems]) from None


def _by_its_option(problem: Problem, agents: str) -> Problem:
    """A problem under the option that was typed, not under the setting it stands for."""
    if problem.field != f"--set {_AGENTS}={agents}":
        return problem
    if problem.message != NO_SUCH_KEY:
        return replace(problem, field=f"--agents {agents}")
    message = "scenarios of this domain have no agents that could run on their own"
    return replace(problem, field=f"--agents {agents}", message=message, hint="leave --agents out")


def conclude(
    results: Results, *, json: bool = False, report: Path | None = None, file: Path | None = None
) -> int:
    """Print the verdict and where to go from here.

    Args:
        results: The results.
        json: Print the verdict as JSON.
        report: The report, where it is written already.
        file: The study file.

    Returns:
        130 where the run was interrupted, 1 where a trial failed, else 0.
    """
    from qoslab.report.verdict import verdict

    found = verdict(results)
    if json:
        print_json(found.as_dict() | {"results": str(results.path)})
    else:
        print(verdict_from_here(found, results, file))
        folder = short(results.path)
        print(f"\nresults: {folder}   report: {short(report) if report else f'qoslab report {folder}'}")
    if results.interrupted:
        return 130
    return int((results.table["status"] != "done").any())


def run_study(
    study: Study,
    out: Path | None = None,
    *,
    workers: int | None = None,
    ray: str | None = None,
    executor: str | None = None,
    until_precision: float | None = None,
    fail_fast: bool = False,
    data: Path | None = None,
    quiet: bool = False,
) -> Results:
    """Run a study with progress on a terminal."""
    from qoslab.app.precision import stopping_rule

    with study_progress(quiet=quiet) as events:
        return study.run(
            out,
            workers=workers,
            ray=ray,
            executor=executor,
            until_precision=stopping_rule(study, until_precision),
            fail_fast=fail_fast,
            data=data,
            events=events,
        )
