"""The rehearsal: production's weights on the simulator, on the site of a study file."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from qoslab.app.main import main
from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.balancing.deploy.controller import Limits
from qoslab.domains.balancing.deploy.keepsake import Keepsake
from qoslab.domains.balancing.deploy.rehearsal import rehearse, rehearse_command
from qoslab.domains.balancing.deploy.runtime import Server
from qoslab.domains.balancing.deploy.scales import stepwise
from qoslab.domains.balancing.deploy.steering import Steering
from qoslab.domains.balancing.methods.haproxy_leastconn import HaproxyLeastconn
from qoslab.domains.balancing.model import run
from qoslab.domains.balancing.scenario import BalancingScenario

STUDY = """
[study]
name = "site"
domain = "balancing"

[scenario]
servers = {{ count = 4, speeds = [1.0, 4.0], weights = "equal" }}
sizes = {{ law = "exponential", mean_s = 0.2 }}
{more}

[[method]]
id = "random"
"""


def study(folder, more="load = 0.8\nrequests = 8000"):
    path = folder / "site.toml"
    path.write_text(STUDY.format(more=more))
    return path


def site(**more):
    words = {
        "servers": {"count": 4, "speeds": [1.0, 4.0], "weights": "equal"},
        "sizes": {"law": "exponential", "mean_s": 0.2},
        "load": 0.8,
        "requests": 8_000,
    }
    return BalancingScenario.model_validate(words | more)


def test_weights_move_to_the_faster_servers_by_whole_steps():
    """40 requests a second: 200 s, of which `ours` needs less than one half to tell a factor of four."""
    held, limits = [np.full(4, 64)], Limits(step=1.1, spread=3.0)

    def watch(balancer, seen, weights):
        assert balancer == 0
        assert weights.dtype.kind == "i"
        if not seen.done.any():
            assert (weights == 64).all()
        rounded = 0 if (held[-1] != 64).any() else 1  # the first change is bounded but for rounding
        for now, then in zip(held[-1], weights, strict=True):
            assert abs(stepwise(int(now), int(then), limits.step) - then) <= rounded
        held.append(weights.copy())

    rehearse(site(), "ours", Seed(0, "test"), limits=limits, watch=watch)
    assert len(held) > 300
    last = held[-1]
    assert (last[1::2] > 2 * last[::2].max()).all()
    # Weights are rounded around 64 and keep a dead band of 3 %.
    assert last.max() / last.min() < 3.0 * 1.1


def test_weights_are_those_that_a_proxy_is_given_for_the_same_observations(tmp_path):
    """The steering itself, against a proxy that only holds weights, with the rehearsal's observations."""

    class Holding:
        def __init__(self):
            self.weights = dict.fromkeys("abcd", 1)

        def configured(self, backend):
            return dict.fromkeys("abcd", 1)

        def servers(self, backend):
            return "1", [Server(name, 0, 0, weight, True, False) for name, weight in self.weights.items()]

        def set_weights(self, backend, weights):
            self.weights |= weights

    proxy = Holding()
    steering = Steering(proxy, "work", Keepsake(tmp_path / "s", "work", tmp_path))
    compared = []

    def watch(balancer, seen, weights):
        steering.ledger.lines = int(seen.done.sum())
        steering.ledger.observe = lambda *_, complete: seen
        steering.tick(1e9 + seen.time_s, seen.time_s)
        compared.append(tuple(weights))
        assert tuple(proxy.weights.values()) == compared[-1]

    rehearse(site(requests=4_000), "ours", Seed(0, "test"), watch=watch)
    assert len(set(compared)) > 20


def test_weights_that_are_held_are_haproxys_leastconn():
    """Weights that nobody steers are those of the file: the same routing, to the bit."""
    told = site(servers={"count": 4, "speeds": [1.0, 4.0]})
    plain = next(run(told, HaproxyLeastconn(), [Seed(0, "test")], Context()))
    held = rehearse(told, None, Seed(0, "test"))
    assert held.metrics == plain.metrics
    assert rehearse(told, None, Seed(0, "test"), balance="sed").metrics != plain.metrics


def test_steering_a_file_s_site_lowers_its_response_times(tmp_path):
    rows = rehearse_command(scenario=study(tmp_path, "load = 0.8\nrequests = 20000"), seeds=2)
    own, ours, right = rows
    assert [row["weights"] for row in rows] == ["configured weights", "ours", "right weights"]
    assert set(own) == {"weights", "response_time_mean_s", "response_time_p95_s", "response_time_p99_s"}
    assert ours["response_time_mean_s"] < 0.93 * own["response_time_mean_s"]
    assert ours["response_time_p99_s"] < 0.8 * own["response_time_p99_s"]
    assert right["response_time_mean_s"] < own["response_time_mean_s"]


def test_weights_follow_a_server_that_becomes_slow():
    """Server 1 falls from speed 4 to 1 in the middle, at a load of 0.6 of what is left."""
    change = {"at_s": 150.0, "servers": [1], "action": "speed", "speed": 0.25}
    slowed = site(load=0.42, requests=None, duration_s=300.0, changes=[change])
    held = {}
    rehearse(
        slowed,
        "ours",
        Seed(0, "test"),
        watch=lambda _, seen, weights: held.update({seen.time_s: weights / weights[3]}),
    )
    before = held[max(time for time in held if time < 150.0)]
    after = held[max(time for time in held if time < 300.0)]
    assert before[1] > 0.6
    assert after[1] < 0.5 * before[1]


