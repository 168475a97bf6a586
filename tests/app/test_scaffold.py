"""`qoslab new NAME --domain`: the package works as it stands, contract, figure, command, verify and all."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from qoslab.app.skeletons import domain_skeleton
from qoslab.core.errors import BadInput


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    """A scaffold beside the metadata that pip would have made of it."""
    home = tmp_path_factory.mktemp("scaffold")
    folder = domain_skeleton("my_coin", home / "package")
    info = home / "qoslab_my_coin-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: qoslab-my-coin\nVersion: 0.1.0\n")
    (info / "entry_points.txt").write_text("[qoslab.domains]\nmy_coin = qoslab_my_coin\n")
    return folder


def run(package: Path, *words: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(package / "src"), str(package.parent)])
    env = os.environ | {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *words], env=env, cwd=package, capture_output=True, text=True, check=False
    )


def qoslab(package: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return run(package, "-c", "import sys; from qoslab.app.main import main; sys.exit(main())", *words)


def test_names_are_those_of_their_trade(package):
    assert 'name = "qoslab-my-coin"' in (package / "pyproject.toml").read_text()
    assert "class MyCoinScenario(Scenario):" in (package / "src/qoslab_my_coin/scenario.py").read_text()
    assert "# my-coin" in (package / "README.md").read_text()
    for file in package.rglob("*"):
        if file.is_file():
            assert not {"NAME", "CLASS", "DIST"} & set(
                file.read_text().replace("`qoslab NAME COMMAND`", "").split()
            )


def test_its_own_tests_pass(package):
    done = run(package, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "tests")
    assert done.returncode == 0, done.stdout


def test_everything_it_brings_works(package):
    assert '"tosses": 385' in qoslab(package, "my_coin", "tosses", "--json").stdout
    assert qoslab(package, "verify", "my_coin", "--quick").returncode == 0
    demo = qoslab(package, "demo", "my_coin")
    assert demo.returncode == 0, demo.stderr
    assert demo.stderr == ""
    figures = {path.name for path in (package / "qoslab-demo/my_coin.results/figures").iterdir()}
    assert "course.svg" in figures


def test_its_method_skeleton_runs_in_its_template(package):
    assert qoslab(package, "new", "my_coin", "--method").returncode == 0
    assert qoslab(package, "new", "my_coin").returncode == 0
    text = (package / "my_coin.toml").read_text()
    assert "`qoslab new my_coin --method`" in text
    own = text.replace('id = "shrunk"', 'id = "mine"\nfile = "mine.py"')
    assert own != text
    (package / "my_coin.toml").write_text(own)
    done = qoslab(package, "run", "my_coin.toml", "--workers", "0", "--set", "study.seeds=2")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", ["Coin", "2coins", "my-coin", "balancing", "plan", "help", ""])
def test_names_that_cannot_be_are_refused(name, tmp_path):
    with pytest.raises(BadInput):
        domain_skeleton(name, tmp_path / "never")
    assert not (tmp_path / "never").exists()
