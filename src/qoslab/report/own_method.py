"""What a user's own file says of its method: read as text, never executed by a report."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["OwnMethod", "own_page"]


@dataclass(frozen=True)
class OwnMethod:
    """A method in a user's file.

    Attributes:
        summary: The summary that its decorator was given.
        description: Its docstring.
        defaults: The defaults of its parameters by name.
    """

    summary: str = ""
    description: str = ""
    defaults: Mapping[str, Any] = field(default_factory=dict)


def own_page(path: Path | str, name: str) -> OwnMethod:
    """Read the method of a name; empty where the file is gone or says nothing.

    Args:
        path: The file.
        name: The method's name, one of the words of its decorator.
    """
    try:
        tree = ast.parse(Path(path).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return OwnMethod()
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            for call in (one for one in node.decorator_list if isinstance(one, ast.Call)):
                if any(isinstance(arg, ast.Constant) and arg.value == name for arg in call.args):
                    text = inspect.cleandoc(ast.get_docstring(node) or "")
                    return OwnMethod(_summary(call), text, dict(_defaults(node)))
    return OwnMethod()


def _summary(call: ast.Call) -> str:
    given = {keyword.arg: keyword.value for keyword in call.keywords}.get("summary")
    return str(given.value) if isinstance(given, ast.Constant) else ""


def _defaults(node: ast.ClassDef | ast.FunctionDef) -> list[tuple[str, Any]]:
    found = []
    for line in node.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.value is not None:
            try:
                value = ast.literal_eval(line.value)
            except ValueError:
                value = ast.unparse(line.value)
            found.append((line.target.id, value))
    return found