def test_a_trace_is_played_as_it_was_recorded(tmp_path):
    """Requests that never meet take their size over the speed of the server, and idle servers take turns."""
    sizes = np.tile([0.1, 0.2, 0.3, 0.4, 0.5], 40)
    rows = "".join(f"{2 * k},{size}\n" for k, size in enumerate(sizes))
    (tmp_path / "day.csv").write_text("time_s,work_s\n" + rows)
    path = study(
        tmp_path,
        'arrivals = { kind = "trace", file = "day.csv", size = "work_s" }\nrequests = 200\n'
        'warmup = { fraction = 0.0 }\nmetrics = "mean"',
    )
    told = rehearse_command(scenario=path, seeds=1, policy="littles_law")
    # 200 is a multiple of 4 servers times 5 sizes: each server gets each size equally often.
    for row in told:
        assert row["response_time_mean_s"] == pytest.approx(0.3 * (1 / 1 + 1 / 4) / 2)


def test_rows_that_would_be_the_same_are_run_once(tmp_path):
    path = study(tmp_path, "load = 0.8\nrequests = 2000")
    names = [
        [row["weights"] for row in rehearse_command(scenario=path, seeds=1, set=(f"scenario.{words}",))]
        for words in (
            'servers.weights="capacity"',
            "servers.speeds=[2.0]",
            "servers.weights=[3.0, 1.0]",
        )
    ]
    assert names == [
        ["configured weights", "equal weights", "ours"],
        ["configured weights", "ours"],
        ["configured weights", "equal weights", "ours", "right weights"],
    ]


def test_lost_requests_are_shown_where_there_are_any(tmp_path):
    path = study(tmp_path, "load = 1.5\nrequests = 2000\ntimeout_s = 0.4\ncancel = true")
    assert all(row["lost_share"] > 0.05 for row in rehearse_command(scenario=path, seeds=1))


def test_several_balancers_are_steered_each_by_itself():
    seen_by = {0: [], 1: []}
    rehearse(
        site(balancers=2, requests=2_000),
        "littles_law",
        Seed(0, "test"),
        watch=lambda lb, _, weights: seen_by[lb].append(tuple(weights)),
    )
    assert len(seen_by[0]) > 20
    assert seen_by[0] != seen_by[1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"period_s": float("nan")}, "period_s: must be from 0.1 to 60"),
        ({"seeds": 0}, "seeds: must be at least 1"),
        ({"spread": 0.0, "step": 1.0}, "spread: .*\nstep: "),
        ({"policy": "our"}, "policy: there is no policy 'our'\n  did you mean 'ours'"),
        ({"servers": 4}, "servers: the study file says it\n.*--set scenario.servers.count="),
        ({"speeds": "1,2", "load": 0.5}, "speeds: .*\n.*\nload: the study file says it"),
        ({"set": ("load",)}, "--set load: not of the form name=value"),
        ({"set": ("study.seeds=4",)}, "--set study.seeds: a rehearsal runs on seeds of its own"),
        ({"set": ("scenario.load=x",)}, "must be a number"),
        ({"set": ("scenario.load={ grid = [0.5, 0.6] }",)}, "has a grid of load\n.*--set scenario.load=0.5"),
        ({"set": ("study.domain=influence",)}, "no study of the domain balancing"),
    ],
)
def test_mistakes_are_named(tmp_path, options, words):
    with pytest.raises(BadInput, match=words):
        rehearse_command(scenario=study(tmp_path), **options)


def test_settings_belong_to_a_file():
    with pytest.raises(BadInput, match="set: there is no study file"):
        rehearse_command(set=("scenario.load=0.5",))


def test_a_run_too_short_to_measure_is_refused(tmp_path):
    path = study(tmp_path, "rate_per_s = 1e-6\nduration_s = 1.0")
    with pytest.raises(BadInput, match="no request was answered"):
        rehearse_command(scenario=path, seeds=1, policy="sed")


def test_the_example_of_the_page_gives_what_it_says(tmp_path):
    """To 5 %, as another machine's rounding may lead requests elsewhere."""
    page = (Path(__file__).parents[3] / "docs" / "balancing" / "haproxy.md").read_text()
    (tmp_path / "site.toml").write_text(re.findall(r"```toml\n(.*?)```", page, re.DOTALL)[0])
    rows = rehearse_command(scenario=tmp_path / "site.toml")
    rows.insert(2, rehearse_command(scenario=tmp_path / "site.toml", spread=4.0)[1])
    table = page.partition("| row | mean | p95 | p99 |")[2].partition("\n\n")[0]
    said = [line.split("|")[2:5] for line in table.splitlines()[2:]]
    assert len(said) == len(rows) == 4
    for words, row in zip(said, rows, strict=True):
        assert [float(word) for word in words] == pytest.approx(list(row.values())[1:], rel=0.05)


def test_the_command_line(tmp_path, capsys):
    words = ["balancing", "rehearse", "--scenario"]
    assert main([*words, str(tmp_path / "none.toml")]) == 2
    told = capsys.readouterr().err
    assert "none.toml: there is no such file" in told
    assert "Traceback" not in told
    options = ["--policy", "ewma", "--seeds", "1", "--period-s", "1", "--spread", "8", "--step", "1.5"]
    path = str(study(tmp_path, "load = 0.5\nrequests = 1000"))
    assert main([*words, path, *options, "--balance", "sed", "--json"]) == 0
    assert [row["weights"] for row in json.loads(capsys.readouterr().out)][1] == "ewma"
