"""The server: questions and refusals in one process, then a real process killed while it takes measurements in."""

import asyncio
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from prediction_worlds import USERS

from qoslab.core.errors import BadInput
from qoslab.core.journal import Journal, read
from qoslab.domains.prediction import online
from qoslab.domains.prediction.deploy.commands import select, serve
from qoslab.domains.prediction.deploy.desk import Desk, Refused
from qoslab.domains.prediction.deploy.kept import KeptModel, load_model, save_model
from qoslab.domains.prediction.deploy.live import Live, Measurement
from qoslab.domains.prediction.deploy.questions import Measurements, Question, Wanted
from qoslab.domains.prediction.deploy.rate import Rates
from qoslab.domains.prediction.deploy.server import _listen, make_app
from qoslab.domains.prediction.deploy.taken import claim, damaged, open_desk
from qoslab.domains.prediction.promises import correction

httpx = pytest.importorskip("httpx", reason="needs the extra 'test'")


class Client:
    """Requests to an application without a network; an exception inside it comes out."""

    def __init__(self, app):
        self.app = app

    def get(self, path, **about):
        return asyncio.run(self._send("GET", path, **about))

    def post(self, path, **body):
        return asyncio.run(self._send("POST", path, **body))

    async def _send(self, verb, path, **body):
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return await client.request(verb, path, **body)


@pytest.fixture
def client(world, tmp_path):
    desk = Desk(world[2], tmp_path / "kept")
    yield Client(make_app(desk, 1000.0, 20_000))
    desk.close()


def test_one_prediction_is_that_of_the_model(world, client):
    answer = client.post("/predict", json={"user": "9", "service": "3"}).json()
    expected = Live(world[2]).answer("9", ["3"])
    for p, name in enumerate(("rt", "tp")):
        found = answer["parameters"][name]
        assert found["value"] == pytest.approx(expected.values[p, 0])
        assert found["lower"] == pytest.approx(expected.lower[p, 0])
        assert found["lower"] <= found["value"] <= found["upper"]
    assert (answer["basis"], answer["level"]) == ("model", 0.9)


def test_a_batch_is_its_single_answers(client):
    pairs = [{"user": str(u), "service": str(s)} for u, s in ((1, 2), (9, 3), (9, 4))]
    found = client.post("/predict/batch", json={"pairs": pairs, "level": 0.8}).json()["predictions"]
    assert found == [client.post("/predict", json=pair | {"level": 0.8}).json() for pair in pairs]


def test_the_best_services(world, client):
    asked = {"user": "9", "limits": {"rt": {"at_most": 1.0}, "tp": {"at_least": 1.0}}, "k": 4}
    answer = client.post("/best", json=asked).json()
    found = answer["services"]
    assert len(found) == 4
    assert answer["judged_by"] == f"{len(world[2].arrays['scores'])} cells"
    shares = [one["probability"] for one in found]
    assert shares == sorted(shares, reverse=True)
    assert found[0]["parameters"]["rt"]["value"] < 1.0


def test_services_that_cannot_meet_the_limits_are_left_out(world, client):
    """None below 0 s; some at a tight limit, and the answer counts the others; all k at a loose one."""
    total = len(Live(world[2]).services)
    for limit, k in ((-5.0, 3), (0.05, total), (1e9, 4)):
        asked = {"user": "9", "limits": {"rt": {"at_most": limit}}, "k": k}
        response = client.post("/best", json=asked)
        assert response.status_code == 200
        found = response.json()
        assert all(one["probability"] > 0 for one in found["services"])
        assert found["left_out"] == (0 if limit > 1 else total - len(found["services"]))
        assert (len(found["services"]) == 0) == (limit < 0)
    both = {"user": "9", "limits": {"rt": {"at_most": 1.0, "at_least": 2.0}}}
    message = client.post("/best", json=both).json()["errors"][0]["message"]
    assert "at_least 2" in message
    assert "at_most 1" in message


def test_strangers_are_answered_from_context_or_not_at_all(client):
    asked = {"user": "x", "service": "3"}
    refused = client.post("/predict", json=asked)
    assert refused.status_code == 404
    assert refused.json()["errors"][0]["field"] == "user"
    assert "send user_context" in refused.json()["errors"][0]["message"]
    known = client.post("/predict", json={"user": "9", "service": "3"}).json()
    answer = client.post("/predict", json=asked | {"user_context": {"country": "Fiji"}}).json()
    assert answer["basis"] == "context"

    def width(one):
        ends = one["parameters"]["rt"]
        return np.log(ends["upper"] / ends["lower"])

    assert width(answer) > width(known)


