"""Commands and executors of other packages: entry points that are loaded when they are named, not before.

`qoslab.commands` names plain typed functions, which become `qoslab NAME`; `qoslab.executors` names classes that run
a study's batches somewhere else (`qoslab run --executor NAME`, see `qoslab.study.executor`).
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

from qoslab.core.errors import BadInput, Problem, did_you_mean
from qoslab.core.plugin import Plugin

__all__ = ["COMMANDS", "EXECUTORS", "load_plugin", "plugins_of", "tried_plugins_of"]

COMMANDS = "qoslab.commands"
EXECUTORS = "qoslab.executors"

_NOUNS = {COMMANDS: "command", EXECUTORS: "executor"}


def plugins_of(group: str) -> list[Plugin]:
    """The entry points of a group, by name; none of them is loaded.

    Args:
        group: `COMMANDS` or `EXECUTORS`.
    """
    return [Plugin.of(point) for point in _points(group)]


def tried_plugins_of(group: str) -> list[Plugin]:
    """The same, each loaded, with its fault where it has one."""
    found = []
    for point in _points(group):
        try:
            _load(group, point.name)
        except BadInput as error:
            found.append(Plugin.of(point).faulty(error.problems[0]))
        else:
            found.append(Plugin.of(point))
    return found


def load_plugin(group: str, name: str) -> Any:
    """The function or class that an entry point names.

    Args:
        group: `COMMANDS` or `EXECUTORS`.
        name: The entry point's name.

    Raises:
        BadInput: There is none, two packages bring one of this name, or it cannot be loaded.
    """
    known = {point.name for point in _points(group)}
    if name not in known:
        noun = _NOUNS[group]
        hint = (
            did_you_mean(name, known)
            or f"no installed package brings {'an' if noun[0] in 'aeiou' else 'a'} {noun}"
        )
        raise BadInput(Problem(message=f"there is no {noun} {name!r}", hint=hint))
    try:
        return _load(group, name)
    except BadInput as error:
        point = next(point for point in _points(group) if point.name == name)
        raise BadInput(str(Plugin.of(point).faulty(error.problems[0]))) from None


def _load(group: str, name: str) -> Any:
    points = [point for point in _points(group) if point.name == name]
    if len(points) > 1:
        origins = " and ".join(Plugin.of(point).origin for point in points)
        message = f"two packages bring a {_NOUNS[group]} {name!r}: {origins}; uninstall one of them"
        raise BadInput(message)
    plugin = Plugin.of(points[0])
    try:
        part = points[0].load()
    except (Exception, SystemExit) as error:
        fault = plugin.failed(error).fault
        assert fault is not None
        raise BadInput(fault) from None
    if not callable(part):
        message = f"{points[0].value!r} is {type(part).__name__}, not a function or a class"
        raise BadInput(message)
    return part


def _points(group: str) -> list[EntryPoint]:
    return sorted(entry_points(group=group), key=lambda point: point.name)
