"""`list`, `describe`, `cite`: what the laboratory knows."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from qoslab.app.output import print_json, print_table
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
    domains = [registry.domain(domain)] if domain else registry.domains()
    entries = [entry for found in domains for entry in registry.methods(found.name)]
    if json:
        print_json([_as_dict(entry) for entry in entries])
        return 0
    print_table([_as_dict(entry) for entry in entries], ["id", "information", "origin", "extra", "summary"])
    return 0


def describe(method: str, /, *, json: Json = False) -> int:
    """One method, with its parameters.

    Args:
        method: `DOMAIN/METHOD`.
        json: Print JSON.
    """
    entry = find(method)
    parameters = [
        {
            "parameter": f.name,
            "type": _type(f),
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


def cite(file: str, /) -> int:
    """BibTeX of the methods a study uses.

    Args:
        file: A study file or a folder of results.
    """
    from qoslab.app.files import study_of
    from qoslab.report.export import bibtex

    print(bibtex(study_of(file)))
    return 0


def find(ident: str) -> MethodEntry:
    """The method entry of `DOMAIN/METHOD`, or the method of that name where only one domain has it.

    Raises:
        BadInput: There is none.
    """
    domain, slash, name = ident.partition("/")
    if slash:
        return registry.method(domain, name)
    everything = [entry for d in registry.domains() for entry in registry.methods(d.name)]
    found = [entry for entry in everything if entry.name == ident]
    if len(found) == 1:
        return found[0]
    names = [entry.id for entry in everything]
    hint = f"write one of {', '.join(e.id for e in found)}" if found else did_you_mean(ident, names)
    raise BadInput(Problem(message=f"there is no method {ident!r}; methods are DOMAIN/METHOD", hint=hint))


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


def _parameter(cls: type, field: dataclasses.Field[Any]) -> dict[str, str]:
    return {
        "parameter": field.name,
        "type": _type(field),
        "default": _default(field),
        "meaning": _meaning(cls, field.name),
    }


def _type(field: dataclasses.Field[Any]) -> str:
    text = field.type if isinstance(field.type, str) else getattr(field.type, "__name__", str(field.type))
    return text.removeprefix("Annotated[").split(",")[0] if text.startswith("Annotated[") else text


def _default(field: dataclasses.Field[Any]) -> str:
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