def test_context_is_given_in_words(client):
    """A word that training never met is nobody's place, so that the population answers; so is a number."""
    asked = {"user": "x", "service": "3"}
    answers = {}
    for place in ("Fiji", "Oman", "Iceland", 1):
        found = client.post("/predict", json=asked | {"user_context": {"country": place}}).json()
        answers[place] = found["basis"], found["parameters"]
    assert answers["Fiji"] != answers["Oman"]
    assert answers["Iceland"] == answers[1]
    bases = [answers[place][0] for place in ("Fiji", "Oman", "Iceland")]
    assert bases == ["context", "context", "population"]
    best = {"user": "x", "limits": {"rt": {"at_most": 1.0}}, "k": 3}
    none, number = (
        client.post("/best", json=best | {"user_context": {"country": place}}).json()
        for place in ("Iceland", 1)
    )
    assert none == number
    assert client.get("/model").json()["words"]["country"] == ["Chile", "Fiji", "Mali", "Oman"]


def numbered(world, words=("7", "3", "1", "0")):
    """The model, its countries called by numbers, none of which is its own code."""
    return KeptModel(world[2].about.model_copy(update={"words": {"country": words}}), world[2].arrays)


def test_words_that_are_numbers_may_be_sent_as_numbers(world, tmp_path):
    """The network 3 is the word "3", whose code is 1, and not the code 3; of no network 2 was anything measured."""
    model = numbered(world)
    with closing(Desk(model, tmp_path / "kept")) as desk:
        client = Client(make_app(desk, 1000.0, 20_000))
        for word, code in (("7", 0), ("3", 1), ("1", 2), ("0", 3), ("2", 99)):
            expected = Live(model).answer("x", ["9"], user_context={"country": code})
            for place in (word, int(word)):
                asked = {"user": "x", "service": "9", "user_context": {"country": place}}
                found = client.post("/predict", json=asked).json()
                assert found["basis"] == expected.basis[0]
                assert found["parameters"]["rt"]["value"] == expected.values[0, 0]


def test_numbers_are_kept_as_the_words_that_they_are(world, tmp_path):
    """Who begins as network 3 does so at the next start, too; so does who began as code 3 in an earlier version."""
    model = numbered(world)
    new = {"user": "new", "service": "3", "values": {"rt": 1.0}, "user_context": {"country": 3}}
    with closing(Desk(model, tmp_path / "kept")) as desk:
        desk.take(Measurements.model_validate({"measurements": [new]}))
    (record,) = read(tmp_path / "kept")
    assert record["measurements"][0]["user_context"] == {"country": "3"}
    with closing(Journal(tmp_path / "older")) as journal:
        journal.append([{"measurements": [new]}])
    for folder, code in (("kept", 1), ("older", 3)):
        twin = Live(model)
        twin.absorb([Measurement("new", "3", [1.0, float("nan")], {"country": code})])
        with closing(Desk(model, tmp_path / folder)) as again:
            assert again.live.answer("new", ["9"]).values[0, 0] == twin.answer("new", ["9"]).values[0, 0]


def test_contexts_that_a_model_does_not_know_are_passed_over_at_a_start(world, tmp_path):
    """The measurements of another model count, its networks, and words where codes are known, do not."""
    context = {"country": "Fiji", "network": "a"}
    new = {"user": "new", "service": "3", "values": {"rt": 1.0}, "user_context": context}
    with closing(Journal(tmp_path / "kept")) as journal:
        journal.append([{"measurements": [new]}])
    for update in ({}, {"words": {}}, {"words": {}, "user_context": {}}):
        model = KeptModel(world[2].about.model_copy(update=update), world[2].arrays)
        with closing(Desk(model, tmp_path / "kept")) as desk:
            assert desk.live.absorbed == 1
            assert desk.live.answer("new", ["3"]).basis == ["model"]


