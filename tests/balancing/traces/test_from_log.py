import json
import re
import tomllib
from dataclasses import replace

import pytest

from qoslab.app.main import main
from qoslab.core.errors import BadInput
from qoslab.core.located import read_toml, validate
from qoslab.domains.balancing.scenario import BalancingScenario
from qoslab.domains.balancing.traces.accesslog import read_log
from qoslab.domains.balancing.traces.columns import find_size
from qoslab.domains.balancing.traces.estimates import Estimate
from qoslab.domains.balancing.traces.from_log import from_log
from qoslab.domains.balancing.traces.infer import infer
from qoslab.domains.balancing.traces.scenario_file import study_from_inference


def scenario_of(path):
    document = read_toml(path)
    return validate(
        BalancingScenario,
        document.tree["scenario"],
        document,
        ("scenario",),
        context={"base": str(path.parent)},
    )


def test_a_log_becomes_a_study(site, tmp_path):
    log = site("fifo", (1, 2), (1.0, 1.5), 0.7, 6000).haproxy(tmp_path / "h.log")
    said = from_log(log, out=tmp_path / "s.toml")
    scenario = scenario_of(tmp_path / "s.toml")
    assert scenario.servers.count == 2
    assert scenario.servers.cores == (1, 2)
    assert scenario.servers.speeds[1] / scenario.servers.speeds[0] == pytest.approx(1.5, rel=0.1)
    assert [server.cores for server in said.servers] == [1, 2]
    assert said.servers[1].speed.value / said.servers[0].speed.value == pytest.approx(1.5, rel=0.1)
    assert said.lines_read == said.requests == 6000
    assert said.warnings == ()
    assert "Server srv2: 2" in said.in_words()
    assert "6000 of 6000 lines" in said.in_words()
    assert "tell nothing about other days" in " ".join(
        (tmp_path / "s.toml").read_text().replace("# ", "").split()
    )


@pytest.mark.parametrize(
    "text",
    ["time_s,service_s\n0,1\n1,2\n3,1\n", "time_s,bytes\n0,10\n1,20\n3,10\n", "time_s\n0\n1\n3\n"],
)
def test_a_trace_becomes_a_study(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    from_log(tmp_path / "t.csv", out=tmp_path / "s.toml")
    assert scenario_of(tmp_path / "s.toml").arrivals.kind == "trace"
    assert "Put in yours" in " ".join((tmp_path / "s.toml").read_text().replace("# ", "").split())


@pytest.mark.parametrize(
    "text",
    ["time_s,service_s\n0,0.25\n1,0.5\n3,1\n", "time_s,bytes\n0,10\n1,20\n3,10\n", "time_s\n0\n1\n3\n"],
)
def test_what_was_written_is_read_again_as_it_was(tmp_path, text):
    (tmp_path / "t.csv").write_text(text)
    from_log(tmp_path / "t.csv", out=tmp_path / "s.toml")
    from_log(tmp_path / "s.requests.csv", out=tmp_path / "again.toml")
    assert (tmp_path / "again.requests.csv").read_bytes() == (tmp_path / "s.requests.csv").read_bytes()
    first, second = scenario_of(tmp_path / "s.toml"), scenario_of(tmp_path / "again.toml")
    assert first.arrivals.size == second.arrivals.size
    assert first.sizes == second.sizes


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        (["size_s"], ("size_s", 1.0, "service_s")),
        (["work_ms"], ("work_ms", 1e-3, "service_s")),
        (["size", "size_us"], ("size_us", 1e-6, "service_s")),
        (["size_s", "service_time_ms"], ("service_time_ms", 1e-3, "service_s")),
        (["size"], ("size", None, "work")),
        (["size_bytes"], ("size_bytes", None, "work")),
        (["tokens_s"], ("tokens_s", 1.0, "work")),
    ],
)
def test_a_size_in_a_unit_of_time_is_a_service_time(columns, found):
    named = find_size(columns)
    assert (named.column, named.unit_s, named.kind) == found


