from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# Worker processes import the test domain by name, so it stands in a package of its own.
sys.path.insert(0, str(Path(__file__).parent))

from toylab.domain import TOY
from toylab.studies import TAILS

from qoslab.core.registry import registry


@pytest.fixture(scope="module", autouse=True)
def toy_domain() -> Iterator[None]:
    """The test domain is known to these tests alone, not to those that go through all domains."""
    registry.add_domain(TOY)
    yield
    del registry._domains[TOY.name]


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