def test_a_new_user_begins_as_the_words_of_a_delivery_say(world, client, tmp_path):
    """The first measurement names the country; later questions need no context, nor does the next start."""
    new = {"user": "new", "service": "3", "values": {"rt": 1.0}, "user_context": {"country": "Oman"}}
    assert client.post("/measurements", json={"measurements": [new]}).status_code == 200
    twin = Live(world[2])
    twin.absorb([Measurement("new", "3", [1.0, float("nan")], {"country": 3})])
    again = Desk(world[2], tmp_path / "kept")
    for live in (twin, again.live):
        found = client.post("/predict", json={"user": "new", "service": "9"}).json()["parameters"]["rt"]
        assert live.answer("new", ["9"]).values[0, 0] == pytest.approx(found["value"], rel=1e-12)
    again.close()


def test_a_model_that_knows_codes_alone_says_so(world, tmp_path):
    about = world[2].about.model_copy(update={"words": {}})
    desk = Desk(KeptModel(about, world[2].arrays), tmp_path / "codes")
    client = Client(make_app(desk, 1000.0, 20_000))
    asked = {"user": "x", "service": "3", "user_context": {"country": "Fiji"}}
    answer = client.post("/predict", json=asked)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "user_context.country"
    assert "by codes" in answer.json()["errors"][0]["message"]
    assert client.post("/predict", json=asked | {"user_context": {"country": 1}}).status_code == 200
    desk.close()


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/predict", {"user": "9"}, "service"),
        ("/predict", {"user": 9, "service": "3"}, "user"),
        ("/predict", {"user": "9", "service": "3", "level": 1.5}, "level"),
        ("/predict", {"user": "9", "service": "3", "level": 0.99999}, "level"),
        ("/predict", {"user": "9", "service": "3", "colour": "red"}, "colour"),
        ("/predict", {"user": "x", "service": "3", "user_context": {"planet": 3}}, "user_context.planet"),
        ("/predict", {"user": "x", "service": "3", "user_context": {"country": -1}}, "user_context.country"),
        ("/predict", {"user": "x", "service": "3", "user_context": {"country": ""}}, "user_context.country"),
        ("/predict", {"user": "x", "service": "3", "user_context": {"country": 1.5}}, "user_context.country"),
        (
            "/predict/batch",
            {"pairs": [{"user": "x", "service": "3", "user_context": {"planet": "Mars"}}]},
            "pairs.0.user_context.planet",
        ),
        ("/predict/batch", {"pairs": []}, "pairs"),
        ("/predict/batch", {"pairs": [{"user": "9"}]}, "pairs.0.service"),
        ("/best", {"user": "9", "limits": {"speed": {"at_most": 1}}}, "limits.speed"),
        ("/best", {"user": "9", "limits": {"rt": {}}}, "limits.rt"),
        ("/best", {"user": "9", "limits": {"rt": {"at_least": 2, "at_most": 1}}}, "limits.rt"),
        ("/best", {"user": "9", "limits": {"rt": {"at_most": 1}}, "k": 0}, "k"),
        (
            "/measurements",
            {"measurements": [{"user": "9", "service": "3", "values": {"rt": -1}}]},
            "measurements.0.values.rt",
        ),
        (
            "/measurements",
            {"measurements": [{"user": "9", "service": "3", "values": {"rt": 1e308}}]},
            "measurements.0.values.rt",
        ),
        (
            "/measurements",
            {"measurements": [{"user": "9", "service": "3", "values": {"x": 1}}]},
            "measurements.0.values.x",
        ),
    ],
)
def test_a_wrong_field_is_named(client, path, body, field):
    answer = client.post(path, json=body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize(
    ("sides", "message"),
    [
        (("user_context", "service_context"), "contexts are country"),
        (("user_context",), "services have no contexts; those of users are country"),
        ((), "the model has no contexts"),
    ],
)
def test_an_unknown_kind_of_context_is_told_what_there_is(world, tmp_path, sides, message):
    none = {side: {} for side in ("user_context", "service_context") if side not in sides}
    model = KeptModel(world[2].about.model_copy(update=none), world[2].arrays)
    asked = {"user": "9", "service": "x", "service_context": {"planet": "Mars"}}
    with closing(Desk(model, tmp_path / "kept")) as desk:
        answer = Client(make_app(desk, 1000.0, 20_000)).post("/predict", json=asked)
    assert answer.json()["errors"] == [{"field": "service_context.planet", "message": message}]


def test_refusals_are_sentences_of_ours(client):
    """Pydantic puts `Value error, ` before the words of a validator."""
    told = {"user": "9", "service": "3", "values": {"rt": -1}}
    for path, body, message in (
        ("/best", {"user": "9", "limits": {"rt": {}}}, "at_most or at_least is needed"),
        (
            "/predict",
            {"user": "x", "service": "3", "user_context": {"country": 1.5}},
            "it is a word, or a code, which is a whole number from 0 on",
        ),
        ("/measurements", {"measurements": [told]}, "it is -1; a measurement is 0, or from"),
    ):
        assert client.post(path, json=body).json()["errors"][0]["message"].startswith(message)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"user": "9", "service": NaN}', b"\xff\xfe"])
