"""Plug-ins of other packages: a broken one is named and left out, and everything else goes on.

Each case runs in an interpreter of its own, with packages that lie in a folder with their metadata, as pip
would have installed them.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

DOMAIN = """\
from qoslab.core.domain import Domain
from qoslab.core.metric import Metric
from qoslab.core.registry import registry
registry.add_domain(Domain(name="{name}", summary="{summary}", scenario="{module}:S", example="{module}:e",
    run="{module}:run", methods="{module}.methods", baseline="a", metrics=(Metric("error", "", "lower", "x"),)))
"""
METHOD = """\
from dataclasses import dataclass
from qoslab.core.method import method
@method("{domain}", "{name}", summary="s", origin="ours")
@dataclass(frozen=True)
class A:
    "No parameters."
"""


def install(
    home: Path, name: str, files: dict[str, str], group: str = "qoslab.domains", point: str = ""
) -> None:
    """Lay a package and its metadata into a folder."""
    for path, text in files.items():
        target = home / name / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    info = home / f"{name}-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{point or name} = {name}\n")


def qoslab(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command line in a fresh interpreter that sees the folder's packages."""
    code = "import sys; from qoslab.app.main import main; sys.exit(main())"
    env = os.environ | {"PYTHONPATH": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-c", code, *words]
    return subprocess.run(command, capture_output=True, text=True, env=env, cwd=home, check=False)


def test_a_broken_domain_is_named_once_and_left_out(tmp_path):
    install(tmp_path, "broken", {"__init__.py": "a = 1\nx = 1/0\n"})
    done = qoslab(tmp_path, "list", "influence")
    assert done.returncode == 0
    assert "influence/greedy" in done.stdout
    where = tmp_path / "broken" / "__init__.py"
    said = f"qoslab: plug-in broken (package broken 1.2) failed: ZeroDivisionError: division by zero ({where}:2)\n"
    assert qoslab(tmp_path, "list").stderr == said
    asked = qoslab(tmp_path, "list", "broken")
    assert asked.returncode == 2
    assert "ZeroDivisionError" in asked.stderr
    assert "Traceback" not in asked.stderr


def test_doctor_lists_plugins_and_faults(tmp_path):
    install(tmp_path, "broken", {"__init__.py": "x = (\n"})
    good = DOMAIN.format(name="good", module="good", summary="good")
    install(tmp_path, "good", {"__init__.py": good, "methods/__init__.py": ""})
    named = DOMAIN.format(name="plan", module="planner", summary="clashes with a command")
    install(tmp_path, "planner", {"__init__.py": named, "methods/__init__.py": ""}, point="plan")
    lines = qoslab(tmp_path, "doctor").stdout.splitlines()
    row = {line.split("  ")[0]: line for line in lines}
    assert "package good 1.2" in row["plug-in good"]
    assert "failed" in row["plug-in broken"]
    assert "SyntaxError" in row["plug-in broken"]
    assert "a command has this name" in row["plug-in plan"]


def test_two_packages_with_one_domain_name_are_both_named(tmp_path):
    for name in ("coin_a", "coin_b"):
        text = DOMAIN.format(name="coin", module=name, summary=name)
        install(tmp_path, name, {"__init__.py": text, "methods/__init__.py": ""}, point="coin")
    done = qoslab(tmp_path, "list")
    assert done.returncode == 0
    assert "two domains are named 'coin'" in done.stderr
    assert "package coin_a 1.2" in done.stderr
    assert "package coin_b 1.2" in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nowhere_at_all\n", "No module named 'nowhere_at_all'"),
        (METHOD.format(domain="influnce", name="far"), "did you mean 'influence'?"),
        (METHOD.format(domain="influence", name="greedy"), "two methods are named 'influence/greedy'"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
    ],
)
def test_a_broken_plugin_of_methods_is_left_out(tmp_path, text, said):
    install(tmp_path, "extra", {"__init__.py": text}, group="qoslab.methods")
    done = qoslab(tmp_path, "describe", "influence/greedy")
    assert done.returncode == 0
    assert "plug-in extra (package extra 1.2) failed" in done.stderr
    assert said in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = = 1\n", "invalid syntax"),
        (
            METHOD.format(domain="coin", name="a").replace("@dataclass(frozen=True)\n", ""),
            "write @dataclass(frozen",
        ),
        (METHOD.format(domain="coin", name="b"), "two methods are named 'coin/b'"),
        (METHOD.format(domain="con", name="a"), "belongs to domain 'coin', not to 'con'"),
        (METHOD.format(domain="coin", name="a").replace('"ours"', '"our"'), "origin is 'our'"),
    ],
)
def test_a_mistake_in_a_package_method_is_located(tmp_path, text, said):
    files = {
        "__init__.py": DOMAIN.format(name="coin", module="coin_x", summary="s"),
        "methods/__init__.py": "",
        "methods/b.py": METHOD.format(domain="coin", name="b"),
        "methods/mistaken.py": text,
    }
    install(tmp_path, "coin_x", files)
    done = qoslab(tmp_path, "list", "coin")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert f"{Path('coin_x') / 'methods' / 'mistaken.py'}:" in done.stderr
    assert said in done.stderr
    everything = qoslab(tmp_path, "list")
    assert everything.returncode == 0
    assert "influence/greedy" in everything.stdout
    assert said in everything.stderr
