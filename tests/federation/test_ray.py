"""Clients on Ray actors train the models that they train in one process, also when an actor is killed."""

import os
import signal

import numpy as np
import pytest

from qoslab.agents.ray import hands_on_ray
from qoslab.core.context import Context
from qoslab.core.errors import MissingExtra
from qoslab.core.seeds import Seed
from qoslab.domains.federation.bases import OnScaffold
from qoslab.domains.federation.clients import crew
from qoslab.domains.federation.data import make_task
from qoslab.domains.federation.methods.server_learning import ServerLearning
from qoslab.domains.federation.scenario import FederationScenario, example
from qoslab.domains.federation.training import rounds

pytestmark = pytest.mark.filterwarnings("ignore")


def world(**changes):
    return FederationScenario.model_validate(example().model_dump() | {"rounds": 3} | changes)


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    scenario = world(processes_on="ray")
    with pytest.raises(MissingExtra, match=r"qoslab\[ray\]"), crew(scenario, make_task(scenario, Seed())):
        pass


def test_the_models_are_the_same_bit_for_bit():
    pytest.importorskip("ray")
    alone, spread = world(), world(processes=2, processes_on="ray")
    method = ServerLearning(on=OnScaffold(server_rate=0.5))
    one = list(rounds(alone, make_task(alone, Seed()), method, Seed(), Context()))
    other = list(rounds(spread, make_task(spread, Seed()), method, Seed(), Context()))
    assert len(one) == len(other) == 3
    for first, second in zip(one, other, strict=True):
        np.testing.assert_array_equal(first.model, second.model)


@pytest.mark.full
def test_an_actor_that_is_killed_is_started_again_and_holds_the_same(tmp_path):
    """What these hold is their working directory."""
    pytest.importorskip("ray")
    with hands_on_ray(2, os.chdir, str(tmp_path)) as spread:

        def pids():
            return [int(link) for link in spread(os.readlink, ["/proc/self", "/proc/self"])]

        assert spread(os.path.abspath, ["a", "b"]) == [str(tmp_path / "a"), str(tmp_path / "b")]
        before = pids()
        os.kill(before[0], signal.SIGKILL)
        assert spread(os.path.abspath, ["a", "b", "c"]) == [str(tmp_path / name) for name in "abc"]
        after = pids()
        assert after[0] != before[0]
        assert after[1] == before[1]