def test_what_is_no_question_is_refused(client, body):
    assert client.post("/predict", content=body).status_code == 422


def test_a_refused_delivery_leaves_no_trace(client, tmp_path):
    good = {"user": "9", "service": "3", "values": {"rt": 1.0}}
    bad = {"user": "9", "service": "3", "values": {"nonsense": 1.0}}
    assert client.post("/measurements", json={"measurements": [good, bad]}).status_code == 422
    assert client.get("/model").json()["measurements_taken"] == 0
    assert not (tmp_path / "kept").exists()


def test_measurements_change_answers_and_survive(world, client, tmp_path):
    asked = {"user": "9", "service": "3"}
    before = client.post("/predict", json=asked).json()["parameters"]["rt"]["value"]
    new = {"measurements": [asked | {"values": {"rt": before * 5}}], "id": "first"}
    assert client.post("/measurements", json=new).json() == {"taken": 1, "duplicate": False}
    assert client.post("/measurements", json=new).json() == {"taken": 0, "duplicate": True}
    after = client.post("/predict", json=asked).json()["parameters"]["rt"]["value"]
    assert after > 1.2 * before
    again = Desk(world[2], tmp_path / "kept")
    assert again.live.answer("9", ["3"]).values[0, 0] == pytest.approx(after, rel=1e-12)


def test_a_large_delivery_lets_questions_through(world, tmp_path, monkeypatch):
    """Tables are copied while nobody waits, and the lock is given back every few measurements."""
    desk, held, portions = Desk(world[2], tmp_path / "kept"), [], []
    grow, absorb = online.with_places, desk.live.absorb
    monkeypatch.setattr(online, "with_places", lambda *g: held.append(desk._lock.locked()) or grow(*g))
    monkeypatch.setattr(desk.live, "absorb", lambda some: portions.append(len(some)) or absorb(some))
    one = {"values": {"rt": 1.0}}
    many = [one | {"user": f"u{i}", "service": f"s{i}"} for i in range(100)]
    answer = Client(make_app(desk, 1000.0, 20_000)).post("/measurements", json={"measurements": many})
    assert answer.json() == {"taken": 100, "duplicate": False}
    assert held == [False]
    assert sum(portions) == 100
    assert max(portions) <= 32
    desk.close()


def test_new_limits_are_fitted_to_while_single_questions_are_answered(world, tmp_path, monkeypatch):
    """The fit of a question with new limits waits, without the lock, until a single question was answered; once."""
    desk, held = Desk(world[2], tmp_path / "kept"), []

    def slow(*asked):
        held.append((desk._lock.locked(), desk._fitting.locked()))
        if not desk._lock.locked():  # else it would wait for ever
            desk.predict(Question(user="9", service="3"))
        return correction(*asked)

    monkeypatch.setattr("qoslab.domains.prediction.deploy.live.correction", slow)
    for _ in range(2):
        assert desk.best(Wanted(user="9", limits={"rt": {"at_most": 1.234}}))["services"]
    assert held == [(False, True)]
    desk.close()


def test_too_many_newcomers_are_refused_before_anything_is_kept(client, tmp_path, monkeypatch):
    monkeypatch.setattr("qoslab.domains.prediction.deploy.live._MOST_VALUES", 1)
    one = {"service": "3", "values": {"rt": 1.0}}
    many = {"measurements": [one | {"user": f"u{i}"} for i in range(181)], "id": "a"}
    refused = client.post("/measurements", json=many)
    assert refused.status_code == 507
    assert refused.json()["errors"][0]["field"] == "measurements"
    assert "more than the model has room for" in refused.json()["errors"][0]["message"]
    assert client.get("/model").json()["users"] == USERS
    assert not list(read(tmp_path / "kept"))


