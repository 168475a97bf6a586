from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

# Worker processes import the test domain by name, so it stands in a package of its own.
sys.path.insert(0, str(Path(__file__).parent))

import toylab.domain  # noqa: F401

from qoslab.study.study import Study

TAILS = """\
[study]
name = "tails"
domain = "toy"
seeds = 6

[scenario]
load = { grid = [0.3, 0.6] }
servers = { count = 4, speeds = [1.0, 2.0] }

[[method]]
id = "plain"
shift = { grid = [0.0, 1.0] }

[[method]]
id = "learned"

[report]
metric = "score"
baseline = "learned"
"""


@pytest.fixture
def tails(tmp_path: Path) -> Path:
    """A study file: two scenarios, three methods, one of them trained, six seeds."""
    path = tmp_path / "tails.toml"
    path.write_text(TAILS)
    return path


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """What was really run since, by any process, line by line."""
    path = tmp_path / "toylab.log"
    monkeypatch.setenv("TOYLAB_LOG", str(path))
    return lambda: path.read_text().splitlines() if path.exists() else []


def toy(methods: Sequence[Any], **given: Any) -> Study:
    """A small study of the test domain."""
    return Study(**{"name": "t", "domain": "toy", "scenario": {}, "methods": methods, "seeds": 6} | given)


def line_of_bad_day() -> int:
    """Where the test domain raises its error."""
    lines = (Path(__file__).parent / "toylab" / "methods" / "bad.py").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if "raise ValueError" in line)
