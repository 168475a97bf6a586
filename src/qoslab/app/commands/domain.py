"""`qoslab DOMAIN COMMAND`: the commands that a domain registers as plain typed functions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from qoslab.app.output import print_json, print_table
from qoslab.core.domain import Domain
from qoslab.core.errors import BadInput, Problem, did_you_mean
from qoslab.core.registry import registry

if TYPE_CHECKING:
    from cyclopts import App

__all__ = ["run_domain_command"]


def run_domain_command(words: list[str], commands: Iterable[str]) -> int:
    """Run `DOMAIN COMMAND ...`, or say what could have been meant.

    Args:
        words: The command line, beginning with what should be a domain's name.
        commands: The names of the commands that are no domains, for the hint.
    """
    domains = {domain.name: domain for domain in registry.domains()}
    if words[0] not in domains:
        problem = Problem(
            message=f"there is no command or domain {words[0]!r}",
            hint=did_you_mean(words[0], [*commands, *domains]) or "see qoslab --help",
        )
        raise BadInput(problem)
    return _printed(_app(domains[words[0]])(words[1:] or ["--help"]))


def _app(domain: Domain) -> App:
    from cyclopts import App

    app = App(
        name=f"qoslab {domain.name}",
        help=domain.summary,
        result_action="return_value",
        help_format="plaintext",
    )
    for command in domain.commands:
        app.command(command.target, name=command.name, help=command.summary)
    return app


def _printed(result: Any) -> int:
    """Print what a domain's command returned: text, rows, or an exit code."""
    if result is None:
        return 0
    if isinstance(result, int):
        return result
    if isinstance(result, list) and result and isinstance(result[0], dict):
        print_table(result, list(result[0]))
    elif isinstance(result, dict):
        print_json(result)
    else:
        print(result)
    return 0