def test_newcomers_that_two_servers_had_room_for_are_taken_in_at_a_start(world, tmp_path, monkeypatch):
    """60 x 120 x 2 values may become four times as many; each server took 150 users, so that the folder has 360."""
    monkeypatch.setattr("qoslab.domains.prediction.deploy.live._MOST_VALUES", 1)
    one = {"service": "3", "values": {"rt": 1.0}}
    many = [[one | {"user": f"{server}{i}"} for i in range(150)] for server in "ab"]
    desks = [Desk(world[2], tmp_path / "kept") for _ in many]
    for desk, delivery in zip(desks, many, strict=True):
        assert desk.take(Measurements.model_validate({"measurements": delivery}))["taken"] == 150
        desk.close()
    with closing(Desk(world[2], tmp_path / "kept")) as again:
        assert len(again.live.users) == 360
        assert again.take(Measurements.model_validate({"measurements": many[0]}))["taken"] == 150
        with pytest.raises(Refused, match="361 users"):
            again.take(Measurements.model_validate({"measurements": [one | {"user": "new"}]}))


def test_large_bodies_are_not_read(client):
    answer = client.post("/predict", content=b" " * 20_001)
    assert answer.status_code == 413
    sent = []

    async def endless():
        while True:
            sent.append(1)
            yield b" " * 1000

    assert client.post("/predict", content=endless()).status_code == 413
    assert len(sent) < 30


def test_an_address_that_asks_too_often_is_told_to_wait(world, tmp_path):
    client = Client(make_app(Desk(world[2], tmp_path / "kept"), 0.5, 20_000))
    answers = [client.post("/predict", json={"user": "9", "service": "3"}) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 429, 429]
    assert 1 <= int(answers[1].headers["Retry-After"]) <= 3


@pytest.mark.parametrize("path", ["/health", "/model", "/metrics", "/openapi.json"])
def test_reads_have_the_same_rate(world, tmp_path, path):
    desk = Desk(world[2], tmp_path / "kept")
    client = Client(make_app(desk, 0.5, 20_000))
    answers = [
        client.get(path),
        client.get(path),
        client.post("/predict", json={"user": "9", "service": "3"}),
    ]
    assert [answer.status_code for answer in answers] == [200, 429, 429]
    assert int(answers[1].headers["retry-after"]) >= 1
    assert answers[1].json() == answers[2].json()
    desk.close()


def test_the_description_is_made_once(world, tmp_path, monkeypatch):
    from qoslab.domains.prediction.deploy import server

    calls, real = [], server.describe
    monkeypatch.setattr(server, "describe", lambda about: calls.append(1) or real(about))
    desk = Desk(world[2], tmp_path / "kept")
    client = Client(make_app(desk, 1000.0, 20_000))
    first, second = client.get("/openapi.json"), client.get("/openapi.json")
    assert first.json() == second.json()
    assert first.headers["content-type"] == "application/json"
    assert len(calls) == 1
    desk.close()


def test_web_pages_deliver_nothing(client):
    """A page of any site may post plain text to this machine, and the browser says whose page it is."""
    one = {"user": "9", "service": "3", "values": {"rt": 1.0}}
    pages = ({"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"})
    for headers in pages:
        answer = client.post(
            "/measurements",
            content=json.dumps({"measurements": [one]}),
            headers=headers | {"Content-Type": "text/plain"},
        )
        assert answer.status_code == 403
        assert "ask from a program" in answer.json()["errors"][0]["message"]
        assert client.get("/model", headers=headers).status_code == 403
    user = {"Sec-Fetch-Site": "none"}  # who types the address himself
    assert client.get("/model", headers=user).json()["measurements_taken"] == 0


def test_tiny_measurements_that_an_earlier_version_kept_are_zeros(world, tmp_path):
    body = {"measurements": [{"user": "9", "service": "3", "values": {"rt": 1e-40}}]}
    assert Measurements.model_validate(body).measurements[0].values == {"rt": 0.0}
    with closing(Journal(tmp_path / "kept")) as journal:
        journal.append([body])
    with closing(Desk(world[2], tmp_path / "kept")) as desk:
        assert desk.live.absorbed == 1


