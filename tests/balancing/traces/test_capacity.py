import math

import pytest

import qoslab  # noqa: F401  (registers the domains)
from qoslab.core.errors import BadInput
from qoslab.domains.balancing.traces.capacity import Point, plan_capacity, search_load, search_servers

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
    assert said.splitlines()[0].endswith(": 13")
    said = plan_capacity(path, limit=math.log(100) / 0.5, vary="load", seeds=8)
    assert float(said.splitlines()[0].rpartition(": ")[2]) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize(
    ("change", "options", "words"),
    [
        ("", {"metric": "throughput_per_s"}, "no metric to be kept low"),
        ("", {"metric": "nonsense"}, "no metric to be kept low"),
        ("", {"seeds": 1}, "2 or more"), ("", {"low": 9, "high": 3}, "in order"),
        ("", {"method": "sed"}, "has no method 'sed'"),
        ("load = 0.8=load = { grid = [0.1, 0.2] }", {}, "has a grid"),
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
