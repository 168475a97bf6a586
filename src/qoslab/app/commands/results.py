"""`show`, `compare`, `report`, `export`, `rerun`: what is done with results."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from qoslab.app.files import open_results, verdict_from_here
from qoslab.app.output import print_json, print_table, short

__all__ = ["compare", "export", "report", "rerun", "show"]

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")]
Metric = Annotated[str | None, Parameter(help="The metric to judge by.")]
Baseline = Annotated[str | None, Parameter(help="Label of the method to compare with.")]

_ROWS_SHOWN = 40


def show(
    results: Path,
    /,
    *,
    metric: Annotated[tuple[str, ...], Parameter(help="Metrics to show.")] = (),
    rows: Annotated[bool, Parameter(negative="", help="Show every trial instead of means.")] = False,
    json: Json = False,
) -> int:
    """The table of results: means over seeds, or every trial.

    Args:
        results: A folder of results, or the study file that was run.
        metric: Metrics to show; may be repeated. The domain's first ones by default.
        rows: Show every trial instead of means.
        json: Print every trial as JSON: all columns, or, with `--metric`, those that say which trial it is and these.
    """
    opened = open_results(results)
    table = opened.table
    chosen = _known(opened, metric) or _first_metrics(opened)
    if json:
        numbered = table.with_row_index("row")
        print_json((numbered.select(*_identity(table), *chosen) if metric else numbered).to_dicts())
        return 0
    if rows:
        shown = table.with_row_index("row").head(_ROWS_SHOWN)
        print_table(shown.to_dicts(), ["row", "scenario", "method", "replication", "status", *chosen])
        if len(table) > len(shown):
            whole = short(opened.path / "trials.parquet")
            print(f"... and {len(table) - len(shown)} more rows; the whole table is {whole}")
        return 0
    print_table(_means(table, chosen), ["scenario", "method", "done", "failed", *chosen])
    study = opened.study
    if study.seeds > study.seeds_planned:
        print(
            f"\n{study.seeds_planned:,} seeds were planned; a run until a precision made them {study.seeds:,}."
        )
    return 0


def compare(results: Path, /, *, metric: Metric = None, baseline: Baseline = None, json: Json = False) -> int:
    """Methods against a baseline, seed by seed, and the verdict.

    Args:
        results: A folder of results, or the study file that was run.
        metric: The metric to judge by; the study's by default.
        baseline: Label of the method to compare with; the study's by default.
        json: Print JSON.
    """
    from qoslab.report.compare import compare as table_of
    from qoslab.report.text import comparison_text
    from qoslab.report.verdict import verdict

    opened = open_results(results)
    found = verdict(opened, metric, baseline)
    if json:
        table = table_of(opened, metric, baseline)
        print_json({"verdict": found.as_dict(), "comparison": table.to_dicts()})
        return 0
    print(comparison_text(opened, metric, baseline))
    print()
    print(verdict_from_here(found, opened))
    return 0


def report(
    results: Path,
    /,
    *,
    out: Annotated[Path | None, Parameter(help="Where to write it.")] = None,
    json: Json = False,
) -> int:
    """Write the report: the verdict, tables, figures and provenance in one offline HTML file.

    Args:
        results: A folder of results, or the study file that was run.
        out: The file to write, or a folder for `report.html`; the folder of results by default. Figures and tables are
            written beside it.
        json: Print the file's path as JSON.
    """
    from qoslab.report.html import write_report

    if out is not None and out.is_dir():
        out = out / "report.html"
    _wrote([write_report(open_results(results), out)], json=json)
    return 0


def export(
    results: Path,
    /,
    *,
    out: Annotated[Path | None, Parameter(help="Where to write it.")] = None,
    series: Annotated[str | None, Parameter(help="Write this series alone, as Parquet.")] = None,
    json: Json = False,
) -> int:
    """Write LaTeX and CSV tables, and one archive that `rerun` accepts on another machine.

    Args:
        results: A folder of results, or the study file that was run.
        out: The folder to write to; `tables` in the folder of results by default.
        series: Write this series of all trials alone, as one Parquet file.
        json: Print the files' paths as JSON.
    """
    from qoslab.report.export import export as write
    from qoslab.report.export import export_series

    opened = open_results(results)
    _wrote([export_series(opened, series, out)] if series else write(opened, out), json=json)
    return 0


def _wrote(paths: Iterable[Path], *, json: bool) -> None:
    """Name the files that were written."""
    if json:
        print_json({"files": [str(path) for path in paths]})
        return
    for path in paths:
        print(f"wrote {short(path)}")


def rerun(
    results: Path,
    row: int,
    /,
    *,
    data: Annotated[Path | None, Parameter(help="Folder of data files to look in first.")] = None,
    json: Json = False,
) -> int:
    """Run one row again and compare: the same numbers on the same platform.

    This executes the Python files of methods that the folder or archive holds. Do it only with results of people whose
    code you would run.

    Args:
        results: A folder of results, or an archive that `export` wrote.
        row: Number of the row, as `show --rows` counts them, from 0.
        data: Folder of data files to look in first.
        json: Print JSON.

    Returns:
        1 where a number differs, else 0.
    """
    from qoslab.study.rerun import rerun as again

    found = again(results, row, data=data)
    if json:
        print_json(found.as_dict())
    else:
        print(found)
    return int(not found.same)


def _known(opened: Any, names: Iterable[str]) -> list[str]:
    """The metrics that somebody named; counters and members of metrics are taken, too.

    Raises:
        BadInput: The table has no such column of numbers; all of them are named.
    """
    from qoslab.core.errors import BadInput, Problem, did_you_mean

    asked = list(names)
    known = [name for name, kind in opened.table.schema.items() if kind.is_numeric()]
    problems = [
        Problem(message=f"the results hold no metric {name!r}", hint=did_you_mean(name, known))
        for name in asked
        if name not in known
    ]
    if problems:
        raise BadInput(problems)
    return asked


def _identity(table: Any) -> list[str]:
    """The columns that say which trial a row is and what became of it: all from the first up to its reason."""
    columns = table.columns
    return ["row", *columns[: columns.index("reason") + 1]]


def _first_metrics(opened: Any) -> list[str]:
    from qoslab.core.registry import registry

    names = [metric.name for metric in registry.domain(opened.study.domain).metrics]
    return [name for name in names if name in opened.table.columns][:6]


def _means(table: Any, metrics: list[str]) -> list[dict[str, Any]]:
    import polars as pl

    done = pl.col("status") == "done"
    counts = [done.sum().alias("done"), (~done).sum().alias("failed")]
    means = [pl.col(name).filter(done).mean().alias(name) for name in metrics]
    grouped = table.group_by("scenario", "method", maintain_order=True).agg(*counts, *means)
    rows: list[dict[str, Any]] = grouped.to_dicts()
    return rows
