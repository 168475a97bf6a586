"""The entry point `qoslab`."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qoslab import __version__
from qoslab.app.table_of_commands import COMMANDS, GROUPS

if TYPE_CHECKING:
    from cyclopts import App, CycloptsError

__all__ = ["build", "help_text", "main"]


_FILE_FAULTS = (
    FileNotFoundError,
    FileExistsError,
    PermissionError,
    IsADirectoryError,
    NotADirectoryError,
)
"""What a path that somebody typed may run into; of other faults of the system the traceback says more."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: The words behind `qoslab`; those of the process by default.

    Returns:
        The exit code: 0 done, 1 a finding or failure, 2 wrong input, 130 interrupted.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["help"] and len(words) > 1:
        words = [*words[1:], "--help"]
    if not words or words[0] in {"--help", "-h", "help"}:
        print(help_text())
        return 0
    if words[0] in {"--version", "-V"}:
        print(__version__)
        return 0
    return _guarded(words)


def help_text() -> str:
    """The help of `qoslab` itself, from the table of commands and the names of installed ones; loads none of them."""
    from qoslab.core.parts import COMMANDS as PLUGINS
    from qoslab.core.parts import plugins_of

    lines = [
        f"qoslab {__version__}: the laboratory for quality of service in networks",
        "",
        "usage: qoslab COMMAND [--help]",
    ]
    for group in GROUPS:
        lines += ["", group]
        lines += [f"  {c.name:<10}{c.summary}" for c in COMMANDS if c.group == group]
    others = plugins_of(PLUGINS)
    if others:
        lines += ["", "Of other packages", *(f"  {p.name:<10}{p.origin}" for p in others)]
    lines += [
        "",
        "A domain's own commands: qoslab DOMAIN --help",
        "Completion: qoslab --install-completion",
        "Begin with: qoslab demo",
    ]
    return "\n".join(lines)


def build() -> App:
    """The command-line application; a command's module is imported when it is called."""
    from cyclopts import App, Parameter

    from qoslab.app.output import default_in_words

    app = App(
        name="qoslab",
        version=__version__,
        default_parameter=Parameter(negative_iterable=(), show_default=default_in_words),
        result_action="return_value",
        help_format="plaintext",
        suppress_keyboard_interrupt=False,
    )
    for command in COMMANDS:
        app.command(
            command.target, name=command.name, help=f"{command.summary[:1].upper()}{command.summary[1:]}."
        )
    app.register_install_completion_command(add_to_startup=False)
    return app


def _is_ours(path: str | bytes | int) -> bool:
    """Whether a path lies in this package: a fault of ours, whose traceback is wanted, and no wrong word."""
    return not isinstance(path, int) and Path(os.fsdecode(path)).is_relative_to(Path(__file__).parents[1])


def _guarded(words: list[str]) -> int:
    """Run a command; every mistake of a user ends in one clear message and an exit code."""
    from cyclopts import CycloptsError

    from qoslab.core.errors import QoslabError

    try:
        result = _dispatch(words)
        sys.stdout.flush()
    except QoslabError as error:
        print(f"qoslab: {error}", file=sys.stderr)
        return error.exit_code
    except CycloptsError as error:
        print(f"qoslab: {_in_our_words(error, words)}", file=sys.stderr)
        return 2
    except _FILE_FAULTS as error:
        if error.filename is None or _is_ours(error.filename):
            raise
        print(f"qoslab: {error.filename}: {str(error.strerror).lower()}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("qoslab: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of a pipe has gone (`qoslab list | head`): nothing more to say, and nothing to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return result if isinstance(result, int) else 0


def _in_our_words(error: CycloptsError, words: list[str]) -> str:
    """What is wrong with the words of a command line, and where its options are explained."""
    from qoslab.app.usage import usage_message

    message = usage_message(error)
    named = words[:2] if words[0] == "data" or words[0] not in {c.name for c in COMMANDS} else words[:1]
    command = [word for word in named if not word.startswith("-") and f'"{word}"' not in message]
    command = command or words[:1]
    return f"{message}\n  see: {' '.join(['qoslab', *command])} --help"


def _dispatch(words: list[str]) -> Any:
    names = {command.name for command in COMMANDS}
    if words[0] in names or words[0].startswith("-"):
        app = build()
        if words[0] == "--install-completion":
            _add_domains(app)
        return app(words, exit_on_error=False, print_error=False)
    from qoslab.app.commands.domain import run_domain_command
    from qoslab.app.commands.plugin import is_plugin_command, run_plugin_command

    if is_plugin_command(words[0]):
        return run_plugin_command(words)
    return run_domain_command(words, names)


def _add_domains(app: App) -> None:
    """Add every domain's own commands, which a script for completion is to know."""
    from qoslab.app.commands.domain import domain_app
    from qoslab.core.registry import registry

    for domain in registry.domains():
        if domain.commands:
            app.command(domain_app(domain), name=domain.name)


if __name__ == "__main__":
    sys.exit(main())
