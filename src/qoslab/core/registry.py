"""Everything the laboratory knows, by name.

Domains of this package are found by their folder, those of others through the entry-point group
`qoslab.domains`; methods by the modules of a domain's `methods` package, those of others through
`qoslab.methods`. Entry points name a module; importing it registers what it holds. The commands and executors of
others are not registered: `qoslab.core.parts` loads them when they are named.

A plug-in that fails is left out, named once on standard error and kept with its fault in `Registry.plugins`:
somebody else's mistake must not cost the laboratory.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path

from qoslab.core.domain import Domain
from qoslab.core.errors import BadInput, Problem, did_you_mean, problem_in
from qoslab.core.method import MethodEntry
from qoslab.core.plugin import Plugin

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
        self._plugins: list[Plugin] = []
        self._owners: dict[str, str] = {}
        self._loading: Plugin | None = None
        self._package: tuple[str, str] | None = None

    def add_domain(self, domain: Domain) -> None:
        """Register a domain.

        Raises:
            ValueError: Another domain has this name.
        """
        if self._domains.get(domain.name, domain) != domain:
            other = self._owners.get(domain.name, "this session")
            message = f"two domains are named {domain.name!r}; the other one is of {other}"
            raise ValueError(message)
        owner = self._loading.origin if self._loading else f"module {domain.run.partition(':')[0]}"
        self._owners.setdefault(domain.name, owner)
        self._domains[domain.name] = domain

    def add_method(self, entry: MethodEntry) -> None:
        """Register a method, or hand it to the file that is being loaded by `collecting`.

        Raises:
            ValueError: Another class has this name, or the entry's domain is not the one that is being loaded.
        """
        if self._aside is not None:
            self._aside.append(entry)
            return
        self._check_domain(entry)
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
            BadInput: There is none, or its plug-in failed.
        """
        if name not in self._domains:
            self._find_domains()
        if name not in self._domains:
            for plugin in self._plugins:
                if plugin.fault is not None and plugin.name == name and plugin.group == _DOMAINS:
                    raise BadInput(str(plugin))
            raise BadInput(
                Problem(message=f"there is no domain {name!r}", hint=did_you_mean(name, self._domains))
            )
        return self._domains[name]

    def methods(self, domain: str) -> list[MethodEntry]:
        """All methods of a domain, by name.

        Raises:
            BadInput: There is no such domain, or files of its methods fail; all of them are named.
        """
        self._find_methods(self.domain(domain))
        found = self._methods.get(domain, {})
        return [found[name] for name in sorted(found)]

    def method(self, domain: str, name: str) -> MethodEntry:
        """The method `DOMAIN/NAME`.

        Raises:
            BadInput: There is none, or files of the domain's methods fail.
        """
        self._find_methods(self.domain(domain))
        known = self._methods.get(domain, {})
        if name not in known:
            raise BadInput(
                Problem(message=f"domain {domain!r} has no method {name!r}", hint=did_you_mean(name, known))
            )
        return known[name]

    def plugins(self) -> list[Plugin]:
        """Every entry point of these two groups, and what of this package had to be left out, with its fault."""
        self._find_domains()
        self._find_plugin_methods()
        return list(self._plugins)

    def _check_domain(self, entry: MethodEntry) -> None:
        """Refuse a misspelt domain, which would otherwise lose the method without a word."""
        name, package = self._package or ("", "")
        if package and entry.cls.__module__.startswith(f"{package}.") and entry.domain != name:
            message = f"{entry.id}: a method in {package} belongs to domain {name!r}, not to {entry.domain!r}"
            raise ValueError(message)
        if self._loading and self._loading.group == _METHODS and entry.domain not in self._domains:
            hint = did_you_mean(entry.domain, self._domains)
            message = f"{entry.id}: there is no domain {entry.domain!r}" + (f"; {hint}" if hint else "")
            raise ValueError(message)

    def _find_domains(self) -> None:
        if self._found_domains:
            return
        self._found_domains = True
        home = importlib.import_module("qoslab.domains")
        for module in pkgutil.iter_modules(home.__path__, "qoslab.domains."):
            name = module.name
            ours = Plugin(name.rpartition(".")[2], _DOMAINS, name, "qoslab", "")
            loaded = self._guarded(ours, partial(importlib.import_module, name))
            if loaded.fault is not None:
                self._plugins.append(loaded)
        for point in entry_points(group=_DOMAINS):
            self._plugins.append(self._guarded(Plugin.of(point), point.load))

    def _find_plugin_methods(self) -> None:
        if self._found_methods:
            return
        self._found_methods = True
        self._find_domains()
        for point in entry_points(group=_METHODS):
            self._plugins.append(self._guarded(Plugin.of(point), point.load))

    def _guarded(self, plugin: Plugin, load: Callable[[], object]) -> Plugin:
        """Load a plug-in; one that fails takes back what it registered and is named on standard error."""
        domains, methods = dict(self._domains), {name: dict(found) for name, found in self._methods.items()}
        before, self._loading, self._aside = (self._loading, self._aside), plugin, None
        try:
            load()
        except (Exception, SystemExit) as error:
            self._domains, self._methods = domains, methods
            broken = plugin.failed(error)
            print(f"qoslab: {broken}", file=sys.stderr)
            return broken
        finally:
            self._loading, self._aside = before
        return plugin

    def _find_methods(self, domain: Domain) -> None:
        if domain.name in self._complete:
            return
        before = self._package, self._aside
        # A user's file may be what asks first: the domain's own methods are nevertheless for everybody.
        self._package, self._aside = (domain.name, domain.methods), None
        try:
            _import_all(domain)
        finally:
            self._package, self._aside = before
        self._complete.add(domain.name)
        self._find_plugin_methods()


def _import_all(domain: Domain) -> None:
    """Import every module of a domain's methods package.

    Raises:
        BadInput: Modules fail; each is named with its line.
    """
    try:
        package = importlib.import_module(domain.methods)
        places = package.__path__
    except ModuleNotFoundError as error:
        if error.name is None or not f"{domain.methods}.".startswith(f"{error.name}."):
            raise BadInput(problem_in(error, Path.cwd(), f"methods of domain {domain.name!r}")) from None
        message = f"domain {domain.name!r}: there is no package {domain.methods!r} for its methods"
        raise BadInput(message) from None
    except AttributeError:
        message = f"domain {domain.name!r}: {domain.methods!r} must be a package, a folder with `__init__.py`"
        raise BadInput(message) from None
    except Exception as error:
        raise BadInput(problem_in(error, Path.cwd(), f"methods of domain {domain.name!r}")) from None
    problems: list[Problem] = []
    for module in pkgutil.iter_modules(places, package.__name__ + "."):
        try:
            importlib.import_module(module.name)
        except (Exception, SystemExit) as error:
            problems.append(problem_in(error, Path(places[0]), "the file"))
    if problems:
        raise BadInput(problems)


_DOMAINS = "qoslab.domains"
_METHODS = "qoslab.methods"


registry = Registry()
"""The registry of this process."""
