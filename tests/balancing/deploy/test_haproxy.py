"""The command against a real HAProxy on loopback: behaviour, not response times."""

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest
from tests.waiting import eventually

from qoslab.core.errors import BadInput
from qoslab.domains.balancing.deploy.loopback import Loopback, SleepingServer, find_haproxy, free_port
from qoslab.domains.balancing.deploy.runtime import ProxyGone, Runtime
from qoslab.domains.balancing.deploy.steer import steer

pytestmark = pytest.mark.skipif(find_haproxy() is None, reason="needs haproxy: apt-get install haproxy")


@contextmanager
def steering(site, folder, *options, **environment):
    words = ["balancing", "steer", "haproxy", "--socket", str(site.socket), "--backend", "work"]
    words += ["--log-port", str(site.log_port), "--state", str(folder), "--period-s", "0.2", *options]
    process = subprocess.Popen(
        [sys.executable, "-m", "qoslab.app.main", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | environment,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def asked(site):
    try:
        return Runtime(site.socket).servers("work")
    except ProxyGone:
        return None, None


def worker(site):
    return asked(site)[0]


def configure(folder, server, weight):
    path = folder / "haproxy.cfg"
    path.write_text(re.sub(rf"(server {server} \S+ weight) \d+", rf"\1 {weight}", path.read_text()))


def weights(site):
    servers = asked(site)[1]
    return servers and [server.weight for server in servers]


def metric(port, pattern):
    try:
        text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5).read().decode()
    except OSError:
        return 0
    return int(re.search(rf"^qoslab_steer_{pattern} (\d+)$", text, re.MULTILINE)[1])


def is_served(port):
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5):
        return True
    return False


def writes(port):
    return metric(port, r'writes_total\{backend="work"\}')


def wanted(port):
    """How much more weight the second server is to have; 0 while nothing is served."""
    slow, fast = (metric(port, rf'wanted_weight\{{backend="work",server="s{k}"\}}') for k in (0, 1))
    # The page may come up between the two readings: the one that failed says nothing of a ratio then.
    return fast / slow if slow else 0


@contextmanager
def busy(site, rate_per_s=70.0):
    """Load in bursts of a second until the block ends."""
    ended = []

    def go():
        while not ended:
            site.load(rate_per_s, 1.0)

    thread = Thread(target=go)
    thread.start()
    try:
        yield
    finally:
        ended.append(True)
        thread.join()


def favours_the_second(site):
    now = weights(site)
    return now is not None and now[1] >= 2.0 * now[0]


@pytest.fixture
def folder(tmp_path):
    if len(str(tmp_path)) > 90:
        pytest.skip("the temporary folder's name is too long for a socket")
    return tmp_path


def test_the_life_of_a_steered_proxy(folder):
    port = free_port(1)
    with Loopback(folder, [SleepingServer(0.08), SleepingServer(0.02)]) as site, busy(site):
        with steering(site, folder, "--metrics-port", str(port)) as process:
            assert eventually(lambda: favours_the_second(site))
            assert writes(port) > 0
            before = worker(site)
            configure(folder, "s0", 2)
            site.reload()
            assert eventually(lambda: worker(site) not in (None, before))
            assert eventually(lambda: favours_the_second(site))
            process.send_signal(signal.SIGKILL)
            process.wait()
        assert max(weights(site)) <= 16 * min(weights(site))
        assert len(list(folder.glob("*.json"))) == 1
        with steering(site, folder, "--metrics-port", str(port)) as process:
            assert eventually(lambda: writes(port) > 0)
            assert eventually(lambda: favours_the_second(site))
            process.terminate()
            output = process.communicate(timeout=90)[0].decode()
            assert process.returncode == 0, output
        assert "an earlier run had left changed" in output
        assert weights(site) == [2, 1]
        assert not list(folder.glob("*.json"))


def is_bound(port):
    """Whether a datagram socket of this machine has the port of 127.0.0.1."""
    return f" 0100007F:{port:04X} " in Path("/proc/net/udp").read_text()


