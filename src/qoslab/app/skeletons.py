"""Skeletons of plug-ins: a method in one file, a domain as a small package that works as it stands."""

from __future__ import annotations

import re
from pathlib import Path

from qoslab.app.files import write_new
from qoslab.app.table_of_commands import COMMANDS
from qoslab.core.domain import Domain
from qoslab.core.errors import BadInput, Problem
from qoslab.core.registry import registry

__all__ = ["domain_skeleton", "method_skeleton", "refuse_name"]


def method_skeleton(domain: Domain) -> str:
    """The text of a Python file with a method for a domain, registered as `mine`.

    Raises:
        BadInput: The domain offers no skeleton.
    """
    path = domain.skeleton_path()
    if path is None:
        offers = ", ".join(domain.offered().values())
        hint = (
            f"its methods offer {offers}" if offers else f"its methods stand in the package {domain.methods}"
        )
        raise BadInput(Problem(message=f"domain {domain.name!r} has no skeleton of a method", hint=hint))
    return path.read_text(encoding="utf-8")


def domain_skeleton(name: str, folder: Path) -> Path:
    """Write a package with a small domain: a scenario, a run function, two methods, a study and a test.

    Args:
        name: The domain's name, a lower-case identifier.
        folder: Where to write it; must not exist.

    Raises:
        BadInput: The name cannot be a domain's, or the folder exists.
    """
    refuse_name(name)
    words = {
        "CLASS": "".join(part.capitalize() for part in name.split("_")),
        "DIST": name.replace("_", "-").strip("-"),
        "NAME": name,
    }
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        message = f"{str(folder)!r} exists; nothing was written"
        raise BadInput(Problem(message=message, hint="give another name with --out")) from None
    home = Path(__file__).with_name("skeleton")
    for source in sorted(home.rglob("*.txt")):
        relative = str(source.relative_to(home)).removesuffix(".txt").replace("NAME", name)
        target = folder / relative
        target.parent.mkdir(parents=True, exist_ok=True)
        text = source.read_text(encoding="utf-8")
        write_new(target, re.sub("CLASS|DIST|NAME", lambda found: words[found[0]], text))
    return folder


def refuse_name(name: str) -> None:
    """Refuse a name that a new domain cannot have.

    Raises:
        BadInput: It is no identifier in lower case, or a command or another domain has it.
    """
    problem = None
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        hint = "use lower-case letters, digits and underscores, beginning with a letter"
        problem = Problem(message=f"{name!r} cannot be a domain's name", hint=hint)
    elif name in {command.name for command in COMMANDS} | {"help"}:
        hint = f"`qoslab {name}` could not reach the domain; choose another name"
        problem = Problem(message=f"{name!r} is a command of qoslab", hint=hint)
    elif name in {domain.name for domain in registry.domains()}:
        problem = Problem(message=f"there is a domain {name!r} already", hint="choose another name")
    if problem is not None:
        raise BadInput(problem)
