import os
import subprocess
import sys
from pathlib import Path

import pytest

import qoslab

sys.path.insert(0, str(Path(__file__).parent / "models"))


@pytest.fixture(scope="session")
def run_python():
    """Run Python text in a fresh process whose kernels are cached in a given folder; give what it prints."""

    def run(text, cache, folder, **environment):
        package = Path(qoslab.__file__).parents[1]  # the one that this process tests
        where = f"{folder}{os.pathsep}{package}"
        settings = {**os.environ, "QOSLAB_CACHE": str(cache), "PYTHONPATH": where, **environment}
        settings["PYTHONDONTWRITEBYTECODE"] = "1"
        command = [sys.executable, "-W", "error", "-c", text]
        done = subprocess.run(command, env=settings, cwd=folder, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


@pytest.fixture
def python(tmp_path, run_python):
    """Run Python text in a fresh process in a folder of the test's own."""

    def run(text, cache=tmp_path / "cache", **environment):
        return run_python(text, cache, tmp_path, **environment)

    return run
