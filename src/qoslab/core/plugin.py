"""A plug-in: what another package adds through an entry point, and what went wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path

from qoslab.core.errors import Problem, problem_in

__all__ = ["Plugin"]


@dataclass(frozen=True)
class Plugin:
    """An entry point, or a domain's folder of this package, that was loaded or had to be left out.

    Attributes:
        name: The entry point's name.
        group: `qoslab.domains`, `qoslab.methods`, `qoslab.commands` or `qoslab.executors`.
        module: The module that it names.
        package: The distribution that brings it; empty where none is known.
        version: The distribution's version.
        fault: Why it was left out; None where it works.
    """

    name: str
    group: str
    module: str
    package: str
    version: str
    fault: Problem | None = None

    @classmethod
    def of(cls, point: EntryPoint) -> Plugin:
        """The plug-in behind an entry point, not loaded yet."""
        dist = point.dist
        found = (dist.name, dist.version) if dist is not None else ("", "")
        return cls(point.name, point.group, point.value.partition(":")[0].strip(), *found)

    @property
    def origin(self) -> str:
        """The package and its version."""
        return f"package {self.package} {self.version}".strip() if self.package else "an unknown package"

    def failed(self, error: BaseException) -> Plugin:
        """The same plug-in, with the reason why it was left out."""
        return self.faulty(problem_in(error, self._folder(), ""))

    def faulty(self, fault: Problem) -> Plugin:
        """The same plug-in with its fault."""
        return replace(self, fault=fault)

    def __str__(self) -> str:
        """One line: who, from where, and what is wrong."""
        who = f"plug-in {self.name} ({self.origin})"
        if self.fault is None:
            return who
        place = f" ({self.fault.path}:{self.fault.line})" if self.fault.path else ""
        return f"{who} failed: {self.fault.message}{place}"

    def _folder(self) -> Path:
        """Where the plug-in's own code stands, so that the line named is one of its author's."""
        inside = self.module if self.package == "qoslab" else self.module.partition(".")[0]
        try:
            spec = find_spec(inside)
        except Exception:
            spec = None
        places = list(spec.submodule_search_locations or []) if spec else []
        return Path(places[0] if places else (spec.origin or "/") if spec else "/")
