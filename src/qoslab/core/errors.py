"""Errors that speak to a person: what is wrong, where, and what would be right."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

__all__ = ["BadInput", "MissingData", "MissingExtra", "Problem", "QoslabError", "did_you_mean", "problem_in"]


class QoslabError(Exception):
    """Base of every error that qoslab raises on purpose; the command line prints it without a traceback."""

    exit_code = 1


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong with an input.

    Attributes:
        message: What is wrong, as one sentence without a full stop.
        path: The file it stands in; None for input that came from Python.
        line: 1-based line of the offending value, where known.
        column: 1-based column of the offending value, where known.
        quote: The whole offending line, where known.
        field: Dotted name of the field, such as `scenario.load` or `method.lsq.alpha`.
        hint: What would be right, such as `did you mean 'seeds'?`.
    """

    message: str
    path: Path | None = None
    line: int | None = None
    column: int | None = None
    quote: str | None = None
    field: str | None = None
    hint: str | None = None

    def __str__(self) -> str:
        """The problem as `file:line:column: field: message`, the quoted line, a caret and the hint."""
        parts = [str(part) for part in (self._shown_path(), self.line, self.column) if part is not None]
        head = ":".join(parts)
        words = f"{self.field}: {self.message}" if self.field else self.message
        lines = [f"{head}: {words}" if head else words]
        if self.quote is not None:
            lines.append(f"    {self.quote}")
            if self.column is not None:
                lines.append("    " + " " * (self.column - 1) + "^")
        if self.hint:
            lines.append(f"  {self.hint}")
        return "\n".join(lines)

    def _shown_path(self) -> Path | None:
        """The path as a person in the working directory would write it."""
        try:
            return self.path.relative_to(Path.cwd()) if self.path is not None else None
        except (ValueError, OSError):
            return self.path


class BadInput(QoslabError):
    """Input that cannot be used; carries every problem found, not only the first."""

    exit_code = 2

    def __init__(self, problems: Problem | str | Iterable[Problem]) -> None:
        if isinstance(problems, str):
            problems = Problem(message=problems)
        if isinstance(problems, Problem):
            problems = (problems,)
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type[BadInput], tuple[tuple[Problem, ...]]]:
        """Keep the problems when a worker process sends the error to its parent."""
        return type(self), (self.problems,)


class MissingExtra(QoslabError):
    """A method needs an optional dependency that is not installed."""

    exit_code = 2

    def __init__(self, what: str, extra: str) -> None:
        self.what, self.extra = what, extra
        super().__init__(f"{what} needs the extra '{extra}': pip install 'qoslab[{extra}]'")

    def __reduce__(self) -> tuple[type[MissingExtra], tuple[str, str]]:
        return type(self), (self.what, self.extra)


class MissingData(QoslabError):
    """A dataset is not on this machine; the message names the command that gets it."""

    exit_code = 2


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """A hint that names the closest known words, or the known words where there are few.

    Args:
        word: What was written.
        known: What could have been written.

    Returns:
        A sentence for `Problem.hint`, or None when nothing useful can be said.
    """
    names = sorted(set(known))
    close = get_close_matches(word, names, n=3, cutoff=0.6)
    if close:
        return "did you mean " + " or ".join(repr(name) for name in close) + "?"
    if names and len(names) <= 12:
        return "known: " + ", ".join(names)
    return None


def problem_in(error: BaseException, folder: Path, what: str) -> Problem:
    """A mistake in somebody's Python code as one located problem: file, line, and what Python said.

    Args:
        error: What was raised while the code was loaded or run.
        folder: Where the code stands; the innermost line under it is named, else the innermost of all.
        what: The subject of the sentence, such as `the file`; empty for the bare error.
    """
    if isinstance(error, SyntaxError) and error.filename:
        quote = error.text.rstrip("\n") if error.text else None
        column = error.offset if quote is not None and error.offset else None
        path, line = Path(error.filename), error.lineno
        return Problem(message=f"SyntaxError: {error.msg}", path=path, line=line, column=column, quote=quote)
    words = f"{type(error).__name__}: {error}"
    message = f"{what} failed: {words}" if what else words
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith("<")]
    mine = [frame for frame in frames if Path(frame.filename).is_relative_to(folder)] or frames
    if not mine:
        return Problem(message=message)
    last = mine[-1]
    return Problem(message=message, path=Path(last.filename), line=last.lineno, quote=last.line or None)
