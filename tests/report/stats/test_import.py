from __future__ import annotations

import subprocess
import sys

import qoslab.report.stats


def test_importing_loads_nothing_heavy() -> None:
    code = "import sys, qoslab.report.stats; print(*sorted(m for m in sys.modules if '.' not in m))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "numpy" in loaded
    assert not {"scipy", "polars", "matplotlib", "pandas", "torch", "numba"} & set(loaded)


def test_every_public_name_is_there() -> None:
    for name in qoslab.report.stats.__all__:
        assert getattr(qoslab.report.stats, name).__doc__
