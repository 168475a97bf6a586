"""`qoslab DOMAIN COMMAND`: the commands that a domain registers as plain typed functions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from qoslab.app.output import default_in_words, described, gives_json, print_result
from qoslab.core.domain import Command, Domain, load_part
from qoslab.core.errors import BadInput, Problem, did_you_mean
from qoslab.core.parts import COMMANDS, plugins_of
from qoslab.core.registry import registry

if TYPE_CHECKING:
    from cyclopts import App

__all__ = ["domain_app", "run_domain_command"]


def run_domain_command(words: list[str], commands: Iterable[str]) -> int:
    """Run `DOMAIN COMMAND ...`, or say what could have been meant.

    Args:
        words: The command line, beginning with what should be a domain's name.
        commands: The names of the commands that are no domains, for the hint.

    Raises:
        BadInput: There is no such domain, it has no commands, or a command's import path leads nowhere.
    """
    domain = _domain(words[0], commands)
    if not domain.commands:
        hint = f"`qoslab describe {domain.name}` says what it has; `qoslab new {domain.name}` begins a study"
        raise BadInput(Problem(message=f"domain {domain.name!r} has no commands of its own", hint=hint))
    words = words[1:] or ["--help"]
    command = next((one for one in domain.commands if one.name == words[0]), None)
    json = "--json" in words and command is not None and gives_json(_function(domain, command), itself=False)
    if json:
        words = [word for word in words if word != "--json"]
    result = domain_app(domain)(words, exit_on_error=False, print_error=False)
    return print_result(result, json=json)


def domain_app(domain: Domain) -> App:
    """A domain's commands as a command-line application."""
    from cyclopts import App, Parameter

    app = App(
        name=f"qoslab {domain.name}",
        default_parameter=Parameter(negative_iterable=(), show_default=default_in_words),
        help=domain.summary,
        help_epilogue=_about_json(domain),
        result_action="return_value",
        help_format="plaintext",
        suppress_keyboard_interrupt=False,
    )
    for command in domain.commands:
        function = _function(domain, command)
        about = described(function) or f"{command.summary}."
        json = "--json: print JSON." if gives_json(function) else ""
        app.command(function, name=command.name, help=about, help_epilogue=json)
    return app


def _about_json(domain: Domain) -> str | None:
    """Which commands print their result as JSON."""
    without = [one.name for one in domain.commands if not gives_json(_function(domain, one))]
    if len(without) == len(domain.commands):
        return None
    if not without:
        return "With --json every command prints JSON."
    return f"With --json every command prints JSON, except those that print as they go: {', '.join(without)}."


def _domain(name: str, commands: Iterable[str]) -> Domain:
    domains = {domain.name: domain for domain in registry.domains()}
    if name in domains:
        return domains[name]
    if any(plugin.name == name and plugin.fault for plugin in registry.plugins()):
        return registry.domain(name)
    known = [*commands, *domains, *(plugin.name for plugin in plugins_of(COMMANDS))]
    hint = did_you_mean(name, known) or "see qoslab --help"
    if name.endswith(".toml"):
        hint = f"a study file is run with: qoslab run {name}"
    problem = Problem(message=f"there is no command or domain {name!r}", hint=hint)
    raise BadInput(problem)


def _function(domain: Domain, command: Command) -> Any:
    return load_part(command.target, f"domain {domain.name!r}, command {command.name!r}")
