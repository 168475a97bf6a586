"""The entry point: help from a static table, nothing heavy loaded, clear refusals."""

import subprocess
import sys

import pytest

from qoslab.app.main import build, help_text, main
from qoslab.app.table_of_commands import COMMANDS, GROUPS
from qoslab.core.domain import load

HEAVY = ("torch", "numba", "matplotlib", "cvxpy", "ray", "scipy.stats", "polars", "cyclopts")


def _loaded_after(code: str) -> set[str]:
    """The heavy modules that a fresh interpreter has loaded after running some code."""
    probe = f"import sys\n{code}\nprint('\\n'.join(m for m in {HEAVY!r} if m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return set(done.stdout.split()) & set(HEAVY)


@pytest.mark.parametrize("code", ["import qoslab", "from qoslab.app.main import main; main(['--help'])"])
def test_import_and_help_load_nothing_heavy(code):
    assert _loaded_after(code) == set()


def test_registering_every_method_loads_nothing_heavy():
    code = (
        "from qoslab.core.registry import registry\n"
        "for d in registry.domains(): assert registry.methods(d.name), d.name"
    )
    assert _loaded_after(code) == set()


def test_help_names_every_command():
    text = help_text()
    for command in COMMANDS:
        assert f"  {command.name} " in text
        assert command.summary in text


def test_every_command_exists_and_belongs_to_a_group():
    for command in COMMANDS:
        load(command.target)
        assert command.group in GROUPS


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_every_command_has_help(command, capsys):
    assert main([command, "--help"]) == 0
    assert "Usage" in capsys.readouterr().out


def test_the_application_holds_the_commands_of_the_table():
    names = set(build().resolved_commands())
    assert {command.name for command in COMMANDS} <= names


def test_no_words_print_help(capsys):
    assert main([]) == 0
    assert capsys.readouterr().out.startswith("qoslab ")


def test_unknown_command_gets_a_hint(capsys):
    assert main(["balncing"]) == 2
    assert "did you mean 'balancing'?" in capsys.readouterr().err


def test_version(capsys):
    import qoslab

    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == qoslab.__version__


def test_the_package_can_be_run_as_a_module():
    words = [sys.executable, "-m", "qoslab"]
    shown = subprocess.run([*words, "--version"], capture_output=True, text=True, check=True)
    assert shown.stdout.strip()
    assert subprocess.run([*words, "nonsense"], capture_output=True, check=False).returncode == 2
