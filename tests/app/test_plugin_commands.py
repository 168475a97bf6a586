"""Commands of other packages: `qoslab NAME`, listed without being loaded, loaded when called."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from qoslab.app.main import main

COMMANDS = '''\
from qoslab.core.errors import BadInput

def capacity(*, load: float = 0.5, servers: int = 2) -> list[dict[str, float]]:
    """What is left of some servers.

    Args:
        load: Share of them that is in use.
        servers: How many there are.
    """
    if load > 1:
        raise BadInput("load is above 1")
    return [{"servers": servers, "left": servers * (1 - load)}]

def plan() -> str:
    """Never reached."""
    return "wrong"

def finding() -> int:
    """Something was found."""
    return 1
'''


def lay(home: Path, name: str, text: str, points: dict[str, str]) -> None:
    """A package and its metadata in a folder, as pip would have installed them."""
    info = home / f"{name}-1.2.dist-info"
    info.mkdir(parents=True)
    (home / f"{name}.py").write_text(text)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    lines = "".join(f"{point} = {name}:{target}\n" for point, target in points.items())
    (info / "entry_points.txt").write_text(f"[qoslab.commands]\n{lines}")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    site = tmp_path / "site"
    points = {"capacity": "capacity", "finding": "finding", "plan": "plan", "influence": "plan"}
    lay(site, "far_commands", COMMANDS, points)
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, "far_commands", raising=False)
    return site


def test_help_names_them_and_loads_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "  capacity  package far_commands 1.2" in capsys.readouterr().out
    assert "far_commands" not in sys.modules


def test_a_command_takes_options_and_prints_a_table_or_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["capacity", "--load", "0.25", "--servers", "8"]) == 0
    assert capsys.readouterr().out.split() == ["servers", "left", "-------", "----", "8", "6"]
    assert main(["capacity", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"servers": 2, "left": 1.0}]


def test_help_of_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["capacity", "--help"]) == 0
    out = capsys.readouterr().out
    assert "Usage: qoslab capacity" in out
    assert "Share of them that is in use." in out


def test_the_exit_code_is_the_command_s() -> None:
    assert main(["finding"]) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["capacity", "--load", "2"], "qoslab: load is above 1"),
        (["capacity", "--lod", "2"], "unknown option: --lod. did you mean --load?"),
        (["capacty"], "did you mean 'capacity'?"),
    ],
)
def test_mistakes_are_one_sentence(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert said.lower() in capsys.readouterr().err.lower()


def test_our_own_names_go_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "nowhere.toml"]) == 2
    assert "nowhere.toml" in capsys.readouterr().err
    main(["influence"])
    assert "wrong" not in capsys.readouterr().out
    main(["doctor"])
    rows = {line.split("  ")[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "package far_commands 1.2" in rows["command capacity"]
    for name in ("plan", "influence"):
        assert "this command cannot be reached" in rows[f"command {name}"]


def test_a_package_that_fails_is_named_with_its_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay(home, "broken_commands", "a = 1\nx = 1 / 0\n", {"burst": "burst"})
    assert main(["burst"]) == 2
    said = capsys.readouterr().err
    assert "plug-in burst (package broken_commands 1.2) failed: ZeroDivisionError" in said
    assert "broken_commands.py:2" in said
    assert main(["doctor"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("command burst"))
    assert "failed, package broken_commands 1.2" in row
    assert "ZeroDivisionError" in row


def test_two_packages_with_one_name_are_both_named(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay(home, "other_commands", COMMANDS, {"capacity": "capacity"})
    assert main(["capacity"]) == 2
    said = capsys.readouterr().err
    assert "package far_commands 1.2" in said
    assert "package other_commands 1.2" in said
