"""The page of the house is enough: its method, its metric and its domain, added as it says and put to work."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
_FILE = re.compile(r"\*\*`([\w/.]+\.py)`\*\*(?:(?!```).)*?```python\n(.*?)```", re.DOTALL)

WORLD = """
[study]
name = "page"
domain = "influence"
seeds = 2
[scenario]
followers = 2
network = { generate = { model = "erdos_renyi", nodes = 12, p = 0.4, directed = true }, connected = "strongly" }
"""


def block(word: str) -> str:
    """The page's Python block that holds a word."""
    (found,) = [text for text in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if word in text]
    return found


def qoslab(home: Path, *words: str, source: Path = ROOT / "src") -> str:
    """What a command prints, in a folder and with packages of its own."""
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(home), str(source)])}
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, env=env, cwd=home, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def coin(tmp_path):
    """The page's domain as an installed package, with the page's entry point."""
    for name, text in _FILE.findall(PAGE):
        file = tmp_path / "qoslab_coin" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text.replace("qoslab.domains.coin", "qoslab_coin"))
    (group,) = re.findall(r'\[project\.entry-points\."(qoslab\.domains)"\]\n(\w+) = "(\w+)"', PAGE)
    info = tmp_path / "qoslab_coin-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: qoslab-coin\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text(f"[{group[0]}]\n{group[1]} = {group[2]}\n")
    return tmp_path


def test_the_domain_is_a_plug_in_that_runs_studies(coin):
    (coin / "s.toml").write_text(
        '[study]\nname = "page"\ndomain = "coin"\nseeds = 3\n'
        '[scenario]\nbias = { grid = [0.0, 0.4] }\n[[method]]\nid = "mean"\n'
    )
    qoslab(coin, "-m", "qoslab", "run", "s.toml", "--workers", "0")
    rows = json.loads(qoslab(coin, "-m", "qoslab", "show", "s.results", "--rows", "--json"))
    assert [row["status"] for row in rows] == ["done"] * 6
    assert [row.get("error_relative") for row in rows[:3]] == [None] * 3
    for row in rows[3:]:
        assert row["error_relative"] == pytest.approx(row["error"] / 0.4)


def test_a_method_in_a_file_of_its_own_goes_by_the_decorator_s_name(tmp_path):
    (tmp_path / "anything.py").write_text(block("class ShuffledDegree"))
    own = '[[method]]\nid = "{}"\nfile = "anything.py"\n'
    (tmp_path / "wrong.toml").write_text(WORLD + own.format("mine"))
    with pytest.raises(AssertionError, match="known: shuffled_degree"):
        qoslab(tmp_path, "-m", "qoslab", "check", "wrong.toml")
    (tmp_path / "s.toml").write_text(WORLD + own.format("shuffled_degree"))
    qoslab(tmp_path, "-m", "qoslab", "run", "s.toml", "--workers", "0")
    rows = json.loads(qoslab(tmp_path, "-m", "qoslab", "show", "s.results", "--rows", "--json"))
    assert [(row["method_id"], row["status"]) for row in rows] == [("influence/shuffled_degree", "done")] * 2


def test_a_method_in_the_package_is_found_by_itself_and_keeps_the_contract(tmp_path):
    source = tmp_path / "src"
    shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    methods = source / "qoslab" / "domains" / "influence" / "methods"
    (methods / "shuffled_degree.py").write_text(block("class ShuffledDegree"))
    (tmp_path / "check.py").write_text(
        "from qoslab.testing import method_checks, registered_methods\n"
        "(entry,) = [e for e in registered_methods('influence') if e.id == 'influence/shuffled_degree']\n"
        "for check in method_checks(): check(entry); print(check.__name__)\n"
    )
    kept = qoslab(tmp_path, "check.py", source=source).split()
    assert {"is_deterministic", "keeps_its_time_limit", "rejects_bad_values"} <= set(kept)
