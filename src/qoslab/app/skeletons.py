"""Skeletons of plug-ins: a method in one file, a domain as a small package that works as it stands."""

from __future__ import annotations

import re
from pathlib import Path

from qoslab.app.files import write_new
from qoslab.core.domain import Domain
from qoslab.core.errors import BadInput, Problem

__all__ = ["domain_skeleton", "method_skeleton"]


def method_skeleton(domain: Domain) -> str:
    """The text of a Python file with a method for a domain, registered as `mine`.

    Raises:
        BadInput: The domain offers no skeleton.
    """
    path = domain.skeleton_path()
    if path is None:
        message = (
            f"domain {domain.name!r} offers no skeleton of a method; see one of its own in its methods folder"
        )
        raise BadInput(message)
    return path.read_text(encoding="utf-8")


def domain_skeleton(name: str, folder: Path) -> Path:
    """Write a package with a small domain: a scenario, a run function, two methods, a study and a test.

    Args:
        name: The domain's name, a lower-case identifier.
        folder: Where to write it; must not exist.

    Raises:
        BadInput: The name cannot be a domain's, or the folder exists.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        message = f"{name!r} cannot be a domain's name"
        raise BadInput(Problem(message=message, hint="use lower-case letters, digits and underscores"))
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
        write_new(target, source.read_text(encoding="utf-8").replace("NAME", name))
    return folder