@pytest.mark.parametrize("taken", ["s.toml", "s.requests.csv"])
def test_nothing_is_overwritten_and_nothing_half_written(tmp_path, taken):
    (tmp_path / "t.csv").write_text("time_s\n0\n1\n")
    (tmp_path / taken).write_text("mine")
    with pytest.raises(BadInput, match="exists; nothing was written"):
        from_log(tmp_path / "t.csv", out=tmp_path / "s.toml")
    assert (tmp_path / taken).read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted({"t.csv", taken})


def test_names_from_a_log_cannot_leave_their_comment(site, tmp_path):
    log = site("fifo", (1,), (1.0,), 0.5, 500).haproxy(tmp_path / "h.log")
    evil = "x\x85[study]\u2028name='evil'\x7f"
    log.write_text(log.read_text().replace("srv1", evil))
    from_log(log, out=tmp_path / "s.toml")
    assert tomllib.loads((tmp_path / "s.toml").read_text())["study"]["name"] == "h-log"


def test_options_of_traces_are_refused_for_logs(tmp_path):
    (tmp_path / "a.log").write_text("x")
    with pytest.raises(BadInput, match="belong to traces"):
        from_log(tmp_path / "a.log", time="t")


def test_a_script_gets_json(site, tmp_path, capsys):
    log = site("fifo", (1,), (1.0,), 0.6, 4000).haproxy(tmp_path / "h.log")
    assert main(["balancing", "from-log", str(log), "--out", str(tmp_path / "s.toml"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["study"] == str(tmp_path / "s.toml")
    assert told["load"]["low"] <= told["load"]["value"] <= told["load"]["high"]
    assert [server["name"] for server in told["servers"]] == ["srv1"]
    (tmp_path / "t.csv").write_text("time_s\n0\n1\n3\n")
    assert (
        main(["balancing", "from-log", str(tmp_path / "t.csv"), "--out", str(tmp_path / "t.toml"), "--json"])
        == 0
    )
    told = json.loads(capsys.readouterr().out)
    assert (told["requests"], told["servers"], told["format"]) == (3, [], None)


LINE = (
    '10.0.0.1 - - [21/Nov/2024:10:00:{second:02d} +0000] "GET / HTTP/1.1" 200 5 "-" "curl"'
    ' rt=0.1 urt="0.1" 10.1.0.1:80\n'
)
FORMAT = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" '
    '"$http_user_agent" rt=$request_time urt="$upstream_response_time" $upstream_addr'
)


def test_text_behind_the_format_is_told_and_a_whole_format_reads_it(tmp_path):
    log = tmp_path / "a.log"
    log.write_text("".join(LINE.format(second=second) for second in range(60)))
    told = from_log(log, out=tmp_path / "a.toml")
    assert told.warnings[1 if told.warnings[0].startswith("no server") else 0].startswith(
        "60 of the first 60 lines go on where the format"
    )
    assert 'not read: rt=0.1 urt="0.1" 10.1.0.1:80; name the whole format' in " ".join(
        told.in_words().split()
    )
    whole = from_log(log, format=FORMAT, out=tmp_path / "b.toml")
    assert not any("not read" in words for words in whole.warnings)
    assert not any("reached no server" in words for words in whole.warnings)


def test_a_unit_stands_behind_its_number():
    assert Estimate(0.1394, 0.1, 0.2, 9, "few").in_unit("s") == (
        "0.1394 s (95 % interval 0.1 to 0.2, 9 samples); WEAK: few"
    )


def test_doubts_come_last_in_a_sentence(site, tmp_path):
    log = site("fifo", (1, 2), (1.0, 1.5), 0.7, 6000).haproxy(tmp_path / "h.log")
    found = infer(read_log(log))
    weak = replace(found, work_s=replace(found.work_s, warning="uncertain"))
    text = " ".join(study_from_inference(weak, "h.log", tmp_path / "r.csv").replace("# ", "").split())
    assert re.search(r"variation [\d.]+, mean [\d.e-]+ s \(95 % interval [^;]+; WEAK: uncertain\. ", text)