def test_all_is_compiled_before_a_line_can_wait_for_it(folder):
    """With nothing compiled yet: what the cache holds once the port is bound is all that it holds in the end."""
    cache = folder / "cache"

    def kept():
        return {path.name for path in cache.rglob("*.nbc")}

    with (
        Loopback(folder, [SleepingServer(0.02), SleepingServer(0.02)]) as site,
        busy(site),
        steering(site, folder, "--for-s", "5", QOSLAB_CACHE=str(cache)) as process,
    ):
        assert eventually(lambda: is_bound(site.log_port))
        at_first = kept()
        output = process.communicate(timeout=90)[0].decode()
    assert process.returncode == 0, output
    lines = [int(row.split()[0]) for row in output.splitlines() if "log lines" in row]
    assert lines[-1] > 0
    assert {name.split("-")[0] for name in at_first} >= {"count_answers", "hold", "step"}
    assert kept() == at_first


def test_a_receive_buffer_that_is_too_small_is_told_at_the_start(folder, monkeypatch, capsys):
    monkeypatch.setattr("qoslab.domains.balancing.deploy.steer._BUFFER", 2**29)
    with Loopback(folder, [SleepingServer(0.02)]) as site:
        options = {"log_port": site.log_port, "state": folder, "for_s": 0.2}
        assert steer("haproxy", socket=site.socket, backend="work", dry_run=True, **options) == 0
    told = capsys.readouterr()
    assert "bytes of log lines that wait, of 536870912 asked for" in told.err
    assert "bytes of log lines that wait, of 536870912 asked for" in told.out


def test_a_weight_that_a_person_set_is_gone_after_a_reload(folder):
    port = free_port(1)
    with Loopback(folder, [SleepingServer(0.08), SleepingServer(0.02)]) as site, busy(site):
        with steering(site, folder, "--metrics-port", str(port)) as process:
            assert eventually(lambda: favours_the_second(site))
            Runtime(site.socket).ask("set server work/s1 weight 20")
            assert eventually(lambda: metric(port, r'left_alone\{backend="work"\}') == 1)
            assert weights(site)[1] == 20
            assert weights(site)[0] > 1
            before = worker(site)
            site.reload()
            assert eventually(lambda: worker(site) not in (None, before))
            assert eventually(lambda: favours_the_second(site) and min(weights(site)) > 1)
            assert metric(port, r'left_alone\{backend="work"\}') == 0
            assert max(weights(site)) <= 16 * min(weights(site))
            process.terminate()
            output = process.communicate(timeout=90)[0].decode()
            assert process.returncode == 0, output
        assert "somebody else set the weight of s1: it is left alone" in output
        assert weights(site) == [1, 1]


