"""Every snippet of the documentation: Python and TOML run, console lines are commands that exist.

The blocks of a page run one after the other in one interpreter and an empty folder. A block behind
**`FILE`** is that file of the coin domain, which is then held to the contract like any other domain.
"""

import contextlib
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from qoslab.app.commands.domain import domain_app
from qoslab.app.main import build
from qoslab.app.table_of_commands import COMMANDS
from qoslab.core.registry import registry

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TESTED_ELSEWHERE = {"engine.md"}
"""Pages whose Python has a test of its own, beside what it is about (tests/engine/test_page.py)."""

_BLOCK = re.compile(
    r"(?:\*\*`([\w/.]+\.py)`\*\*(?:(?!```).)*?)?```(python|toml|console)\n(.*?)```", re.DOTALL
)


def blocks(page: Path, kind: str) -> list[tuple[str, str]]:
    """The page's blocks of a kind, each with the file that it stands for, if any."""
    text = page.read_text(encoding="utf-8")
    return [(found[1] or "", found[3]) for found in _BLOCK.finditer(text) if found[2] == kind]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def pages(kind: str) -> list[object]:
    return [pytest.param(page, id=name(page)) for page in PAGES if blocks(page, kind)]


def smaller(text: str) -> str:
    """The same with two seeds, in this process."""
    return re.sub(r"(seeds ?= ?)\d+", r"\g<1>2", re.sub(r"workers=\d+", "workers=0", text))


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join([str(folder), str(ROOT / "src")])
    env = os.environ | {"PYTHONPATH": paths, "QOSLAB_CACHE": os.environ.get("QOSLAB_CACHE", "")}
    if not env["QOSLAB_CACHE"]:
        del env["QOSLAB_CACHE"]
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, env=env, cwd=folder, check=False
    )


@pytest.mark.parametrize("page", pages("python"))
def test_python_runs(page, tmp_path):
    if page.name in TESTED_ELSEWHERE:
        pytest.skip("its own room tests it")
    for _, text in blocks(page, "toml") + blocks(ROOT / "README.md", "toml"):
        if "[study]" in text and "mine.py" not in text:
            (tmp_path / "tails.toml").write_text(smaller(text))
    parts = [smaller(text) for file, text in blocks(page, "python") if not file]
    script = "\n".join(f"with registry.collecting():\n{_indented(part)}" for part in parts)
    (tmp_path / "page.py").write_text(f"from qoslab.core.registry import registry\n{script}")
    done = run(tmp_path, "page.py")
    assert done.returncode == 0, done.stderr


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" if line.strip() else "\n" for line in text.splitlines())


@pytest.mark.parametrize("page", pages("toml"))
def test_toml_is_a_study_or_a_part_of_one(page, tmp_path):
    from qoslab.app.skeletons import method_skeleton
    from qoslab.study.study import Study

    for _, text in blocks(page, "toml"):
        tree = tomllib.loads(text)
        if "study" not in tree:
            assert set(tree) <= {"method", "scenario", "report", "project"}
            continue
        with contextlib.suppress(Exception):
            (tmp_path / "mine.py").write_text(method_skeleton(registry.domain(tree["study"]["domain"])))
        if not (tmp_path / "mine.py").exists():
            (tmp_path / "mine.py").write_text("mine = 'mine'\n")
        (tmp_path / "page.toml").write_text(text)
        study = Study.from_file(tmp_path / "page.toml")
        assert len(study.methods) >= len(tree["method"])


@pytest.mark.parametrize("page", pages("console"))
def test_console_lines_are_commands(page):
    lines = [
        line[2:] for _, text in blocks(page, "console") for line in text.splitlines() if line[:2] == "$ "
    ]
    assert lines
    for line in lines:
        words = shlex.split(line, comments=True)
        if words[0] == "qoslab":
            parse(words[1:])
        elif words[0] == "make":
            assert f"\n{words[1]}:" in (ROOT / "Makefile").read_text()
        else:
            assert words[0] in {"pip", "python", "cmp", "curl", "docker", "cd", "export"}, line


def parse(words: list[str]) -> None:
    """Bind the words of a command line to its function without calling it; the coin is not installed."""
    if words[0] in {command.name for command in COMMANDS} or words[0].startswith("--"):
        build().parse_args(words, exit_on_error=False, print_error=False)
    else:
        domain_app(registry.domain(words[0])).parse_args(words[1:], exit_on_error=False, print_error=False)


def test_the_coin_of_the_architecture_page_keeps_the_contract(tmp_path):
    package = tmp_path / "coin_on_page"
    for file, text in blocks(ROOT / "docs" / "architecture.md", "python"):
        if file:
            target = package / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text.replace("qoslab.domains.coin", "coin_on_page"))
    files = {str(file.relative_to(package)) for file in package.rglob("*.py")}
    wanted = {
        "scenario.py",
        "metrics.py",
        "model.py",
        "methods/mean.py",
        "figures.py",
        "commands.py",
        "theory.py",
        "__init__.py",
    }
    assert wanted < files
    (tmp_path / "check.py").write_text(
        "import coin_on_page, sys\n"
        "from qoslab.core.context import Context\n"
        "from qoslab.core.registry import registry\n"
        "from qoslab.testing import domain_checks, method_checks, registered_methods\n"
        "coin = registry.domain('coin')\n"
        "for check in domain_checks(): check(coin)\n"
        "for entry in registered_methods('coin'):\n"
        "    for check in method_checks(): check(entry)\n"
        "checks = list(coin.verify_function()(quick=True, context=Context()))\n"
        "assert [check.status for check in checks] == ['pass', 'not run'], checks\n"
        "from qoslab.app.main import main\n"
        "sys.exit(main(['coin', 'tosses', '--json']))\n"
    )
    done = run(tmp_path, "check.py")
    assert done.returncode == 0, done.stderr
    assert '"tosses": 384' in done.stdout