def test_who_goes_away_is_counted_and_no_failure(world, tmp_path, caplog):
    """The body ends amid: the server says nothing of a failure of its own."""
    desk = Desk(world[2], tmp_path / "kept")
    app, sent = make_app(desk, 1000.0, 20_000), []

    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": [], "query_string": b""}
    asyncio.run(app(scope | {"client": ("127.0.0.1", 1)}, receive, send))
    assert not caplog.records
    assert desk.requests["/predict", 499] == 1
    desk.close()


def test_buckets_fill_again():
    rates = Rates(10.0, 2.0)
    assert [rates.wait_s("a", 0.0) for _ in range(3)] == [0.0, 0.0, pytest.approx(0.1)]
    assert rates.wait_s("b", 0.0) == 0.0
    assert rates.wait_s("a", 0.11) == 0.0
    for i in range(20_000):
        rates.wait_s(str(i), 1.0)
    assert len(rates._buckets) == 10_000


def test_counters_in_prometheus_format(client):
    for _ in range(3):
        client.post("/predict", json={"user": "9", "service": "3"})
    client.post("/predict", json={})
    text = client.get("/metrics").text
    assert 'qoslab_prediction_requests_total{path="/predict",status="200"} 3' in text
    assert 'qoslab_prediction_requests_total{path="/predict",status="422"} 1' in text
    assert 'qoslab_prediction_answer_seconds_bucket{le="+Inf"} 4' in text
    names = {line.split("{")[0].split(" ")[0] for line in text.splitlines() if not line.startswith("#")}
    described = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert {n.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for n in names} == described


def test_health_and_the_model(client):
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/model").json()["users"] == USERS
    for path, status in (("/predict", 405), ("/nothing", 404)):
        refused = client.get(path)
        assert refused.status_code == status
        assert path in refused.json()["errors"][0]["message"]
    assert client.get("/predict").headers["allow"] == "POST"


def test_the_description_knows_every_path_and_form(client):
    found = client.get("/openapi.json").json()
    served = {route.path for route in client.app.routes}
    assert set(found["paths"]) == served
    schemas = found["components"]["schemas"]
    text = json.dumps(found)
    for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in schemas
    answer = client.post("/predict", json={"user": "9", "service": "3"}).json()
    assert set(answer) == set(schemas["Prediction"]["required"])
    refusal = client.post("/predict", json={}).json()
    assert set(refusal) == set(schemas["Refusal"]["required"])


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"port": 70_000}, "port"), ({"rate_per_s": 0.0}, "rate_per_s"), ({"max_body_kib": 0}, "max_body_kib")],
)
def test_wrong_settings_are_named(tmp_path, changes, field):
    with pytest.raises(BadInput, match=field):
        serve(tmp_path, **changes)


