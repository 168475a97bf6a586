"""Steering against a proxy that is played by the test: what is set, what is left alone, what is put back."""

import http.client
import itertools
import json
import socket
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.balancing.deploy.played import Played, pass_time

from qoslab.core.errors import BadInput
from qoslab.domains.balancing.deploy import locks, runtime
from qoslab.domains.balancing.deploy.exposition import exposition, serve, view
from qoslab.domains.balancing.deploy.keepsake import Keepsake
from qoslab.domains.balancing.deploy.loopback import free_port
from qoslab.domains.balancing.deploy.runtime import ProxyGone, ProxyRefused, Runtime
from qoslab.domains.balancing.deploy.scales import as_integers, stepwise
from qoslab.domains.balancing.deploy.steer import steer
from qoslab.domains.balancing.deploy.steering import Steering


@pytest.fixture
def proxy():
    return Played()


@pytest.fixture
def start(proxy, tmp_path):
    def begin(**options):
        return Steering(proxy, "work", Keepsake(tmp_path / "s", "work", tmp_path), **options)

    return begin


def test_weights_go_to_the_faster_server_and_come_back(start, proxy, tmp_path):
    steering = start()
    pass_time(steering, proxy, 0, 60)
    assert proxy.weights["b"] / proxy.weights["a"] == pytest.approx(4.0, rel=0.15)
    kept = json.loads(steering._keepsake.path.read_text())
    assert kept["weights"] == {"a": 1, "b": 3}
    assert steering.restore()
    assert proxy.weights == {"a": 1, "b": 3}
    assert not list(tmp_path.glob("*.json"))


def test_after_a_crash_the_next_start_puts_the_weights_back(start, proxy):
    pass_time(start(), proxy, 0, 60)  # and nobody restores
    assert proxy.weights != {"a": 1, "b": 3}
    steering = start(dry_run=True)
    assert "without --dry-run" in steering.notes[-1]
    assert proxy.weights != {"a": 1, "b": 3}
    steering = start()
    assert proxy.weights == {"a": 1, "b": 3}
    assert steering.original == {"a": 1, "b": 3}


def test_a_dry_run_sets_and_keeps_nothing(start, proxy, tmp_path):
    steering = start(dry_run=True)
    pass_time(steering, proxy, 0, 60)
    assert proxy.weights == {"a": 1, "b": 3}
    assert steering.controller.weights[1] / steering.controller.weights[0] == pytest.approx(4.0, rel=0.15)
    assert not list(tmp_path.iterdir())


def test_agent_checks_are_not_fought(start, proxy):
    proxy.agent = True
    steering = start()
    pass_time(steering, proxy, 0, 60)
    assert proxy.weights == {"a": 1, "b": 3}
    assert "agent-checks" in steering.notes[0]
    assert "disable agent work/a" in steering.notes[0]


@pytest.mark.parametrize("reports", [1, None])
@pytest.mark.parametrize("lost", [False, True])
def test_an_agent_check_that_comes_later_ends_the_steering_on_the_original_scale(start, proxy, reports, lost):
    """It reports a share of its configured weight at once, or nothing yet."""
    proxy.weights = proxy.configuration = {"a": 2, "b": 6, "c": 4}
    steering = start(policy="two_memories")
    pass_time(steering, proxy, 0, 30)
    assert min(proxy.weights.values()) > 6
    proxy.agent = "a"
    if reports:
        proxy.weights["a"] = reports
    if lost:
        set_weights, proxy.set_weights = proxy.set_weights, never
        pass_time(steering, proxy, 30, 32)
        assert "not back yet" in steering.notes[-1]
        proxy.set_weights = set_weights
    pass_time(steering, proxy, 32, 33)
    assert proxy.weights == {"a": reports or 2, "b": 6, "c": 4}
    proxy.weights["a"] = 1
    pass_time(steering, proxy, 33, 60)
    assert steering.restore()
    assert proxy.weights == {"a": 1, "b": 6, "c": 4}
    assert not any("somebody else" in note for note in steering.notes)


def never(backend, weights):
    raise ProxyGone("no answer")


def test_without_log_lines_the_operators_weights_stay(start, proxy):
    steering = start()
    pass_time(steering, proxy, 0, 200, heard=False)
    assert proxy.weights == {"a": 1, "b": 3}
    assert any("log settings" in note for note in steering.notes)


