"""`qoslab verify`: simulators and methods against closed forms and published figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from qoslab.app.output import print_json, text_table
from qoslab.core.check import Check
from qoslab.core.context import Context
from qoslab.core.domain import Domain
from qoslab.core.errors import QoslabError, problem_in
from qoslab.core.registry import registry
from qoslab.datasets.locate import resolver

__all__ = ["verify"]


def verify(
    *domain: str,
    quick: Annotated[bool, Parameter(negative="", help="A shorter run with wider intervals.")] = False,
    data: Annotated[Path | None, Parameter(help="Folder of data files.")] = None,
    json: Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")] = False,
) -> int:
    """Check simulators and methods against closed forms and published figures.

    Args:
        domain: Domains to check; all by default.
        quick: A shorter run with wider intervals, under a minute of CPU time a domain.
        data: Folder of data files; `QOSLAB_DATA` and the cache by default.
        json: Print one JSON array instead of text.

    Returns:
        1 where a check failed, else 0. What lacks its data or extra is printed as not run.
    """
    domains = [registry.domain(name) for name in domain] or registry.domains()
    context = Context(dataset=resolver(data))
    found: list[tuple[str, Check]] = []
    for one in domains:
        if not json:
            print(f"{one.name}")
        for check in _checks(one, context, quick=quick):
            found.append((one.name, check))
            if not json:
                print(_line(check), flush=True)
    if json:
        print_json([{"domain": name} | asdict(check) for name, check in found])
    else:
        print("\n" + _summary([check for _, check in found]))
        none = [one.name for one in domains if one.verify is None]
        if none:
            print(f"\nnothing to verify: {', '.join(none)}")
        for note in dict.fromkeys(check.note for _, check in found if check.status == "not run"):
            print(f"\nnot run: {note}")
    return int(any(check.status == "fail" for _, check in found))


def _checks(domain: Domain, context: Context, *, quick: bool) -> Iterator[Check]:
    """A domain's checks; a verify function that fails is a failed check, and the next domain goes on."""
    try:
        function = domain.verify_function()
        for check in function(quick=quick, context=context) if function is not None else ():
            yield check if isinstance(check, Check) else _broken(domain, f"yielded {check!r}, not a Check")
    except QoslabError as error:
        yield _broken(domain, str(error))
    except Exception as error:
        problem = problem_in(error, Path.cwd(), "")
        place = f" ({problem.path.name}:{problem.line})" if problem.path else ""
        yield _broken(domain, problem.message + place)


def _broken(domain: Domain, note: str) -> Check:
    source = domain.verify or ""
    return Check(f"verify of {domain.name}", source, None, None, None, None, "fail", note)


def _line(check: Check) -> str:
    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.5g}"

    interval = "" if check.low is None else f"[{number(check.low)}, {number(check.high)}]"
    mark = {"pass": "ok  ", "fail": "FAIL", "not run": "-   "}[check.status]
    note = f"  ({check.note})" if check.note and check.status != "not run" else ""
    return (
        f"  {mark} {check.name:<58} expected {number(check.expected):>10}  got {number(check.got):>10}  "
        f"{interval:<24} {check.source}{note}"
    ).rstrip()


def _summary(checks: list[Check]) -> str:
    rows: list[dict[str, Any]] = [
        {"verdict": status, "checks": sum(check.status == status for check in checks)}
        for status in ("pass", "fail", "not run")
    ]
    return text_table(rows, ["verdict", "checks"])