class Process:
    """A server of its own process, on a port of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        command = [
            sys.executable,
            "-m",
            "qoslab",
            "prediction",
            "serve",
            str(folder),
            "--port",
            "0",
            *options,
        ]
        self.child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.child.stderr is not None
        said = []
        while not (said and said[-1].startswith("serving http://127.0.0.1:")):
            said.append(self.child.stderr.readline())  # what else is said first is no matter; the end is
            assert said[-1], "".join(said)
        self.said = "".join(said)
        self.url = said[-1].split()[1].rstrip(",")

    def post(self, path: str, body: object) -> dict:
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def kill(self) -> None:
        self.child.kill()
        self.child.wait()
        self.child.stderr.close()


def test_no_header_makes_another_address(world, tmp_path):
    """Of 30 requests one after the other an address may make 4 or some more; who says he is 30 addresses is one."""
    pytest.importorskip("safetensors", reason="needs the extra 'learn'")
    save_model(tmp_path / "model", world[2])
    server, answers = Process(tmp_path / "model", "--rate-per-s", "2"), []
    try:
        for i in range(30):
            request = urllib.request.Request(
                server.url + "/health", headers={"X-Forwarded-For": f"10.0.0.{i}"}
            )
            try:
                with urllib.request.urlopen(request, timeout=20) as answer:
                    answers.append(answer.status)
            except urllib.error.HTTPError as error:
                answers.append(error.code)
    finally:
        server.kill()
    assert set(answers) == {200, 429}


def test_a_delivery_that_two_servers_took_counts_once_after_a_start(world, tmp_path):
    """Each has a journal of its own in the folder, and neither knows what the other took."""
    one = Measurements.model_validate(
        {"measurements": [{"user": "9", "service": "3", "values": {"rt": 1.0}}], "id": "x"}
    )
    desks = [Desk(world[2], tmp_path / "kept") for _ in range(2)]
    for desk in desks:
        desk.take(one)
        desk.close()
    again = Desk(world[2], tmp_path / "kept")
    assert again.live.absorbed == 1
    assert again.take(one) == {"taken": 0, "duplicate": True}
    again.close()


def test_nothing_that_was_acknowledged_is_lost_at_kill_9(world, tmp_path):
    """Four clients deliver until the server is killed; what it acknowledged it knows after a new start, once each."""
    pytest.importorskip("safetensors", reason="needs the extra 'learn'")
    save_model(tmp_path / "model", world[2])
    server, acknowledged, ends, lock = Process(tmp_path / "model"), [], [], threading.Lock()

    def deliver(client):
        for i in range(10_000):
            name = f"{client}-{i}"
            one = {"user": str(i % 60), "service": str(client), "values": {"rt": 1.0}}
            try:
                answer = server.post("/measurements", {"measurements": [one], "id": name})
            except (
                OSError,
                http.client.HTTPException,
                ValueError,
            ) as error:  # killed before, or amid, the answer
                ends.append(f"{client} after {i}: {error!r}")
                return
            assert answer == {"taken": 1, "duplicate": False}
            with lock:
                acknowledged.append(name)

    clients = [threading.Thread(target=deliver, args=(c,)) for c in range(4)]
    for thread in clients:
        thread.start()
    deadline = time.monotonic() + 120
    while len(acknowledged) < 40 and time.monotonic() < deadline and len(ends) < 4:
        time.sleep(0.005)
    os.kill(server.child.pid, signal.SIGKILL)
    for thread in clients:
        thread.join()
    server.kill()
    assert len(acknowledged) >= 40, ends
    again = Process(tmp_path / "model")
    try:
        with urllib.request.urlopen(again.url + "/model", timeout=20) as answer:
            known = json.load(answer)["measurements_taken"]
        # One more per client may have reached the disk unacknowledged.
        assert len(acknowledged) <= known <= len(acknowledged) + 4
        one = {"user": "9", "service": "3", "values": {"rt": 1.0}}
        for name in acknowledged:
            assert again.post("/measurements", {"measurements": [one], "id": name})["duplicate"]
    finally:
        again.kill()


def test_a_port_that_is_taken_is_named(world, tmp_path):
    pytest.importorskip("safetensors", reason="needs the extra 'learn'")
    save_model(tmp_path / "model", world[2])
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(BadInput, match="cannot be had"):
        serve(tmp_path / "model", port=other.getsockname()[1])


def test_small_answers_are_not_held_back():
    """asyncio turns Nagle's algorithm off where the protocol is TCP by name; else each answer waits 40 ms."""
    with _listen("127.0.0.1", 0) as listener:
        assert listener.proto == socket.IPPROTO_TCP


def test_a_journal_of_something_else_is_named(world, tmp_path):
    from qoslab.core.journal import Journal

    pytest.importorskip("safetensors", reason="needs the extra 'learn'")
    save_model(tmp_path / "model", world[2])
    with Journal(tmp_path / "model" / "measurements") as journal:
        journal.append([{"measurements": "none"}])
    with pytest.raises(BadInput, match=r"journal\.\d+.*: a kept measurement cannot be read"):
        serve(tmp_path / "model", port=0)
    assert not (tmp_path / "model" / "measurements" / "of.json").exists()  # it may be another model's


def deliver_one(folder, model, value=5.0):
    """A model's folder with one delivery, as its server leaves it; the file of that delivery."""
    claim(folder, model.about)
    desk = open_desk(model, folder)
    one = {"user": "9", "service": "3", "values": {"rt": value}}
    desk.take(Measurements.model_validate({"measurements": [one], "id": str(value)}))
    desk.close()
    return max(folder.glob("journal.*"))