def test_missing_log_lines_lead_back_to_equal_weights(start, proxy):
    steering = start()
    pass_time(steering, proxy, 0, 60)
    pass_time(steering, proxy, 60, 200, heard=False)
    assert proxy.weights["b"] / proxy.weights["a"] == pytest.approx(1.0, rel=0.1)
    assert any("missing" in note for note in steering.notes)


def test_a_weight_that_somebody_else_sets_is_left_alone_to_the_end(start, proxy):
    steering = start()
    pass_time(steering, proxy, 0, 20)
    proxy.weights["a"] = 0
    pass_time(steering, proxy, 20, 60)
    assert proxy.weights["a"] == 0
    assert steering.hands_off == {"a"}
    assert steering.restore()
    assert steering.notes[-1] == "the original weights are back, but for those of a"
    assert proxy.weights == {"a": 0, "b": 3}


def test_weights_that_agents_set_before_ours_are_nobody_elses(start, proxy):
    proxy.agent = True
    steering = start()
    pass_time(steering, proxy, 0, 3)
    proxy.weights["a"] = 20
    pass_time(steering, proxy, 3, 6)
    assert len(steering.notes) == 1


def test_a_reload_and_a_lost_socket_are_survived(start, proxy):
    steering = start()
    pass_time(steering, proxy, 0, 40)
    proxy.gone = True
    pass_time(steering, proxy, 40, 44)
    assert steering.lost == 4
    assert not steering.restore()
    proxy.gone = False
    proxy.reload()
    pass_time(steering, proxy, 44, 60)
    assert proxy.weights["b"] > 100
    assert not steering.hands_off
    assert steering.restore()
    assert proxy.weights == {"a": 1, "b": 3}


@pytest.mark.parametrize("ticks", [0, 1, 20])
def test_a_reload_with_other_weights_makes_these_the_original_ones(start, proxy, ticks):
    steering = start()
    pass_time(steering, proxy, 0, 40)
    proxy.reload(a=1, b=2)
    pass_time(steering, proxy, 40, 40 + ticks)
    assert steering.restore()
    assert proxy.weights == {"a": 1, "b": 2}


def test_the_record_follows_a_reload(start, proxy):
    steering = start()
    pass_time(steering, proxy, 0, 40)
    proxy.reload(a=1, b=2)
    pass_time(steering, proxy, 40, 60)  # and then it is killed
    assert proxy.weights["b"] > 2
    start()
    assert proxy.weights == {"a": 1, "b": 2}


def test_a_reload_after_a_crash_leaves_nothing_to_put_back(start, proxy, tmp_path):
    pass_time(start(), proxy, 0, 40)
    proxy.reload(a=1, b=2)
    assert start().original == proxy.weights == {"a": 1, "b": 2}
    assert not list(tmp_path.glob("*.json"))


@pytest.mark.parametrize("killed", [False, True])
def test_weights_that_a_state_file_carried_over_a_reload_are_put_back(start, proxy, killed):
    steering = start()
    pass_time(steering, proxy, 0, 40)
    ours = dict(proxy.weights)
    proxy.reload()
    proxy.weights = ours
    if killed:
        start()
    else:
        pass_time(steering, proxy, 40, 41)
        steering.restore()
    assert proxy.weights == {"a": 1, "b": 3}


def test_other_servers_after_a_reload_begin_anew(start, proxy):
    steering = start()
    pass_time(steering, proxy, 0, 40)
    proxy.reload(b=3, c=7)
    pass_time(steering, proxy, 40, 80)
    assert steering.original == {"b": 3, "c": 7}
    assert steering.restore()
    assert proxy.weights == {"b": 3, "c": 7}


@pytest.mark.parametrize("touched", [False, True])
def test_a_server_that_is_added_again_under_its_old_name_is_steered(start, proxy, touched):
    """Servers are deleted and added at run time: the process stays, and nobody set the new server's weight."""
    steering = start()
    pass_time(steering, proxy, 0, 40)
    if touched:
        proxy.weights["b"] = 7
        pass_time(steering, proxy, 40, 41)
        assert steering.hands_off == {"b"}
    del proxy.weights["b"]
    pass_time(steering, proxy, 41, 42)
    proxy.weights["b"] = 2
    pass_time(steering, proxy, 42, 90)
    assert not steering.hands_off
    assert proxy.weights["b"] / proxy.weights["a"] == pytest.approx(4.0, rel=0.15)
    assert steering.restore()
    assert proxy.weights == {"a": 1, "b": 2}


