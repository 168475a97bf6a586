"""The wheel holds every file of the package that is no Python module: studies, skeletons, templates."""

import fnmatch
import subprocess
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def _tracked() -> list[str]:
    """Files of the package as git knows them, relative to `src`."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    names = subprocess.run(
        ["git", "ls-files", "src/qoslab"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    return [name.removeprefix("src/") for name in names]


def test_the_wheel_holds_every_file_of_the_package(tmp_path):
    builder = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is what pip builds with")
    [wheel] = builder.WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    assert set(_tracked()) <= held
    assert not [name for name in held if name.startswith(("tests/", "studies/", "benchmarks/"))]


def test_nothing_that_the_package_needs_is_left_out_by_the_configuration():
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel == {"packages": ["src/qoslab"]}, "an `exclude` or `only-include` may drop data files"
    tracked = _tracked()
    for pattern in ("*/quickstart.toml", "*/skeleton.py.txt", "*/report.html.j2", "*/rows.js", "*/py.typed"):
        assert fnmatch.filter(tracked, pattern), pattern
