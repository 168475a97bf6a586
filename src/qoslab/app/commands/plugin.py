"""`qoslab NAME` for the commands of other packages: plain typed functions, loaded when they are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qoslab.app.output import default_in_words, described, gives_json, print_result
from qoslab.core.parts import COMMANDS, load_plugin, plugins_of
from qoslab.core.registry import registry

if TYPE_CHECKING:
    from cyclopts import App

__all__ = ["is_plugin_command", "run_plugin_command"]


def is_plugin_command(name: str) -> bool:
    """Whether another package brings a command of this name; a domain of the same name goes first."""
    brought = any(plugin.name == name for plugin in plugins_of(COMMANDS))
    return brought and name not in {domain.name for domain in registry.domains()}


def run_plugin_command(words: list[str]) -> int:
    """Run `NAME ...`.

    Args:
        words: The command line, beginning with the command's name.

    Raises:
        BadInput: The command cannot be loaded.
    """
    function = load_plugin(COMMANDS, words[0])
    rest = words[1:]
    json = "--json" in rest and gives_json(function, itself=False)
    if json:
        rest = [word for word in rest if word != "--json"]
    return print_result(_app(words[0], function)(rest, exit_on_error=False, print_error=False), json=json)


def _app(name: str, function: Any) -> App:
    from cyclopts import App, Parameter

    app = App(
        name=f"qoslab {name}",
        help=described(function),
        default_parameter=Parameter(negative_iterable=(), show_default=default_in_words),
        help_epilogue="--json: print JSON." if gives_json(function) else "",
        result_action="return_value",
        help_format="plaintext",
        suppress_keyboard_interrupt=False,
    )
    app.default(function)
    return app