@pytest.mark.parametrize(("step_s", "words"), [(-60.0, "back by 60 s"), (5.0, "forward by 5 s"), (0.5, "")])
def test_a_wall_clock_that_was_set_is_told(start, proxy, step_s, words):
    steering = start()
    for k in range(20):
        steering.tick(1e9 + 0.5 * k + (step_s if k > 10 else 0.0), 0.5 * k)
    told = [note for note in steering.notes if "clock" in note]
    assert len(told) == bool(words)
    assert all(words in note for note in told)


class Wants:
    """An estimator that wants one ratio, and from some window on another."""

    def __init__(self, first, then):
        self.ratios = [first] * 60 + [then] * 200

    def update(self, window):
        return np.array([1.0, self.ratios.pop(0)])


def weights_over_time(steering, proxy, begin, end):
    series = []
    for k in range(begin, end):
        pass_time(steering, proxy, k, k + 1)
        series.append(dict(proxy.weights))
    return series


@pytest.mark.parametrize("configured", [{"a": 1, "b": 3}, {"a": 1, "b": 256}, {"a": 256, "b": 1}])
@pytest.mark.parametrize(("first", "then"), [(4.0, 0.25), (1.1, 13.7), (16.0, 1.0)])
def test_no_weight_in_force_changes_by_more_than_a_step(start, proxy, configured, first, then):
    proxy.configuration = proxy.weights = dict(configured)
    steering = start(policy=Wants(first, then))
    series = weights_over_time(steering, proxy, 0, 120)
    scaled = next(k for k, weights in enumerate(series) if weights != configured)
    # The first batch changes the scale; shares change by a step of both weights, and by rounding to whole numbers.
    shares = [weights["b"] / weights["a"] for weights in (configured, series[scaled])]
    assert max(shares) / min(shares) <= 1.25**2 * (1 + 1 / min(series[scaled].values()))
    for before, after in zip(series[scaled:], series[scaled + 1 :], strict=False):
        for name in "ab":
            least, most = sorted((before[name], after[name]))
            assert most <= max(1.25 * least, least + 1)
    assert series[-1]["b"] / series[-1]["a"] == pytest.approx(then, rel=0.15)


def test_after_a_reload_weights_go_back_step_by_step(start, proxy):
    steering = start()
    pass_time(steering, proxy, 0, 60)
    proxy.reload(a=1, b=1)
    shares = [1.0] + [w["b"] / w["a"] for w in weights_over_time(steering, proxy, 60, 90)]
    assert max(after / before for before, after in itertools.pairwise(shares)) <= 1.25**2 * 1.05
    assert shares[-1] == pytest.approx(4.0, rel=0.15)


def test_sed_holds_the_weights_of_a_reloaded_configuration(start, proxy):
    steering = start(policy="sed")
    pass_time(steering, proxy, 0, 10)
    assert proxy.weights["b"] / proxy.weights["a"] == pytest.approx(3.0, rel=0.05)
    proxy.reload(a=4, b=1)
    pass_time(steering, proxy, 10, 30)
    assert proxy.weights["a"] / proxy.weights["b"] == pytest.approx(4.0, rel=0.05)


@given(st.integers(1, 256), st.integers(1, 256), st.floats(1.001, 256.0))
def test_a_step_is_bounded_and_always_leads_nearer(now, wanted, step):
    got = stepwise(now, wanted, step)
    assert abs(got - now) <= 1 or max(got, now) <= step * min(got, now) * (1 + 1e-9)
    assert got == now if wanted == now else abs(got - wanted) < abs(now - wanted)


def test_a_refusal_ends_the_setting_of_weights(start, proxy, tmp_path):
    proxy.refuses = "Backend is using a static LB algorithm"
    steering = start()
    pass_time(steering, proxy, 0, 20)
    assert "static LB" in " ".join(steering.notes)
    assert steering.refused
    assert steering.restore()
    assert len(steering.notes) == 1  # nothing was set, by nobody
    assert not list(tmp_path.glob("*.json"))


def test_what_was_set_of_a_refused_batch_is_put_back_at_once(start, proxy, tmp_path):
    set_all = proxy.set_weights

    def set_one(backend, weights):
        set_all(backend, {"a": weights["a"]})
        proxy.set_weights = set_all
        raise ProxyRefused("No such server")

    proxy.set_weights = set_one
    steering = start()
    pass_time(steering, proxy, 0, 20)
    assert steering.refused
    assert proxy.weights == {"a": 1, "b": 3}
    assert not steering.hands_off
    assert not any("somebody else" in note for note in steering.notes)
    assert not list(tmp_path.glob("*.json"))


