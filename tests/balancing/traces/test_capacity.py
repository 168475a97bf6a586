import json
import math

import pytest

from qoslab.app.main import main
from qoslab.core.errors import BadInput
from qoslab.domains.balancing.traces.bisection import Point, search_load, search_servers
from qoslab.domains.balancing.traces.capacity import plan_capacity

STUDY = """
[study]
name = "c"
domain = "balancing"
[scenario]
servers = {{ count = {count} }}
load = {load}
requests = 20000
[[method]]
id = "random"
"""


def exact(curve, limit):
    def judge(at):
        value = curve(at)
        return Point(at, value, value, value, "meets" if value <= limit else "misses")

    return judge


@pytest.mark.parametrize("least", [1, 2, 37, 100])
def test_bisection_finds_the_fewest(least):
    answer = search_servers(exact(lambda n: least / n, 1.0), 1, 100, 1.0)
    assert answer.best == answer.sure == least
    assert answer.warnings == []
    assert len(answer.points) <= 16


def test_bisection_finds_the_highest_load():
    answer = search_load(exact(lambda rho: 1 / (1 - rho), 4.0), 0.05, 0.99, 4.0)
    assert answer.best == pytest.approx(0.75, abs=0.005)


def test_no_answer():
    assert search_servers(exact(lambda n: 9.0, 1.0), 1, 50, 1.0).best is None
    assert search_load(exact(lambda n: 9.0, 1.0), 0.1, 0.9, 1.0).best is None


def test_a_gap_is_seen_and_said():
    # 20 and more meet the limit, and so does 18.
    answer = search_servers(exact(lambda n: 0.5 if n >= 20 or n == 18 else 2.0, 1.0), 1, 64, 1.0)
    assert answer.best == 18
    assert "not monotone: 19 misses the limit, but 18 meets it" in answer.warnings[0]


def test_random_split_against_the_closed_form(tmp_path):
    """Each of n servers is M/M/1 of rate n0 rho / n: p99 = ln 100 / (1 - lambda), so n is known."""
    path = tmp_path / "c.toml"
    path.write_text(STUDY.format(count=8, load=0.8))
    limit = math.log(100) / (1 - 6.4 / 12.5)  # 12 servers miss it by 4.6 %, 13 meet it by 3.9 %
    said = plan_capacity(path, limit=limit, seeds=8)
    # The p99 of 8 x 18 000 requests has a standard error of about 1 %: 3.9 % is beyond any doubt.
    assert said.best == 13
    assert said.in_words().splitlines()[0].endswith(": 13")
    said = plan_capacity(path, limit=math.log(100) / 0.5, vary="load", seeds=8)
    assert said.best == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ("", {"metric": "throughput_per_s"}, "no metric to be kept low"),
        ("", {"metric": "nonsense"}, "no metric to be kept low"),
        ("", {"seeds": 1}, "--seeds: must be at least 2"), ("", {"low": 9, "high": 3}, "in order"),
        ("", {"limit": -1.0}, "--limit: must be above 0, is -1"),
        ("", {"method": "sed"}, "has no method 'sed'"),
        ("load = 0.8=load = { grid = [0.1, 0.2] }", {}, "has a grid of load\n  choose one value: --set scen.+load=0.1"),
        ("", {"set": ("load",)}, "not of the form name=value"),
        ("", {"set": ("study.seeds=4",)}, "run on seeds of this search"),
        ('"balancing"="influence"', {}, "no study of the domain balancing"),
    ],
)  # fmt: skip
def test_mistakes_are_named(tmp_path, change, options, words):
    text = STUDY.format(count=8, load=0.8)
    if change:
        old, new = (
            change.split("=", 1) if change.startswith('"') else ("load = 0.8", "load = { grid = [0.1, 0.2] }")
        )
        text = text.replace(old, new)
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(BadInput, match=words):
        plan_capacity(path, **{"limit": 5.0, **options})


@pytest.mark.parametrize(
    ("vary", "ends"), [("servers", {"low": 0}), ("load", {"low": 0.0}), ("load", {"high": 0})]
)
def test_a_given_zero_is_no_default(tmp_path, vary, ends):
    path = tmp_path / "c.toml"
    path.write_text(STUDY.format(count=2, load=0.5))
    with pytest.raises(BadInput, match="must be in order"):
        plan_capacity(path, limit=1.0, vary=vary, **ends)


MINE = '''
from qoslab.domains.balancing import policy


@policy("mine")
def mine(view, stream, now):
    """Always the first server."""
    return 0
'''


