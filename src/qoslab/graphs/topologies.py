"""Real and synthetic topologies of the package `topohub` (Jurkiewicz, SoftwareX 24, 2023, 101540)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

from qoslab.core.errors import BadInput, Problem, did_you_mean
from qoslab.graphs.formats.assemble import Reading, assemble
from qoslab.graphs.formats.json_lines import JsonError, parse_object
from qoslab.graphs.formats.node_link import draft_of
from qoslab.graphs.network import Network

__all__ = ["from_topohub", "topohub_names"]

# Whatever else a name holds could lead out of the package's folder.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(/[A-Za-z0-9_][A-Za-z0-9_.+-]*){1,3}")


def _data() -> Traversable:
    return files("topohub") / "data"


def topohub_names(group: str = "") -> list[str]:
    """Names of the topologies in the installed package, such as `sndlib/germany50`, sorted.

    Args:
        group: Only those of this group: backbone, caida, gabriel, sndlib, topozoo.
    """

    def walk(folder: Traversable, prefix: str) -> Iterator[str]:
        for entry in folder.iterdir():
            if entry.is_dir():
                yield from walk(entry, f"{prefix}{entry.name}/")
            elif entry.name.endswith(".json"):
                yield prefix + entry.name.removesuffix(".json")

    return sorted(name for name in walk(_data(), "") if "/" in name and name.startswith(group))


def from_topohub(name: str, reading: Reading = Reading()) -> Network:  # noqa: B008 - frozen
    """A topology by its name; lengths in km, and demands where the source has them (sndlib).

    Args:
        name: Group and name, such as `topozoo/Abilene`, `sndlib/germany50` or `gabriel/25/0`.
        reading: As for a file.

    Raises:
        BadInput: The package has no such topology.
    """
    entry = _data() / f"{name}.json"
    if not _NAME.fullmatch(name) or not entry.is_file():
        message = f"topohub has no topology {name!r}"
        hint = (
            did_you_mean(name, topohub_names()) or "such as topozoo/Abilene, sndlib/germany50, gabriel/25/0"
        )
        raise BadInput(Problem(message=message, field="topohub", hint=hint))
    try:
        data = parse_object(entry.read_text("utf-8"), ("nodes", "edges"))
    except JsonError as error:
        message = f"topohub's {name}.json is damaged: line {error.line}: {error}"
        raise BadInput(Problem(message=message, field="topohub")) from None
    draft = draft_of(data, None, name=name)
    # Most of the package is on the globe; Gabriel graphs are drawn on a plane, as some of sndlib are.
    draft.name, draft.geographic = name, False if name.startswith("gabriel/") else None
    return assemble(draft, reading)
