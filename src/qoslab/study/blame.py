"""Whose mistake it is: a user's method that cannot be made, with its file's line and the study's."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from qoslab.core.errors import BadInput, Problem
from qoslab.core.toml_reading import parse_toml
from qoslab.study.cases import FromFile, MethodCase

if TYPE_CHECKING:
    from qoslab.study.study import Study

__all__ = ["in_study"]


def in_study(study: Study, case: MethodCase, problems: Iterable[Problem]) -> list[Problem]:
    """Problems of making a method, each with the place of its class and of its `[[method]]` table.

    Args:
        study: The study.
        case: The method that could not be made.
        problems: What is wrong with it; those with a file and a line of their own stay as they are.
    """
    source = case.source
    if not isinstance(source, FromFile):
        return [replace(one, field=one.field or f"method {case.label!r}") for one in problems]
    line, quote = _class_line(source.file, source.name)
    table = _table_line(study, source)
    told = []
    for one in problems:
        if one.path is not None:
            told.append(one)
            continue
        what = f"parameter {one.field!r} {one.message}" if one.field else one.message
        hint = one.hint or (
            "give it a default here or a value in the study" if one.message == "is missing" else None
        )
        told.append(
            Problem(
                message=f"method {case.id}: {what}" + (f" (named in {table})" if table else ""),
                path=source.file,
                line=line,
                quote=quote,
                hint=hint,
            )
        )
    return told


def _class_line(path: Path, name: str) -> tuple[int | None, str | None]:
    """Where the class or function of a method begins, and that line."""
    text = path.read_text(encoding="utf-8")
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.decorator_list:
            words = [
                n.value for one in node.decorator_list for n in ast.walk(one) if isinstance(n, ast.Constant)
            ]
            if name in words:
                return node.lineno, text.splitlines()[node.lineno - 1]
    return None, None


def _table_line(study: Study, source: FromFile) -> str | None:
    """`FILE:LINE` of the `[[method]]` table that names the file."""
    if study.path is None or not study.text:
        return None
    try:
        located = parse_toml(study.text.decode("utf-8"), study.path)
    except (BadInput, UnicodeDecodeError):
        return None
    for number, table in enumerate(located.tree.get("method", [])):
        ident = str(table.get("id", "")).removeprefix(f"{source.domain}/")
        if ident == source.name and "file" in table:
            problem = located.problem(("method", number, "id"), "")
            return f"{study.path.name}:{problem.line}"
    return None