def small(tmp_path, load="0.5", method='id = "random"'):
    path = tmp_path / "c.toml"
    text = STUDY.format(count=2, load=load).replace("20000", "2000").replace('id = "random"', method)
    path.write_text(text)
    return path


def test_a_method_of_ones_own_is_planned_with(tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    path = small(tmp_path, method='id = "mine"\nfile = "mine.py"')
    # One server has all the work: however many there are, it is M/M/1 at load 1.
    told = plan_capacity(path, limit=0.5, seeds=2)
    assert told.method == "mine"
    assert told.best is None
    met = plan_capacity(path, limit=1e6, seeds=2)
    assert met.best == 1
    assert len({point.mean for point in met.points}) == 1


@pytest.mark.parametrize("options", [{"vary": "load"}, {"set": ("scenario.load=0.5",)}])
def test_a_grid_is_searched_or_one_value_of_it_is_chosen(tmp_path, options):
    plain = plan_capacity(small(tmp_path), limit=9.0, seeds=2, **{"vary": "servers", **options})
    grid = small(tmp_path, load="{ grid = [0.3, 0.5] }")
    assert plan_capacity(grid, limit=9.0, seeds=2, **options) == plain


def test_a_grid_of_a_method_is_chosen_by_its_label(tmp_path):
    path = small(tmp_path, method='id = "jsq"\nd = { grid = [1, 2] }')
    assert plan_capacity(path, limit=9.0, seeds=2, method="jsq(d=2)").method == "jsq(d=2)"
    with pytest.raises(BadInput, match="several methods 'jsq'"):
        plan_capacity(path, limit=9.0, seeds=2, method="jsq")


def test_a_script_gets_json_and_an_exit_code(tmp_path, capsys):
    words = ["balancing", "plan-capacity", str(small(tmp_path)), "--seeds", "2", "--json", "--limit"]
    assert main([*words, "9"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["best"] == min(point["at"] for point in told["points"] if point["mean"] <= 9)
    assert told["warnings"] == []
    assert main([*words, "1e-9"]) == 1
    assert json.loads(capsys.readouterr().out)["best"] is None
    assert main([word for word in words if word != "--json"] + ["1e-9"]) == 1
    assert capsys.readouterr().out.startswith("no number of servers tried keeps")


def test_a_size_without_a_steady_state_misses(tmp_path):
    """Random splits equally: above load 2/3 the slower of speeds 1 and 2 never catches up, whatever a run shows."""
    path = small(tmp_path)
    path.write_text(path.read_text().replace("count = 2", "count = 2, speeds = [1.0, 2.0]"))
    told = plan_capacity(path, limit=1e6, vary="load", low=0.3, high=0.95, seeds=4)
    assert told.best is not None
    assert told.best < 0.8
    hardest = told.points[-1]
    assert (hardest.unsteady, hardest.verdict) == (1.0, "misses")
    assert any("no steady state at" in words and "0.95" in words for words in told.warnings)
    assert "misses, no steady state" in told.in_words()


def test_few_unsteady_seeds_are_a_warning():
    def judge(at):
        return Point(at, 0.1, 0.1, 0.1, "meets", unsteady=0.25)

    answer = search_servers(judge, 1, 4, 1.0)
    assert answer.best == 1
    assert "some seeds reached no steady state at 1, 2, 3, 4" in answer.warnings[0]


def test_a_metric_that_is_not_measured_is_no_metric_that_misses(tmp_path):
    path = small(tmp_path)
    with pytest.raises(BadInput, match=r'response_time_p99_s is not measured with metrics = "mean"'):
        plan_capacity(path, limit=100.0, seeds=2, set=("scenario.metrics=mean",))
    mean = plan_capacity(
        path, limit=100.0, seeds=2, metric="response_time_mean_s", set=("scenario.metrics=mean",)
    )
    assert mean.best == 1


@pytest.mark.parametrize(
    ("line", "least"),
    [
        ("hedge_s = 0.5", 2),
        ('changes = [{ at_s = 10.0, servers = [3], action = "speed", speed = 0.5 }]', 4),
    ],
)
def test_the_search_begins_where_the_scenario_can_stand(tmp_path, line, least):
    path = small(tmp_path)
    path.write_text(
        path.read_text().replace("requests", f"{line}\nrequests").replace("count = 2", "count = 4")
    )
    told = plan_capacity(path, limit=1e6, seeds=2)
    assert told.points[0].at >= least
    with pytest.raises(BadInput, match=r"second server|changes name server"):
        plan_capacity(path, limit=1e6, seeds=2, low=1)
