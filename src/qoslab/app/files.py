"""What commands are given: study files and folders of results; and files that must not be overwritten."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from qoslab.core.errors import BadInput, Problem

if TYPE_CHECKING:
    from qoslab.report.verdict import Verdict
    from qoslab.study.results import Results, StudySummary
    from qoslab.study.study import Study

__all__ = ["open_results", "study_of", "verdict_from_here", "write_new"]


def open_results(path: Path | str) -> Results:
    """The results in a folder, or those of a study file that was run with the default folder.

    Raises:
        BadInput: There are none.
    """
    from qoslab.study.results import Results, default_results

    path = Path(path)
    folder = default_results(path) if path.suffix == ".toml" else path
    if not folder.is_dir():
        hint = f"run the study first: qoslab run {path}" if path.suffix == ".toml" else None
        if path.is_file() and path.suffix == ".zip":
            hint = f"of an archive one row can be run again: qoslab rerun {path} ROW"
        raise BadInput(Problem(message=f"there are no results in {str(folder)!r}", hint=hint))
    return Results.open(folder)


def study_of(path: Path | str) -> Study | StudySummary:
    """The study of a study file or of a folder of results."""
    from qoslab.study.study import Study

    path = Path(path)
    return open_results(path).study if path.is_dir() else Study.from_file(path)


def verdict_from_here(verdict: Verdict, results: Results, file: Path | None = None) -> str:
    """A verdict's text whose commands name files and folders as one would type them in the working directory.

    Args:
        verdict: The verdict.
        results: Its results.
        file: The study file, where it is known; else it is looked for beside the results.
    """
    from qoslab.app.output import short
    from qoslab.report.source import study_file

    name = study_file(results)
    file = file or results.path.with_name(name)
    here = shlex.quote(short(file)) if file.is_file() else shlex.quote(name)
    folder, there = shlex.quote(results.path.name), shlex.quote(short(results.path))
    # Whatever command it is, the study file is a word of its own in it.
    named = re.compile(rf"^(  qoslab .*?\s){re.escape(shlex.quote(name))}(?=\s|$)", re.MULTILINE)
    text = named.sub(lambda found: found[1] + here, verdict.text)
    return text.replace(f"  qoslab run {here} --out {folder}", f"  qoslab run {here} --out {there}")


def write_new(path: Path, text: str) -> Path:
    """Write a file that does not exist yet.

    Raises:
        BadInput: It exists, or its folder does not.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        message = f"{str(path)!r} exists; nothing was written"
        raise BadInput(Problem(message=message, hint="give another name with --out")) from None
    except FileNotFoundError:
        message = f"there is no folder {str(path.parent)!r}"
        raise BadInput(message) from None
    return path
