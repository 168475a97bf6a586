"""Studies of the test domain."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

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


def toy(methods: Sequence[Any], **given: Any) -> Study:
    """A small study of the test domain."""
    return Study(**{"name": "t", "domain": "toy", "scenario": {}, "methods": methods, "seeds": 6} | given)


def line_of_bad_day() -> int:
    """Where the test domain raises its error."""
    lines = (Path(__file__).parent / "methods" / "bad.py").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if "raise ValueError" in line)
