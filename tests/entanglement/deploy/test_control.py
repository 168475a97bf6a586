"""A controller over a socket: the same run as in this process, held time, late answers, and lines that cannot be."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

import qoslab
from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.deploy import example_controller
from qoslab.domains.entanglement.deploy.control import MOST_BYTES, control, serve
from qoslab.domains.entanglement.deploy.messages import state_message
from qoslab.domains.entanglement.methods.reactive_central import ReactiveCentral
from qoslab.domains.entanglement.methods.shortest_path import ShortestPath
from qoslab.domains.entanglement.model import run
from qoslab.domains.entanglement.protocol import Fusion, Plan, Purify, Swap
from qoslab.domains.entanglement.scenario import example

SEEDS = [Seed(0, "control", "", k) for k in range(2)]


def served(controller, budget_s=20.0, scenario=None):
    """What the laboratory gives under a controller, a function of a connection that runs in a thread."""
    ours, theirs = socket.socketpair()
    failures = []

    def work():
        try:
            with theirs:
                controller(theirs)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        with ours:
            return serve(scenario or example(), ours, SEEDS, budget_s=budget_s)
    finally:
        thread.join(20)
        assert not thread.is_alive()
        assert not [each for each in failures if not isinstance(each, OSError)]


def talking(answers, hello=None):
    """A controller that answers each message by a function, and keeps what it was told."""
    told = []

    def controller(connection):
        with connection.makefile("rw") as lines:
            lines.write(json.dumps(hello or {"protocol": 1, "decides": True}) + "\n")
            lines.flush()
            for line in lines:
                message = json.loads(line)
                told.append(message)
                answer = answers(message)
                if answer is not None:
                    lines.write(answer if isinstance(answer, str) else json.dumps(answer) + "\n")
                    lines.flush()

    return controller, told


def deciding(message):
    if message["type"] == "plan":
        return {"seq": message["seq"]}
    if message["type"] == "decide":
        swaps = example_controller.decide(message, [{"source": "S", "target": "D"}])
        return {"seq": message["seq"], "swaps": swaps}
    return None


def test_a_controller_gives_the_run_that_a_method_gives():
    controller, told = talking(deciding)
    outcomes, late = served(controller)
    expected = list(run(example(), ReactiveCentral(), SEEDS, Context()))
    assert [each.metrics for each in outcomes] == [each.metrics for each in expected]
    assert outcomes[0].metrics["rate_per_s"] > 0
    assert late == 0
    assert [message["type"] for message in told[-2:]] == ["outcome", "end"]
    network = next(message for message in told if message["type"] == "plan")
    assert {node["name"] for node in network["nodes"]} == {"S", "R", "D"}
    assert {(link["length_km"], link["pairs"]) for link in network["links"]} == {(32.0, 1), (18.0, 1)}


def purified_once(message):
    """A round for every two fresh pairs of a link; pairs that have had one are swapped, two at R."""
    pairs = {}
    for pair in message["live"]:
        pairs.setdefault((pair["rounds"], frozenset(pair["ends"])), []).append(pair["pair"])
    rounds, better = [], []
    for (had, _), idents in pairs.items():
        if had == 0:
            rounds += [{"kept": a, "spent": b} for a, b in zip(idents[::2], idents[1::2], strict=False)]
    for ends in ({"S", "R"}, {"R", "D"}):
        better.append(pairs.get((1, frozenset(ends)), []))
    swaps = [{"node": "R", "pairs": two, "request": 0} for two in zip(*better, strict=False)]
    return {"purify": rounds, "swaps": swaps}


@dataclass(frozen=True)
class PurifiedOnce:
    def plan(self, view, rng, context):
        return Plan(())

    def decide(self, view, rng, context):
        orders = purified_once(state_message(view, 0))
        rounds = [Purify(each["kept"], each["spent"]) for each in orders["purify"]]
        return [*rounds, *(Swap(1, *each["pairs"], 0) for each in orders["swaps"])]


def test_a_controller_purifies():
    raw = example().model_dump(exclude_unset=True)
    raw |= {
        "links": {"pairs": 4, "initial_fidelity": 0.93},
        "nodes": {"coherence_s": 10.0, "swap_success": 1.0},
        "memory": {"noise": "perfect"},
        "horizon_s": 1.0,
    }
    scenario = type(example()).model_validate(raw)

    def answers(message):
        more = purified_once(message) if message["type"] == "decide" else {}
        return {"seq": message["seq"]} | more if message["type"] in ("plan", "decide") else None

    outcomes, _ = served(talking(answers)[0], scenario=scenario)
    expected = list(run(scenario, PurifiedOnce(), SEEDS, Context()))
    assert [each.metrics for each in outcomes] == [each.metrics for each in expected]
    # Two pairs of F in a round of BBPSSW, two such in a swap.
    f, e = 0.93, 0.07 / 3
    w = (4 * (f * f + e * e) / (f * f + 2 * f * e + 5 * e * e) - 1) / 3
    assert outcomes[0].metrics["rate_per_s"] > 0
    assert outcomes[0].metrics["fidelity"] == pytest.approx((3 * w * w + 1) / 4)


def test_a_controller_may_plan_alone():
    def planning(message):
        if message["type"] != "plan":
            return None
        return {"seq": message["seq"], "paths": [{"request": 0, "nodes": ["S", "R", "D"], "cutoff_s": 0.004}]}

    controller, told = talking(planning, {"protocol": 1})
    outcomes, _ = served(controller)
    expected = list(run(example(), ShortestPath(cutoff_s=0.004), SEEDS, Context()))
    assert [each.metrics for each in outcomes] == [each.metrics for each in expected]
    assert "decide" not in {message["type"] for message in told}


def purified(**more):
    """The example with eight memories at each end of a link, links of fidelity .93 and what else is given."""
    raw = example().model_dump(exclude_unset=True)
    raw |= {
        "links": {"pairs": 8, "initial_fidelity": 0.93},
        "nodes": {"coherence_s": 0.1, "swap_success": 1.0},
        "horizon_s": 1.0,
    } | more
    return type(example()).model_validate(raw)


FULL = {"request": 0, "nodes": ["S", "R", "D"]}


@pytest.mark.parametrize(
    ("path", "method"),
    [
        ({"rounds": [2, 2]}, ShortestPath(rounds=2)),
        (
            {"rounds": [2, 2], "purification": {"scheme": "dejmps", "schedule": "pumping", "enough": 0.95}},
            ShortestPath(rounds=2, scheme="dejmps", schedule="pumping", enough=0.95),
        ),
        ({"wait_s": [0.003, 0.003]}, ShortestPath(wait_s=0.003)),
        ({"cutoff_s": [0.003, 0.004]}, ShortestPath(cutoff_s=(0.003, 0.004))),
        ({"segments": [{"first": 0, "last": 2, "rounds": 1}]}, ShortestPath(end_rounds=1)),
        (
            {
                "rounds": [1, 1],
                "wait_s": [0.02, 0.02],
                "segments": [{"first": 0, "last": 2, "rounds": 1}],
                "cutoff_s": 0.05,
            },
            ShortestPath(rounds=1, wait_s=0.02, end_rounds=1, cutoff_s=0.05),
        ),
    ],
)
def test_a_process_may_plan_what_a_method_may(path, method):
    def planning(message):
        return {"seq": message["seq"], "paths": [FULL | path]} if message["type"] == "plan" else None

    outcomes, _ = served(talking(planning, {"protocol": 1})[0], scenario=purified())
    expected = list(run(purified(), method, SEEDS, Context()))
    plain = next(iter(run(purified(), ShortestPath(), SEEDS, Context())))
    assert [each.metrics for each in outcomes] == [each.metrics for each in expected]
    assert outcomes[0].metrics["rate_per_s"] > 0
    assert outcomes[0].metrics != plain.metrics


def test_a_wait_of_null_has_no_limit():
    def planning(waits):
        def answers(message):
            if message["type"] != "plan":
                return None
            return {"seq": message["seq"], "paths": [FULL | {"wait_s": waits}]}

        return served(talking(answers, {"protocol": 1})[0], scenario=purified())[0][0].metrics

    plain = next(iter(run(purified(), ShortestPath(), SEEDS, Context()))).metrics
    assert planning([None, None]) == plain
    # The shorter link is the faster one, whose pairs wait: those to the right of the repeater.
    assert planning([None, 0.002]) != plain


def test_the_example_controller_plans_the_rounds_that_a_request_needs():
    wanting = purified(requests=({"source": "S", "target": "D", "fidelity": 0.9},))

    def planning(message):
        if message["type"] != "plan":
            return None
        return {"seq": message["seq"], "paths": example_controller.plan(message)}

    controller, told = talking(planning, {"protocol": 1})
    outcomes, _ = served(controller, scenario=wanting)
    expected = list(run(wanting, ShortestPath(rounds=1), SEEDS, Context()))
    assert [each.metrics for each in outcomes] == [each.metrics for each in expected]
    network = next(message for message in told if message["type"] == "plan")
    # .93 twice is .867 after the swap, and .903 after a round of each: one round is the least that is enough.
    f, e = 0.93, 0.07 / 3
    w = (4 * (f * f + e * e) / (f * f + 2 * f * e + 5 * e * e) - 1) / 3
    assert example_controller.plan(network)[0]["rounds"] == [1, 1]
    for wanted, rounds in (((3 * w * w + 1) / 4 - 1e-9, 1), ((3 * w * w + 1) / 4 + 1e-9, 2), (0.86, 0)):
        request = [network["requests"][0] | {"fidelity": wanted}]
        assert example_controller.plan(network | {"requests": request})[0]["rounds"] == [rounds, rounds]


def test_a_controller_says_which_links_try():
    def answers(named):
        def answer(message):
            more = {"memories": named} if message["type"] == "plan" else {}
            return deciding(message) | more if deciding(message) is not None else None

        return served(talking(answer)[0], scenario=purified())[0][0]

    all_try = answers([])
    named = [{"source": "S", "target": "R", "pairs": 8}, {"source": "D", "target": "R", "pairs": 8}]
    assert answers(named).metrics == all_try.metrics
    few = answers([{"source": "D", "target": "R", "pairs": 1}])
    assert 0 < few.counters["pairs_created"] < all_try.counters["pairs_created"]
    assert answers([each | {"pairs": 0} for each in named]).counters["pairs_created"] == 0


SQUARE = {
    "network": {
        "links": tuple(
            {"source": a, "target": b, "length_km": 10.0}
            for a, b in (("S", "A"), ("A", "D"), ("S", "B"), ("B", "D"), ("A", "B"))
        )
    },
    "links": {"pairs": 1, "initial_fidelity": 0.99},
    "nodes": {"coherence_s": 0.05, "swap_success": 0.9},
    "requests": ({"source": "S", "target": "D"},),
    "phases": {"external_s": 0.002},
    "horizon_s": 0.5,
}


def fused(message):
    """Every repeater fuses the first of its live pairs with each neighbour."""
    held = {}
    for pair in message["live"]:
        for node, other in (pair["ends"], pair["ends"][::-1]):
            held.setdefault(node, {}).setdefault(other, pair["pair"])
    repeaters = [(node, list(held[node].values())) for node in ("A", "B") if len(held.get(node, ())) > 1]
    return [{"node": node, "pairs": pairs, "request": 0} for node, pairs in repeaters]


@dataclass(frozen=True)
class Fused:
    knows_hops = 0

    def plan(self, view, rng, context):
        return Plan(())

    def decide(self, view, rng, context):
        index = view.network.index
        orders = fused(state_message(view, 0))
        return [Fusion(index(each["node"]), tuple(each["pairs"]), 0) for each in orders]


@pytest.mark.parametrize("control", ["common", "own"])
def test_a_controller_fuses(control):
    scenario = type(example()).model_validate(SQUARE | {"phases": {"external_s": 0.002, "control": control}})

    def answers(message):
        more = {"fusions": fused(message)} if message["type"] == "decide" else {}
        return {"seq": message["seq"]} | more if message["type"] in ("plan", "decide") else None

    hello = {"protocol": 1, "decides": True, "knows_hops": 0}
    outcomes, _ = served(talking(answers, hello)[0], scenario=scenario)
    expected = list(run(scenario, Fused(), SEEDS, Context()))
    assert [each.metrics for each in outcomes] == [each.metrics for each in expected]
    assert outcomes[0].metrics["rate_per_s"] > 0
    # Nodes that wait for nobody have shorter slots than those that a centre tells what to do.
    told, _ = served(talking(answers, {"protocol": 1, "decides": True})[0], scenario=scenario)
    assert (told[0].metrics == outcomes[0].metrics) == (control == "common")


def test_a_controller_is_told_the_rule_of_selection():
    raw = SQUARE | {"memory": {"selection": "oldest"}}
    controller, told = talking(deciding)
    served(controller, scenario=type(example()).model_validate(raw))
    live = [pair for message in told if message["type"] == "decide" for pair in message["live"]]
    assert live
    births = {}
    for message in told:
        if message["type"] == "plan":
            births.clear()
        for pair in message.get("live", []) if message["type"] == "decide" else []:
            births.setdefault(pair["pair"], pair["cost"])
            assert pair["cost"] == births[pair["pair"]] == pytest.approx(message["now_s"] - pair["age_s"])


def test_simulated_time_waits_for_an_answer():
    def slow(message):
        time.sleep(0.002)
        return deciding(message)

    outcomes, late = served(talking(slow)[0])
    assert late == 0
    assert outcomes[0].metrics == next(iter(run(example(), ReactiveCentral(), SEEDS[:1], Context()))).metrics


def test_late_answers_are_thrown_away():
    # Every answer to a state is sent with the next message: always too late, and of no effect.
    kept = []

    def late(message):
        if message["type"] != "decide":
            return deciding(message)
        kept.append(json.dumps(deciding(message)) + "\n")
        return kept[-2] if len(kept) > 1 else None

    outcomes, count = served(talking(late)[0], budget_s=0.1)
    assert count == len(kept) > 10
    assert [each.counters["swaps_succeeded"] + each.counters["swaps_failed"] for each in outcomes] == [0, 0]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("not json\n", "no JSON object"),
        ("[1]\n", "no JSON object"),
        ('{"seq": NaN}\n', "no JSON object"),
        ("[" * 100_000 + "\n", "no JSON object"),
        ('{"seq": 99}\n', "answer to message 99"),
        ('{"seq": true}\n', "answer to message True"),
        ("x" * (MOST_BYTES + 70_000), "more than 1048576 bytes"),
        ('{"seq": SEQ, "swaps": [{"node": "X", "pairs": [0, 1]}]}\n', "no node 'X'"),
        ('{"seq": SEQ, "swaps": [{"node": "R", "pairs": [0]}]}\n', "pairs"),
        ('{"seq": SEQ, "swaps": [{"node": "R", "pairs": [7, 8]}]}\n', "does not live"),
        ('{"seq": SEQ, "swap": []}\n', "swap"),
        ('{"seq": SEQ, "swaps": [{"node": "R", "pairs": [0, 1], "request": 1}]}\n', "no request 1"),
        ('{"seq": SEQ, "fusions": [{"node": "R", "pairs": [0, 1], "request": 1}]}\n', "no request 1"),
        ('{"seq": SEQ, "fusions": [{"node": "R", "pairs": [0, 1], "request": -1}]}\n', "request"),
        ('{"seq": SEQ, "fusions": [{"node": "X", "pairs": [0, 1], "request": 0}]}\n', "no node 'X'"),
        ('{"seq": SEQ, "fusions": [{"node": "R", "pairs": [7, 8], "request": 0}]}\n', "does not live"),
        ('{"seq": SEQ, "fusions": [{"node": "R", "pairs": [7], "request": 0}]}\n', "pairs"),
        ('{"seq": SEQ, "purify": [{"kept": 7, "spent": 8}]}\n', "does not live"),
        ('{"seq": SEQ, "purify": [{"kept": 7, "spent": 8, "scheme": "x"}]}\n', "scheme"),
        ('{"seq": SEQ, "purify": [{"kept": 7}]}\n', "spent"),
    ],
)
def test_what_cannot_be_is_named_and_told(answer, words):
    def odd(message):
        return (
            answer.replace("SEQ", str(message["seq"])) if message["type"] == "decide" else deciding(message)
        )

    controller, told = talking(odd)
    with pytest.raises(BadInput) as caught:
        served(controller)
    assert words in str(caught.value)
    if len(answer) < MOST_BYTES:
        assert told[-1]["type"] == "error"
        assert words.split("'")[0] in told[-1]["message"] or words in str(caught.value)


@pytest.mark.parametrize(
    ("hello", "words"),
    [
        ({"protocol": 1, "knows_hops": 0}, "knows_hops"),
        ({"protocol": 1, "decides": True, "knows_hops": -1}, "knows_hops"),
        ({"protocol": 2}, "protocol"),
        ({"protocol": 1, "decide": True}, "decide"),
        ({}, "protocol"),
    ],
)
def test_a_wrong_greeting_is_refused(hello, words):
    with pytest.raises(BadInput) as caught:
        served(talking(deciding, hello or {"x": 1})[0])
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ({"request": 3, "nodes": ["S", "D"]}, "no request 3"),
        ({"request": 0, "nodes": ["S", "X"]}, "no node 'X'"),
        ({"request": 0, "nodes": ["S", "D"]}, "there is none"),
        (FULL | {"rounds": [1]}, "one number each"),
        (FULL | {"rounds": [1, 9]}, "rounds"),
        (FULL | {"rounds": [1, 1]}, "need 2 memories"),
        (FULL | {"wait_s": [0.1]}, "two each"),
        (FULL | {"cutoff_s": [0.1]}, "2 hops"),
        (FULL | {"wait_s": [0.1, 0.0]}, "wait_s"),
        (FULL | {"segments": [{"first": 0, "last": 3, "rounds": 1}]}, "segment"),
        (FULL | {"segments": [{"first": 0, "last": 2}]}, "rounds"),
        (FULL | {"purification": {"scheme": "x"}}, "scheme"),
        (FULL | {"purification": {"enough": 0.2}}, "enough"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(path, words):
    def planning(message):
        return {"seq": message["seq"], "paths": [path]} if message["type"] == "plan" else None

    with pytest.raises(BadInput, match=words):
        served(talking(planning, {"protocol": 1})[0])


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({"source": "S", "target": "D", "pairs": 1}, "no link between"),
        ({"source": "S", "target": "X", "pairs": 1}, "no node 'X'"),
        ({"source": "S", "target": "R", "pairs": 2}, "memories of the links"),
        ({"source": "S", "target": "R", "pairs": -1}, "pairs"),
    ],
)
def test_memories_that_cannot_be_are_refused(named, words):
    def planning(message):
        return {"seq": message["seq"], "memories": [named]} if message["type"] == "plan" else None

    with pytest.raises(BadInput, match=words):
        served(talking(planning)[0])


def test_a_controller_that_goes_away_ends_the_run():
    def leaves(connection):
        connection.sendall(b'{"protocol": 1, "decides": true}\n')
        connection.recv(100)

    with pytest.raises(BadInput, match=r"went away|does not take"):
        served(leaves)


def test_a_silent_controller_is_not_waited_for():
    with pytest.raises(BadInput, match="said nothing"):
        served(lambda connection: connection.recv(1), budget_s=0.03)


STUDY = """
[study]
name = "steered"
domain = "entanglement"
[scenario]
network.links = [
  { source = "S", target = "R", length_km = 32.0 },
  { source = "R", target = "D", length_km = 18.0 },
]
requests = [{ source = "S", target = "D" }]
horizon_s = 0.2
"""


@pytest.mark.parametrize(("mode", "method"), [("decide", ReactiveCentral()), ("plan", ShortestPath())])
def test_the_command_and_the_example_in_processes_of_their_own(tmp_path, mode, method):
    (tmp_path / "study.toml").write_text(STUDY, encoding="utf-8")
    env = os.environ | {"PYTHONPATH": str(Path(qoslab.__file__).parents[1])}
    words = [
        "entanglement",
        "control",
        "study.toml",
        "--port",
        "0",
        "--seeds",
        "2",
        "--budget-s",
        "20",
        "--json",
    ]
    laboratory = subprocess.Popen(
        [sys.executable, "-m", "qoslab", *words],
        cwd=tmp_path, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        port = re.search(r"127\.0\.0\.1:(\d+)", laboratory.stderr.readline()).group(1)
        script = Path(example_controller.__file__)
        words = [sys.executable, str(script), port, mode]
        controller = subprocess.run(words, env=env, timeout=60, check=False)
        out, problems = laboratory.communicate(timeout=60)
    finally:
        laboratory.kill()
    assert controller.returncode == laboratory.returncode == 0, problems
    rows = json.loads(out)
    expected = list(run(example(), method, SEEDS, Context()))
    assert [row["rate_per_s"] for row in rows] == [each.metrics["rate_per_s"] for each in expected]
    assert [row["late_answers"] for row in rows] == [0, 0]


@pytest.mark.parametrize("option", [{"port": -1}, {"seeds": 0}, {"budget_s": 0.0}, {"wait_s": float("inf")}])
def test_options_are_checked(tmp_path, option):
    with pytest.raises(BadInput) as caught:
        control(tmp_path / "study.toml", **option)
    assert next(iter(option)) in str(caught.value)


def test_nobody_connects(tmp_path):
    (tmp_path / "study.toml").write_text(STUDY, encoding="utf-8")
    with pytest.raises(BadInput, match="no controller connected"):
        control(tmp_path / "study.toml", port=0, wait_s=0.05)


def test_a_port_that_is_taken(tmp_path):
    (tmp_path / "study.toml").write_text(STUDY, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(BadInput, match="cannot listen"):
        control(tmp_path / "study.toml", port=other.getsockname()[1])
