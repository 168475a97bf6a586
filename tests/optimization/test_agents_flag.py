"""`qoslab run --agents` puts each agent on its own; a domain without agents says that it has none."""

import pytest

from qoslab.app.main import main
from qoslab.study.results import Results

STUDY = """\
[study]
name = "agents"
domain = "optimization"
seeds = 1
[scenario]
rounds = 20
network.generate = { model = "ring", nodes = 3 }
problem = { kind = "quadratic", dimension = 2 }
[[method]]
id = "dgd"
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "agents.toml").write_text(STUDY)
    return tmp_path


def metrics(folder):
    return Results.open(folder).table.select("optimality_gap", "consensus_error", "messages").row(0)


def test_agents_on_their_own_say_the_same(here, capsys):
    assert main(["run", "agents.toml", "--workers", "0", "--out", "arrays"]) == 0
    assert main(["run", "agents.toml", "--workers", "0", "--out", "local", "--agents", "local"]) == 0
    assert "--set scenario.agents=local" in capsys.readouterr().out  # the verdict's next command keeps it
    assert metrics(here / "local") == pytest.approx(metrics(here / "arrays"), rel=1e-12, abs=1e-12)


def test_a_domain_without_agents_says_so(here, capsys):
    (here / "influence.toml").write_text(
        '[study]\nname = "i"\ndomain = "influence"\n[[method]]\nid = "degree"\n'
    )
    assert main(["run", "influence.toml", "--agents", "local"]) == 2
    told = capsys.readouterr().err
    assert told.endswith(
        "\n--agents local: scenarios of this domain have no agents that could run on their own\n  leave --agents out\n"
    )
    assert "--set" not in told


def test_what_else_is_wrong_beside_agents_keeps_its_name(here, capsys):
    assert main(["run", "agents.toml", "--agents", "local", "--set", "scenario.agnets=local"]) == 2
    told = capsys.readouterr().err
    assert "--set scenario.agnets=local: there is no such key" in told
    assert "--agents local" not in told
