"""`list`, `describe`, `cite`: what the laboratory knows."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from qoslab.app.output import print_json, print_table
from qoslab.app.types_in_words import types_of
from qoslab.core.errors import BadInput, Problem, did_you_mean
from qoslab.core.registry import registry

if TYPE_CHECKING:
    from qoslab.core.method import MethodEntry

__all__ = ["cite", "describe", "list_methods"]

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")]


def list_methods(domain: str | None = None, /, *, json: Json = False) -> int:
    """All methods, or those of a domain.

    Args:
        domain: A domain's name; all domains by default.
        json: Print a flat JSON array, one object per method.
    """
    entries = registry.methods(domain) if domain else _everything()
    if json:
        print_json([_as_dict(entry) for entry in entries])
        return 0
    print_table([_as_dict(entry) for entry in entries], ["id", "information", "origin", "extra", "summary"])
    return 0


def describe(method: str, /, *, json: Json = False) -> int:
    """One method with its parameters, or a domain with its metrics, methods and commands.

    Args:
        method: `DOMAIN/METHOD`, or a domain's name.
        json: Print JSON.
    """
    if "/" not in method and any(domain.name == method for domain in registry.domains()):
        from qoslab.app.about_domain import about_domain, domain_as_dict

        domain = registry.domain(method)
        if json:
            print_json(domain_as_dict(domain))
        else:
            print(about_domain(domain))
        return 0
    entry = find(method)
    types = types_of(entry.cls)
    parameters = [
        {
            "parameter": f.name,
            "type": types[f.name],
            "default": _default(f),
            "meaning": _meaning(entry.cls, f.name),
        }
        for f in dataclasses.fields(entry.cls)
    ]
    if json:
        print_json(_as_dict(entry) | {"description": entry.cls.__doc__ or "", "parameters": parameters})
        return 0
    print(f"{entry.id}: {entry.summary}\n")
    print(_plain(entry.cls.__doc__ or ""))
    sees = f"; information: {entry.information}" if entry.information else ""
    needs = f"; needs qoslab[{entry.extra}]" if entry.extra else ""
    print(f"\norigin: {entry.origin}{sees}{needs}")
    if parameters:
        print()
        print_table(parameters, ["parameter", "type", "default", "meaning"])
    if entry.citation:
        print("\n" + entry.citation.strip())
    return 0


def cite(
    file: str,
    /,
    *,
    json: Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")] = False,
) -> int:
    """BibTeX of the methods a study uses.

    Args:
        file: A study file or a folder of results.
        json: Print the same text as JSON, under `bibtex`.
    """
    from qoslab.app.files import study_of
    from qoslab.report.export import bibtex

    found = bibtex(study_of(file))
    if json:
        print_json({"bibtex": found})
        return 0
    if found.strip():
        print(found)
    else:
        print("qoslab: no method of this study has a citation", file=sys.stderr)
    return 0


def find(ident: str) -> MethodEntry:
    """The method entry of `DOMAIN/METHOD`, or the method of that name where only one domain has it.

    Raises:
        BadInput: There is none.
    """
    domain, slash, name = ident.partition("/")
    if slash:
        return registry.method(domain, name)
    everything = _everything()
    found = [entry for entry in everything if entry.name == ident]
    if len(found) == 1:
        return found[0]
    names = [entry.id for entry in everything]
    hint = f"write one of {', '.join(e.id for e in found)}" if found else did_you_mean(ident, names)
    raise BadInput(Problem(message=f"there is no method {ident!r}; methods are DOMAIN/METHOD", hint=hint))


def _everything() -> list[MethodEntry]:
    """All methods of all domains; a domain whose files fail is named and left out."""
    found: list[MethodEntry] = []
    for domain in registry.domains():
        try:
            found += registry.methods(domain.name)
        except BadInput as error:
            print(f"qoslab: {error}", file=sys.stderr)
    return found


def _as_dict(entry: MethodEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "domain": entry.domain,
        "summary": entry.summary,
        "citation": entry.citation,
        "information": entry.information,
        "extra": entry.extra,
        "origin": entry.origin,
    }


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default_factory is not dataclasses.MISSING:
        return repr(field.default_factory())
    return "required" if field.default is dataclasses.MISSING else repr(field.default)


def _meaning(cls: type, name: str) -> str:
    """The parameter's first line in the `Attributes:` or `Args:` part of the class docstring."""
    for line in (cls.__doc__ or "").splitlines():
        head, colon, rest = line.strip().partition(":")
        if colon and head == name:
            return rest.strip()
    return ""


def _plain(docstring: str) -> str:
    import inspect

    return inspect.cleandoc(docstring).split("\nAttributes:")[0].strip()
