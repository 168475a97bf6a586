"""A study's results for papers and other machines: LaTeX and CSV tables, BibTeX, one archive."""

from __future__ import annotations

import io
from pathlib import Path

from qoslab.core.errors import BadInput, Problem
from qoslab.core.files import write_whole
from qoslab.report.cite import bibliography
from qoslab.report.compare import compare
from qoslab.report.files import write_text
from qoslab.report.latex import latex_table
from qoslab.report.source import ResultsLike, StudyLike, entry_of, measured, metric_of
from qoslab.report.words import slug

__all__ = ["bibtex", "export", "export_series"]


def export(results: ResultsLike, out: Path | None = None) -> list[Path]:
    """Write everything that a paper or another machine needs.

    For each metric `METRIC.tex` and `METRIC.csv` compare the methods; `trials.csv` holds every row, `methods.bib`
    what to cite, and the archive the study file, its own files and its results: `qoslab rerun` accepts it.

    Args:
        results: The results.
        out: The folder to write into; `tables` in the results folder where None.

    Returns:
        The files written.

    Raises:
        BadInput: There are no results.
    """
    from qoslab.study.archive import archive

    folder, study = out or results.path / "tables", results.study
    judged = metric_of(study, None)
    written = []
    for metric in [judged, *(metric for metric in measured(study, results.table) if metric != judged)]:
        frame = compare(results, metric.name)
        text = latex_table(frame, metric, study=study.name, level=study.report.level)
        written.append(write_text(folder / f"{slug(metric.name)}.tex", text))
        written.append(write_text(folder / f"{slug(metric.name)}.csv", frame.write_csv()))
    written.append(write_text(folder / "trials.csv", results.table.write_csv()))
    written.append(write_text(folder / "methods.bib", bibtex(study)))
    written.append(archive(results.path, folder / f"{slug(study.name)}.zip"))
    return written


def export_series(results: ResultsLike, name: str, out: Path | None = None) -> Path:
    """Write one series of all trials as Parquet: its columns behind `scenario`, `method` and `replication`.

    Args:
        results: The results.
        name: Name of the series.
        out: The folder to write into; `tables` in the results folder where None.

    Raises:
        BadInput: No trial kept it.
    """
    frame = results.series(name)
    if frame.is_empty():
        hint = 'a study keeps series where its [study] says so: series = "all"'
        raise BadInput(Problem(message=f"no trial kept a series {name!r}", field="series", hint=hint))
    path = (out or results.path / "tables") / f"{slug(name)}.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    write_whole(path, buffer.getvalue())
    return path


def bibtex(study: StudyLike) -> str:
    """BibTeX of the methods that a study uses, each publication once; methods of the user's own have none.

    Args:
        study: The study.
    """
    registered = [case for case in study.methods if getattr(case.source, "file", None) is None]
    entries = [entry_of(study.domain, case.id) for case in registered]
    return bibliography(entry.citation for entry in entries if entry is not None)