def test_a_refusal_after_changes_leaves_them_to_be_put_back(start, proxy):
    steering = start()
    pass_time(steering, proxy, 0, 4)
    assert proxy.weights != {"a": 1, "b": 3}
    proxy.refuses = "Permission denied"
    pass_time(steering, proxy, 4, 20)
    assert not steering.hands_off
    assert not steering.restore()
    proxy.refuses = ""
    assert steering.restore()
    assert proxy.weights == {"a": 1, "b": 3}


def test_two_cannot_steer_one_backend(tmp_path):
    first, second = (Keepsake(tmp_path / "s", "work", tmp_path) for _ in range(2))
    first.lock()
    with pytest.raises(BadInput, match="already"):
        second.lock()
    first.unlock()
    second.lock()
    second.unlock()
    assert not list(tmp_path.iterdir())


def test_a_lock_whose_file_was_taken_away_meanwhile_keeps_nobody_out(tmp_path, monkeypatch):
    first, second = (Keepsake(tmp_path / "s", "work", tmp_path) for _ in range(2))
    first.lock()
    lock_file = locks.fcntl.flock

    def late(file, how):
        first.unlock()
        lock_file(file, how)

    monkeypatch.setattr(locks.fcntl, "flock", late)
    second.lock()
    monkeypatch.undo()
    with pytest.raises(BadInput, match="already"):
        first.lock()
    second.unlock()


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(locks.tempfile, "gettempdir", lambda: str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    return tmp_path / "temporary"


def test_one_process_of_a_proxy_has_one_controller_whatever_its_socket_is_called(temporary):
    first, second, told = locks.ProxyLock("work", print), locks.ProxyLock("work", print), []
    first.follow("7 of 1")
    first.follow("7 of 1")
    with pytest.raises(BadInput, match="'work' is being steered already"):
        second.follow("7 of 1")
    locks.ProxyLock("other", told.append).follow("7 of 1")
    first.follow("8 of 2")
    second.follow("7 of 1")
    with pytest.raises(BadInput, match="already"):
        second.follow("8 of 2")
    first.release()
    second.release()
    assert len(list(temporary.iterdir())) == 1  # the other backend's
    assert not told


def test_without_a_folder_for_locks_a_person_is_told(temporary):
    temporary.rmdir()
    told = []
    guard = locks.ProxyLock("work", told.append)
    guard.follow("7 of 1")
    guard.follow("7 of 1")
    assert len(told) == 1
    assert "cannot be told" in told[0]


def test_a_process_is_claimed_before_anything_is_set_in_it(start, proxy):
    claimed = []

    def claim(process):
        claimed.append((process, dict(proxy.weights)))
        if process == "111":
            raise BadInput("taken")

    pass_time(start(), proxy, 0, 40)  # and then it is killed
    left = dict(proxy.weights)
    steering = start(claim=claim)
    assert claimed == [("1", left)]
    pass_time(steering, proxy, 0, 20)
    proxy.reload()
    pass_time(steering, proxy, 20, 21)
    assert claimed[1:] == [("11", {"a": 1, "b": 3})]
    proxy.reload()
    with pytest.raises(BadInput, match="taken"):
        pass_time(steering, proxy, 21, 22)
    assert not steering.restore()
    assert proxy.weights == {"a": 1, "b": 3}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"weights": 3}',
        '{"socket":"s","backend":"b","weights":{"a":"x"}}',
        '{"socket":"s","backend":"b","weights":{"a":1},"in_force":{"a":[]}}',
    ],
)
def test_a_broken_record_is_named_and_left(text, tmp_path):
    keepsake = Keepsake(tmp_path / "s", "work", tmp_path)
    keepsake.path.write_text(text)
    with pytest.raises(BadInput, match="by hand"):
        keepsake.read()
    assert keepsake.path.read_text() == text


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=64))
def test_whole_weights_stay_within_what_the_proxy_takes(weights):
    whole = as_integers(np.array(weights))
    assert whole.min() >= 1
    assert whole.max() <= 256


