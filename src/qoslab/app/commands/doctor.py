"""`qoslab doctor`: what is installed, what is missing, where things are kept."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from typing import Annotated, Any

from cyclopts import Parameter

from qoslab import __version__
from qoslab.app.output import print_json, print_table

__all__ = ["doctor"]

EXTRAS = {
    "learn": ("torch", "safetensors", "sklearn", "gymnasium", "pettingzoo"),
    "optimize": ("cvxpy", "clarabel", "highspy"),
    "ray": ("ray",),
    "edge": ("onnx", "onnxruntime", "onnxscript"),
    "flower": ("flwr",),
}
"""What each extra brings, by import name."""

_APART = frozenset({"flower"})
"""Extras whose own pins conflict with those of others."""

_PLUGIN_NOUNS = {
    "qoslab.domains": "plug-in",
    "qoslab.methods": "plug-in",
    "qoslab.commands": "command",
    "qoslab.executors": "executor",
}
"""What doctor calls a plug-in of each group."""


def doctor(
    *, json: Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")] = False
) -> int:
    """Say what is installed, what is missing, and where things are kept.

    Args:
        json: Print JSON.

    Returns:
        1 where the core install is not complete, else 0.
    """
    from qoslab.study.run import default_workers

    core = [_package(name) for name in _core_requirements()]
    rows: list[dict[str, Any]] = [
        {"what": "qoslab", "state": __version__, "advice": ""},
        {"what": "python", "state": f"{platform.python_version()} on {platform.platform()}", "advice": ""},
        {"what": "processors", "state": str(default_workers()), "advice": ""},
        *core,
        *(_extra(name, modules) for name, modules in EXTRAS.items()),
        _cache(),
        _data(),
        *_plugins(),
    ]
    if json:
        print_json(rows)
    else:
        print_table(rows, ["what", "state", "advice"])
    return int(any(row["state"] == "missing" for row in core))


def _core_requirements() -> list[str]:
    import re

    lines = [line for line in requires("qoslab") or [] if "extra ==" not in line]
    return [re.split(r"[<>=!~ ;\[]", line, maxsplit=1)[0] for line in lines]


def _package(name: str) -> dict[str, Any]:
    try:
        return {"what": name, "state": version(name), "advice": ""}
    except PackageNotFoundError:
        return {"what": name, "state": "missing", "advice": "pip install --upgrade qoslab"}


def _extra(name: str, modules: tuple[str, ...]) -> dict[str, Any]:
    missing = [module for module in modules if find_spec(module) is None]
    if not missing:
        return {"what": f"extra {name}", "state": "installed", "advice": ""}
    advice = f"pip install 'qoslab[{name}]'" + (", in an environment of its own" if name in _APART else "")
    return {"what": f"extra {name}", "state": "not installed", "advice": advice}


def _plugins() -> list[dict[str, Any]]:
    """Plug-ins of other packages, and what is wrong with them."""
    from qoslab.app.table_of_commands import COMMANDS
    from qoslab.core.parts import COMMANDS as COMMAND_PLUGINS
    from qoslab.core.parts import EXECUTORS, tried_plugins_of
    from qoslab.core.registry import registry

    taken = {command.name for command in COMMANDS}
    domains = {domain.name for domain in registry.domains()}
    rows = []
    for plugin in [
        *registry.plugins(),
        *tried_plugins_of(COMMAND_PLUGINS),
        *tried_plugins_of(EXECUTORS),
    ]:
        broken = plugin.fault is not None
        advice = str(plugin).partition(" failed: ")[2] if broken else ""
        if not broken and plugin.group == COMMAND_PLUGINS and plugin.name in taken | domains:
            advice = "a command or domain of qoslab has this name: this command cannot be reached"
        elif not broken and plugin.group == "qoslab.domains" and plugin.name in taken:
            advice = "a command has this name: the domain's own commands cannot be reached"
        state = f"failed, {plugin.origin}" if broken else plugin.origin
        noun = _PLUGIN_NOUNS[plugin.group]
        rows.append({"what": f"{noun} {plugin.name}", "state": state, "advice": advice})
    return rows


def _cache() -> dict[str, Any]:
    from qoslab.engine.cache import root as cache_root

    root = cache_root()
    parent = next((p for p in (root, *root.parents) if p.exists()), root)
    writable = os.access(parent, os.W_OK)
    advice = "" if writable else "kernels compile in every process: set QOSLAB_CACHE to a writable folder"
    return {"what": "cache", "state": str(root), "advice": advice}


def _data() -> dict[str, Any]:
    folder = os.environ.get("QOSLAB_DATA")
    if not folder:
        return {"what": "data", "state": "cache only", "advice": "set QOSLAB_DATA, or see qoslab data list"}
    exists = os.path.isdir(folder)
    return {"what": "data", "state": folder, "advice": "" if exists else "QOSLAB_DATA names no folder"}