def test_an_interrupt_of_the_short_form_puts_the_weights_back(folder):
    words = ["steer", "haproxy", "--backend", "work", "--period-s", "0.2", "--state", str(folder)]
    with Loopback(folder, [SleepingServer(0.08), SleepingServer(0.02)]) as site, busy(site):
        words += ["--socket", str(site.socket), "--log-port", str(site.log_port)]
        process = subprocess.Popen(
            [sys.executable, "-m", "qoslab.app.main", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        try:
            assert eventually(lambda: favours_the_second(site))
            process.send_signal(signal.SIGINT)
            output = process.communicate(timeout=90)[0].decode()
        finally:
            process.kill()
            process.communicate()
        assert process.returncode == 0, output
        assert "the original weights are back" in output
        assert weights(site) == [1, 1]


def test_a_dry_run_changes_nothing_at_a_real_proxy(folder):
    with (
        Loopback(folder, [SleepingServer(0.08, weight=3), SleepingServer(0.02, weight=5)]) as site,
        busy(site),
    ):
        with steering(site, folder, "--dry-run", "--for-s", "10") as process:
            output = process.communicate(timeout=90)[0].decode()
        assert process.returncode == 0, output
        assert weights(site) == [3, 5]
        wanted = [int(row.split()[4]) for row in output.splitlines() if row.startswith(("s0", "s1"))]
        assert wanted[-1] >= 2 * wanted[-2]
        assert not list(folder.glob("steer-*"))


def test_a_socket_that_may_not_set_weights_ends_with_code_1(folder):
    port = free_port(1)
    servers = [SleepingServer(0.08), SleepingServer(0.02)]
    with Loopback(folder, servers, level="operator") as site, busy(site):
        with steering(site, folder, "--metrics-port", str(port), "--policy", "two_memories") as process:
            assert eventually(lambda: wanted(port) >= 2.0)
            process.terminate()
            output = process.communicate(timeout=90)[0].decode()
        assert process.returncode == 1
        assert "the proxy refuses" in output
        assert "somebody else" not in output
        assert "are back" not in output
        assert weights(site) == [1, 1]
        assert not list(folder.glob("steer-*.json"))


def test_a_second_controller_by_another_name_of_the_socket_is_refused(folder):
    port, other = free_port(socket.SOCK_STREAM), folder / "t"

    def steered(path, state, **options):
        log_port = free_port(socket.SOCK_DGRAM)
        return steer(
            "haproxy", socket=path, backend="work", log_port=log_port, state=folder / state, **options
        )

    with Loopback(folder, [SleepingServer(0.02)]) as site:
        os.link(site.socket, other)
        words = (site.socket, "first")
        first = Thread(target=steered, args=words, kwargs={"for_s": 5.0, "metrics_port": port})
        first.start()
        assert eventually(lambda: is_served(port))
        with pytest.raises(BadInput, match="being steered already"):
            steered(other, "second", for_s=0.5)
        assert steered(other, "second", for_s=0.5, dry_run=True) == 0
        first.join()
        assert steered(other, "second", for_s=0.5) == 0


def test_weights_are_steered_and_put_back_when_the_terminal_is_gone(folder):
    mine, its = os.openpty()
    with Loopback(folder, [SleepingServer(0.08), SleepingServer(0.02)]) as site, busy(site):
        words = ["--socket", str(site.socket), "--log-port", str(site.log_port), "--state", str(folder)]
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "qoslab.app.main",
                "balancing",
                "steer",
                "haproxy",
                "--backend",
                "work",
                *words,
            ],
            stdout=its,
            stderr=its,
        )
        os.close(its)
        try:
            assert os.read(mine, 100)
            os.close(mine)
            assert eventually(lambda: favours_the_second(site))
            process.terminate()
            assert process.wait(90) == 0
        finally:
            process.kill()
            process.wait()
        assert weights(site) == [1, 1]


@contextmanager
def agent(reply):
    """A server's agent that says the same to whoever asks; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer():
            while True:
                try:
                    line, _ = listener.accept()
                except OSError:
                    return
                with line:
                    line.sendall(reply)

        Thread(target=answer, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def test_a_real_agent_check_is_seen_until_it_is_disabled(folder):
    with agent(b"50%\n") as port:
        asks = f"agent-check agent-port {port} agent-inter 100ms"
        servers = [SleepingServer(0.02, weight=10, options=asks), SleepingServer(0.02, weight=10)]
        with Loopback(folder, servers) as site:
            assert eventually(lambda: weights(site) == [5, 10])
            assert [server.agent for server in asked(site)[1]] == [True, False]
            Runtime(site.socket).ask("disable agent work/s0")
            assert eventually(lambda: not any(server.agent for server in asked(site)[1]))


def test_a_real_agent_check_that_is_enabled_while_weights_are_ours_finds_the_original_ones(folder):
    with agent(b"50%\n") as port:
        asks = f"agent-check agent-port {port} agent-inter 100ms"
        servers = [SleepingServer(0.08, weight=10, options=asks), SleepingServer(0.02, weight=10)]
        with Loopback(folder, servers) as site, busy(site):
            assert eventually(lambda: weights(site) == [5, 10])
            Runtime(site.socket).ask("disable agent work/s0")
            assert eventually(lambda: not any(server.agent for server in asked(site)[1]))
            Runtime(site.socket).ask("set server work/s0 weight 10")
            with steering(site, folder) as process:
                assert eventually(lambda: weights(site)[1] > 100)
                Runtime(site.socket).ask("enable agent work/s0")
                assert eventually(lambda: weights(site) == [5, 10])
                process.terminate()
                output = process.communicate(timeout=90)[0].decode()
            assert process.returncode == 0, output
            assert "the original weights are back" in output
            assert weights(site) == [5, 10]
