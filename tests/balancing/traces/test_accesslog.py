import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qoslab.core.errors import BadInput
from qoslab.domains.balancing.traces.accesslog import detect_format, read_log
from qoslab.domains.balancing.traces.logformat import compile_format
from qoslab.domains.balancing.traces.logpresets import NAMES, preset

SLOW_OK = settings(
    deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

# The example of HAProxy's configuration manual, section 8.2.3, with times in the form of version 1.7 and later.
HTTP = (
    "Feb  6 12:14:14 localhost haproxy[14389]: 10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 "
    '10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 2/3 {1wt.eu} {} "GET /index.html HTTP/1.1"'
)
TCP = "10.0.1.2:33313 [06/Feb/2009:12:12:51.443] fnt bck/srv1 4/0/5007 212 -- 0/0/0/0/3 0/0"


def read(tmp_path, text, **options):
    path = tmp_path / "access.log"
    path.write_text(text)
    return read_log(path, **options)


def test_haproxy_http(tmp_path):
    found = read(tmp_path, HTTP + "\n")
    assert found.servers == ("srv1",)
    assert found.start_s == pytest.approx(1233922454.655 + 0.010)
    assert (found.wait_s[0], found.response_s[0], found.status[0], found.queue[0]) == (0.03, 0.069, 200, 5)


def test_haproxy_without_captures_with_ipv6_and_aborted(tmp_path):
    lines = [
        HTTP.replace(" {1wt.eu} {}", ""),
        HTTP.replace("10.0.1.2:33317", "2001:db8::1:33317"),
        HTTP.replace("10.0.1.2:33317", "unix:1").replace("/109 200 2750", "/+109 200 +2750"),
        HTTP.replace("static/srv1 10/0/30/69/109 200", "http-in/<NOSRV> -1/-1/-1/-1/8490 -1"),
    ]
    found = read(tmp_path, "\n".join(lines))
    assert len(found) == 4
    assert found.report.damaged == 0
    assert sorted(found.server.tolist()) == [-1, 0, 0, 0]
    assert np.isnan(found.response_s).sum() == 1


def test_haproxy_tcp(tmp_path):
    found = read(tmp_path, TCP)
    assert (found.wait_s[0], found.response_s[0]) == (pytest.approx(0.004), pytest.approx(5.003))
    assert "connections" in found.report.notes[0]


def test_haproxy_own_format(tmp_path):
    text = r'"%ci:%cp [%tr] %s %TR/%Tw/%Tc/%Tr %ST %{+Q}r %[capture.req.hdr(0)]"'
    line = '10.0.0.1:5 [06/Feb/2009:12:14:14.655] app7 1/2/3/40 503 "GET /x y HTTP/1.1" curl'
    found = read(tmp_path, line, log_format=text)
    assert (found.servers, found.status[0], found.response_s[0]) == (("app7",), 503, 0.04)
    assert found.wait_s[0] == pytest.approx(0.005)


NGINX = '1.2.3.4 - - [20/Nov/2026:13:55:36 +0100] "GET / HTTP/1.1" 200 612 "-" "curl \\x22q\\x22"'


@pytest.mark.parametrize(
    ("tail", "name", "response", "servers"),
    [
        ("", "nginx-combined", np.nan, ()),
        (" 0.500", "nginx-request-time", np.nan, ()),
        (" 0.500 0.400", "nginx-timed", 0.4, ()),
        (" 0.500 0.100, 0.300 10.0.0.1:80, 10.0.0.2:80", "nginx-timed-upstream", 0.3, ("10.0.0.2:80",)),
        (" 10.0.0.1:80 0.500 0.400", "nginx-upstream-timed", 0.4, ("10.0.0.1:80",)),
        (
            ' rt=0.500 uct="0.100" uht="0.350" urt="0.400" ua="10.0.0.1:80"',
            "nginx-keyed",
            0.25,
            ("10.0.0.1:80",),
        ),
    ],
)
def test_nginx_variants(tmp_path, tail, name, response, servers):
    path = tmp_path / "a.log"
    path.write_text((NGINX + tail + "\n") * 3)
    assert detect_format(path) is preset(name)
    found = read_log(path)
    np.testing.assert_allclose(found.response_s, response)
    assert found.servers == servers
    ended = 1795179336.0
    assert found.start_s == pytest.approx(ended - (0.5 if tail else 0.0))
    assert any("to the second only" in words for words in found.report.warnings)


def test_nginx_json_format(tmp_path):
    form = (
        '{"t":"$msec","r":"$request","rt":"$request_time","u":"$upstream_response_time",'
        '"a":"$upstream_addr","s":$status}'
    )
    line = '{"t":"1700000000.500","r":"GET \\"/ HTTP","rt":"0.200","u":"0.150","a":"10.0.0.9:80","s":200}\n'
    found = read(tmp_path, line * 2, log_format=form)
    assert found.start_s == pytest.approx(1700000000.3)
    assert found.clock_s == 1e-3
    np.testing.assert_allclose(found.wait_s, 0.05)


def test_damaged_lines_are_counted_shown_and_not_fatal(tmp_path):
    text = "\n".join([HTTP] * 8 + ["garbage \x1b[31m", HTTP.replace("06/Feb", "99/Foo")])
    found = read(tmp_path, text)
    assert (found.report.read, found.report.damaged) == (8, 2)
    assert [number for number, _, _ in found.report.samples] == [9, 10]
    assert "\x1b" not in found.report.samples[0][2]
    with pytest.raises(BadInput, match="2 of 10 lines cannot be read"):
        read(tmp_path, text, damaged_share=0.1)


def test_unknown_formats_are_refused_with_the_known_ones(tmp_path):
    with pytest.raises(BadInput, match="no known log format"):
        read(tmp_path, "hello\nworld\n")
    with pytest.raises(BadInput, match="is empty"):
        read(tmp_path, "")
    with pytest.raises(BadInput, match="did you mean 'haproxy-http'"):
        read(tmp_path, HTTP, log_format="haproxy-htp")
    with pytest.raises(BadInput, match="no time of the request"):
        read(tmp_path, HTTP, log_format="%s %Tr")
    with pytest.raises(BadInput, match="stand next to each other"):
        compile_format("$status$request_time", "nginx")
    with pytest.raises(BadInput, match="no variables"):
        compile_format("nothing", "nginx")


@given(
    text=st.text(alphabet="$%{}[]()+*?\\^|. abTRsw_\"'", max_size=60),
    dialect=st.sampled_from(["haproxy", "nginx"]),
    line=st.text(max_size=80),
)
@SLOW_OK
def test_any_format_compiles_or_is_refused(text, dialect, line):
    try:
        form = compile_format(text, dialect)
    except BadInput:
        return
    form.match(line)


token = st.text(alphabet="abcxyz0189_-", min_size=1, max_size=8)


@given(
    ms=st.lists(st.integers(-1, 10**6), min_size=5, max_size=5),
    server=token,
    backend=token,
    uri=token,
    queue=st.tuples(st.integers(0, 99), st.integers(0, 99)),
    capture=st.booleans(),
)
@SLOW_OK
def test_haproxy_round_trip(tmp_path, ms, server, backend, uri, queue, capture):
    line = (
        f"127.0.0.1:1 [20/Nov/2026:00:00:00.000] fe {backend}/{server} {'/'.join(map(str, ms))} 200 1 - - ---- "
        f'1/1/1/1/0 {queue[0]}/{queue[1]} {"{x|y} " if capture else ""}"GET /{uri} HTTP/1.1"'
    )
    found = read(tmp_path, line)
    assert found.servers == (() if server == "-" else (server,))
    assert found.queue[0] == sum(queue)
    assert found.response_s[0] == pytest.approx(ms[3] / 1000) if ms[3] >= 0 else np.isnan(found.response_s[0])
    assert found.wait_s[0] == pytest.approx((max(0, ms[1]) + max(0, ms[2])) / 1000)


HOSTILE = [
    "a",
    ":",
    "1:",
    "[1]: ",
    " ",
    '"',
    "\\",
    "{",
    "{}",
    "0/",
    ", ",
    " : ",
    "1.1.1.1, ",
    "1 - - [",
    '" "',
]


@pytest.mark.parametrize("name", NAMES)
def test_matching_time_is_linear(name):
    """Four times the line must not take much more than four times the CPU; a quadratic one takes sixteen."""
    form = preset(name)
    heads = ["", HTTP[:60], NGINX[:50], HTTP[:-20], NGINX, '1 - - [20/Nov/2026:13:55:36 +0100] "']

    def cost(size):
        begin = time.process_time()
        for head in heads:
            for part in HOSTILE:
                form.match(head + part * (size // len(part)))
        return time.process_time() - begin

    short = min(cost(32_768) for _ in range(3))
    long = min(cost(131_072) for _ in range(3))
    assert long < 9 * short + 0.02