def test_a_folder_that_cannot_be_written_is_named_at_the_start(world, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/measurements")):
        with pytest.raises(BadInput, match="journal: measurements cannot be kept in"):
            claim(folder, world[2].about)


def test_measurements_of_another_model_are_not_taken_in(world, tmp_path):
    deliver_one(tmp_path / "kept", world[2])
    assert open_desk(world[2], tmp_path / "kept").live.absorbed == 1
    for changes in ({"sha256": "1" * 64}, {"parameters": ("tp", "rt")}):
        other = KeptModel(world[2].about.model_copy(update=changes), world[2].arrays)
        for opened in (open_desk, lambda model, folder: claim(folder, model.about)):
            with pytest.raises(BadInput, match=r"(?s)delivered to another model.*of\.json"):
                opened(other, tmp_path / "kept")
    (tmp_path / "kept" / "of.json").unlink()
    claim(tmp_path / "kept", other.about)
    assert open_desk(other, tmp_path / "kept").live.absorbed == 1


@pytest.mark.parametrize("place", [0, 12, 40, -1], ids=["mark", "checksum", "payload", "end"])
def test_damaged_records_are_counted(world, tmp_path, place):
    first, second = (deliver_one(tmp_path / "kept", world[2], value) for value in (5.0, 6.0))
    assert damaged(tmp_path / "kept") == 0
    both = bytearray(first.read_bytes() + second.read_bytes())
    both[place] ^= 0x55
    first.write_bytes(both)
    second.unlink()
    assert damaged(tmp_path / "kept") == 1
    assert open_desk(world[2], tmp_path / "kept").live.absorbed == 1
    first.write_bytes(bytes(both[:-5]))
    assert damaged(tmp_path / "kept") == (1 if place == -1 else 2)


def test_a_start_says_how_many_records_were_damaged(world, tmp_path):
    pytest.importorskip("safetensors", reason="needs the extra 'learn'")
    save_model(tmp_path / "model", world[2])
    kept = load_model(tmp_path / "model")
    torn, _ = (deliver_one(tmp_path / "model" / "measurements", kept, value) for value in (5.0, 6.0))
    torn.write_bytes(torn.read_bytes()[:-3])
    server = Process(tmp_path / "model")
    server.kill()
    assert "1 measurements taken in again, 1 torn or damaged record passed over" in server.said


def test_a_failure_is_answered_in_json_and_counted(world, tmp_path, monkeypatch):
    desk = Desk(world[2], tmp_path / "kept")
    (tmp_path / "kept").write_text("in the way")
    client = Client(make_app(desk, 1000.0, 20_000))
    one = {"user": "9", "service": "3", "values": {"rt": 1.0}}
    answer = client.post("/measurements", json={"measurements": [one]})
    assert answer.status_code == 500
    assert "it could not be kept" in answer.json()["errors"][0]["message"]
    monkeypatch.setattr(desk.live, "answer", lambda *_: 1 / 0)
    broken = client.post("/predict", json={"user": "9", "service": "3"})
    assert (broken.status_code, list(broken.json())) == (500, ["errors"])
    lines = client.get("/metrics").text.splitlines()
    for path in ("/measurements", "/predict"):
        assert f'qoslab_prediction_requests_total{{path="{path}",status="500"}} 1' in lines


def test_select_counts_what_the_server_took_in(world, tmp_path):
    """Who was delivered since is known, and chosen for as the server chooses; without the folder nobody knows her."""
    pytest.importorskip("safetensors", reason="needs the extra 'learn'")
    save_model(tmp_path / "model", world[2])
    kept, folder = load_model(tmp_path / "model"), tmp_path / "elsewhere"
    claim(folder, kept.about)
    desk = open_desk(kept, folder)
    taken = [{"user": "new", "service": str(s), "values": {"rt": 0.1 + s / 10}} for s in range(20)]
    desk.take(Measurements.model_validate({"measurements": taken}))
    asked = {"user": "new", "limits": {"rt": {"at_most": 0.5}}, "k": 3}
    chosen = desk.best(Wanted.model_validate(asked))["services"]
    desk.close()
    rows = select(tmp_path / "model", "new", at_most=["rt=0.5"], k=3, journal=folder)
    assert [row["service"] for row in rows] == [one["service"] for one in chosen]
    with pytest.raises(BadInput, match="user 'new' is unknown"):
        select(tmp_path / "model", "new", at_most=["rt=0.5"], k=3)
    assert not (tmp_path / "model" / "measurements").exists()
    folder.rename(tmp_path / "model" / "measurements")
    assert select(tmp_path / "model", "new", at_most=["rt=0.5"], k=3) == rows