def test_the_view_and_the_metrics_show_what_is_in_force(start, proxy):
    steering = start()
    pass_time(steering, proxy, 0, 60)
    assert f'weight{{backend="work",server="b"}} {proxy.weights["b"]}' in exposition(steering, "work")
    row = next(line for line in view(steering).splitlines() if line.startswith("b "))
    assert row.split()[3] == str(steering.servers[1].weight)


@pytest.mark.parametrize(("path", "code"), [("/metrics", 200), ("/metrics?x=1", 200), ("/metric", 404)])
def test_metrics_are_served_whatever_is_asked_of_them(path, code):
    port = free_port(socket.SOCK_STREAM)
    server = serve(port, lambda: "all is well\n")
    try:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        line.request("GET", path)
        reply = line.getresponse()
        assert reply.status == code
        assert (reply.read() == b"all is well\n") == (code == 200)
        line.close()
    finally:
        server.shutdown()
        server.server_close()


def answering(path, reply):
    """A socket that answers every command with the same bytes, or with silence."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve():
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            with line:
                line.recv(4096)
                if reply is None:
                    line.recv(1)
                else:
                    line.sendall(reply)

    threading.Thread(target=serve, daemon=True).start()
    return listener


@pytest.mark.parametrize(
    "reply", [None, b"", b"\xff\x00", b"Pid: 7\n\n# pxname,svname\nwork,a\n", b"Pid: 7\n# pxname,\n\n"]
)
def test_a_proxy_that_talks_nonsense_counts_as_gone(reply, tmp_path):
    with answering(tmp_path / "s", reply) as listener:
        with pytest.raises((ProxyGone, BadInput)):
            Runtime(tmp_path / "s", timeout_s=0.2).servers("work")
        with pytest.raises((ProxyGone, BadInput)):
            Runtime(tmp_path / "s", timeout_s=0.2).configured("work")
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("reply", [b"Pid: 7\n\nNo such proxy.\n", b"Can't find backend.\n\n"])
def test_a_missing_backend_is_named(reply, tmp_path):
    with answering(tmp_path / "s", reply) as listener:
        for question in (Runtime(tmp_path / "s").servers, Runtime(tmp_path / "s").configured):
            with pytest.raises(BadInput, match="nix"):
                question("nix")
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("field", "options"),
    [
        ("backend", {"backend": "a;shutdown sessions"}),
        ("log_port", {"log_port": 0}),
        ("period_s", {"period_s": float("nan")}),
        ("for_s", {"for_s": -1.0}),
        ("step", {"step": 1.0}),
        ("socket: there is no socket", {}),
        ("socket: there is no socket '127.0.0.1:9999'", {"socket": Path("127.0.0.1:9999")}),
        ("socket: '/dev/null' is no socket", {"socket": Path("/dev/null")}),
    ],
)
def test_bad_options_are_named(field, options, tmp_path):
    given = {"socket": tmp_path / "none", "backend": "work", "state": tmp_path, "log_port": 5141} | options
    with pytest.raises(BadInput, match=field):
        steer("haproxy", **given)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("below", ["", "folder"])
def test_a_state_that_is_no_folder_is_named_before_anything_is_asked(below, tmp_path):
    state = tmp_path / "file"
    state.write_text("mine")
    with answering(tmp_path / "s", b"") as listener:
        with pytest.raises(BadInput, match="state: no record of weights can be kept in ") as told:
            steer("haproxy", socket=tmp_path / "s", backend="work", state=state / below, log_port=5141)
        listener.shutdown(socket.SHUT_RDWR)
    assert "Errno" not in str(told.value)
    assert "--state" in str(told.value)
    assert state.read_text() == "mine"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied"), "this user may not use its socket; mode, user and group"),
        (ConnectionRefusedError(111, "Connection refused"), "nobody listens on its socket"),
        (FileNotFoundError(2, "No such file or directory"), "its socket is not there"),
        (TimeoutError("timed out"), "timed out"),
    ],
)
def test_why_a_proxy_does_not_answer_is_said_in_words(error, words, tmp_path, monkeypatch):
    class Fails:
        def connect(self, path):
            raise error

        def settimeout(self, seconds):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    monkeypatch.setattr(runtime.socket, "socket", lambda *_: Fails())
    with pytest.raises(BadInput, match=f"socket: the proxy does not answer: {words}") as told:
        Steering(Runtime(tmp_path / "s"), "work", Keepsake(tmp_path / "s", "work", tmp_path))
    assert "Errno" not in str(told.value)
