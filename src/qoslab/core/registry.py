"""Everything the laboratory knows, by name.

Domains of this package are found by their folder, those of others through the entry-point group
`qoslab.domains`; methods by the modules of a domain's `methods` package, those of others through
`qoslab.methods`. Entry points name a module; importing it registers what it holds.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import entry_points

from qoslab.core.domain import Domain
from qoslab.core.errors import BadInput, Problem, did_you_mean
from qoslab.core.method import MethodEntry

__all__ = ["Registry", "registry"]


class Registry:
    """Domains and methods by name; filled lazily, domain by domain."""

    def __init__(self) -> None:
        self._domains: dict[str, Domain] = {}
        self._methods: dict[str, dict[str, MethodEntry]] = {}
        self._complete: set[str] = set()
        self._found_domains = False
        self._found_methods = False
        self._aside: list[MethodEntry] | None = None

    def add_domain(self, domain: Domain) -> None:
        """Register a domain.

        Raises:
            ValueError: Another domain has this name.
        """
        if self._domains.get(domain.name, domain) != domain:
            message = f"two domains are named {domain.name!r}"
            raise ValueError(message)
        self._domains[domain.name] = domain

    def add_method(self, entry: MethodEntry) -> None:
        """Register a method, or hand it to the file that is being loaded by `collecting`.

        Raises:
            ValueError: Another class has this name.
        """
        if self._aside is not None:
            self._aside.append(entry)
            return
        known = self._methods.setdefault(entry.domain, {})
        other = known.get(entry.name)
        if other is not None and (other.cls.__module__, other.cls.__qualname__) != (
            entry.cls.__module__,
            entry.cls.__qualname__,
        ):
            message = f"two methods are named {entry.id!r}: {other.cls!r} and {entry.cls!r}"
            raise ValueError(message)
        known[entry.name] = entry

    @contextmanager
    def collecting(self) -> Iterator[list[MethodEntry]]:
        """Collect the methods that a user's file registers, without adding them for everybody."""
        before, self._aside = self._aside, []
        try:
            yield self._aside
        finally:
            self._aside = before

    def domains(self) -> list[Domain]:
        """All domains, by name."""
        self._find_domains()
        return [self._domains[name] for name in sorted(self._domains)]

    def domain(self, name: str) -> Domain:
        """The domain of that name.

        Raises:
            BadInput: There is none.
        """
        if name not in self._domains:
            self._find_domains()
        if name not in self._domains:
            raise BadInput(
                Problem(message=f"there is no domain {name!r}", hint=did_you_mean(name, self._domains))
            )
        return self._domains[name]

    def methods(self, domain: str) -> list[MethodEntry]:
        """All methods of a domain, by name."""
        self._find_methods(self.domain(domain))
        found = self._methods.get(domain, {})
        return [found[name] for name in sorted(found)]

    def method(self, domain: str, name: str) -> MethodEntry:
        """The method `DOMAIN/NAME`.

        Raises:
            BadInput: There is none.
        """
        self._find_methods(self.domain(domain))
        known = self._methods.get(domain, {})
        if name not in known:
            raise BadInput(
                Problem(message=f"domain {domain!r} has no method {name!r}", hint=did_you_mean(name, known))
            )
        return known[name]

    def _find_domains(self) -> None:
        if self._found_domains:
            return
        self._found_domains = True
        home = importlib.import_module("qoslab.domains")
        for module in pkgutil.iter_modules(home.__path__, "qoslab.domains."):
            importlib.import_module(module.name)
        for point in entry_points(group="qoslab.domains"):
            point.load()

    def _find_methods(self, domain: Domain) -> None:
        if domain.name in self._complete:
            return
        package = importlib.import_module(domain.methods)
        for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            importlib.import_module(module.name)
        self._complete.add(domain.name)
        if not self._found_methods:
            self._found_methods = True
            for point in entry_points(group="qoslab.methods"):
                point.load()


registry = Registry()
"""The registry of this process."""
