"""The command at a terminal: what is drawn, what ends it, and its short form."""

import fcntl
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from tests.balancing.deploy.played import Played

from qoslab.core.errors import BadInput
from qoslab.domains.balancing.deploy import steer
from qoslab.domains.balancing.deploy.controller import Limits
from qoslab.domains.balancing.deploy.estimators import POLICIES
from qoslab.domains.balancing.deploy.exposition import view
from qoslab.domains.balancing.deploy.keepsake import Keepsake
from qoslab.domains.balancing.deploy.loopback import free_port
from qoslab.domains.balancing.deploy.steering import Steering


@pytest.fixture
def terminal(monkeypatch):
    """A terminal as standard output: what was drawn on it, by its lines and columns."""
    mine, its = os.openpty()

    def draw(steering, lines, columns):
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        with monkeypatch.context() as patch, open(its, "w", closefd=False) as stream:
            patch.setattr(sys, "stdout", stream)
            steer._show(steering)
        drawn = b""
        while select.select([mine], [], [], 0.05)[0]:
            drawn += os.read(mine, 65536)
        return drawn.decode().replace("\r\n", "\n")

    yield draw
    os.close(mine)
    os.close(its)


def steered(folder, servers):
    proxy = Played(**{f"server-{k}": 1 for k in range(servers)})
    return Steering(proxy, "work", Keepsake(folder / "s", "work", folder))


def height(drawn, columns):
    """Lines that a terminal shows, the cursor's own included."""
    text = drawn.removeprefix("\x1b[H\x1b[2J")
    return sum(max(-(-len(line) // columns), 1) for line in text.split("\n"))


def test_a_terminal_is_cleared_and_drawn_anew(terminal, tmp_path):
    steering = steered(tmp_path, 3)
    assert terminal(steering, 24, 80) == f"\x1b[H\x1b[2J{view(steering)}\n"
    steering.note("something happened")
    assert terminal(steering, 24, 80).endswith("\n\nsomething happened\n")


@pytest.mark.parametrize(("lines", "columns"), [(24, 80), (10, 80), (24, 60), (12, 40)])
@pytest.mark.parametrize(
    "notes", [[], ["short"], ["a note that is far longer than such a terminal is wide " * 2]]
)
def test_more_servers_than_lines_are_shown_as_far_as_they_fit(terminal, tmp_path, lines, columns, notes):
    steering = steered(tmp_path, 64)
    for note in notes:
        steering.note(note)
    drawn = terminal(steering, lines, columns)
    shown = sum(row.startswith("server-") for row in drawn.splitlines())
    assert f"... and {64 - shown} more servers" in drawn
    assert all(note in drawn for note in notes)
    assert height(drawn, columns) <= lines or shown == 1
    # One server more would not have fitted.
    assert height(drawn, columns) + -(-72 // columns) > lines


@pytest.mark.parametrize(("servers", "hidden"), [(20, False), (21, True)])
def test_the_last_line_that_is_free_holds_a_server_and_not_how_many_more(terminal, tmp_path, servers, hidden):
    drawn = terminal(steered(tmp_path, servers), 24, 80)
    assert ("more servers" in drawn) == hidden
    assert height(drawn, 80) == 24


def test_one_server_is_shown_on_the_least_terminal(terminal, tmp_path):
    assert terminal(steered(tmp_path, 1), 2, 20) == f"\x1b[H\x1b[2J{view(steered(tmp_path, 1))}\n"


def test_a_terminal_without_a_size_shows_all(terminal, tmp_path):
    assert "server-63" in terminal(steered(tmp_path, 64), 0, 0)


def test_elsewhere_all_servers_are_printed_and_nothing_is_cleared(capsys, tmp_path):
    steering = steered(tmp_path, 64)
    steer._show(steering)
    assert capsys.readouterr().out == view(steering) + "\n"


@pytest.mark.parametrize("kind", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_asks_for_the_end_and_is_handled_as_before_afterwards(kind):
    before = signal.getsignal(kind)
    with steer._stopped_by_signals() as stop:
        assert not stop.is_set()
        os.kill(os.getpid(), kind)
        assert stop.wait(10)
    assert signal.getsignal(kind) == before


class Watching:
    """What lines are taken in by, and fails at one of them."""

    def __init__(self):
        self.ledger, self.taken = self, []

    def take(self, datagram, wall_s):
        if datagram == b"fails":
            message = "a counter"
            raise OSError(message)
        self.taken.append(datagram)


def test_all_lines_that_wait_are_read_and_an_error_in_counting_one_is_not_taken_for_their_end():
    watching = Watching()
    with (
        steer._listener(free_port(socket.SOCK_DGRAM)) as listener,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as proxy,
    ):
        steer._drain(listener, watching)
        assert not watching.taken
        for text in (b"one", b"", b"two", b"fails", b"three"):
            proxy.sendto(text, listener.getsockname())
        with pytest.raises(OSError, match="a counter"):
            steer._drain(listener, watching)
        steer._drain(listener, watching)
    assert watching.taken == [b"one", b"", b"two", b"three"]


@pytest.mark.parametrize("policy", POLICIES)
def test_what_each_policy_needs_is_compiled_on_a_backend_of_which_nothing_is_known(policy, monkeypatch):
    """Whatever warns is an error here, as a division by what no server has done would be."""
    estimator, updates = POLICIES[policy], []

    class Watched(estimator):
        def update(self, window):
            updates.append(window)
            return super().update(window)

    monkeypatch.setattr("qoslab.domains.balancing.deploy.controller.POLICIES", {policy: Watched})
    steer._compile("work", policy, Limits())
    assert len(updates) == 1
    with pytest.raises(BadInput, match="no policy 'nothing'"):
        steer._compile("work", "nothing", Limits())


@pytest.mark.parametrize(("asked", "short"), [(4096, False), (2**29, True)])
def test_a_receive_buffer_that_the_system_made_smaller_is_told(asked, short, monkeypatch):
    """No system gives half a gigabyte, and each gives a page."""
    monkeypatch.setattr(steer, "_BUFFER", asked)
    with steer._listener(free_port(socket.SOCK_DGRAM)) as listener:
        told = steer._shortage(listener)
    assert bool(told) == short
    if short:
        held = int(re.search(r"holds (\d+) bytes", told)[1])
        assert held < asked
        assert f"of {asked} asked for" in told
        bound = Path("/proc/sys/net/core/rmem_max")  # not seen from within every container
        if bound.exists():
            assert held == int(bound.read_text())


@pytest.mark.parametrize("words", [["steer"], ["balancing", "steer"]])
def test_the_short_form_is_the_same_command(words, tmp_path):
    options = ["--socket", str(tmp_path / "none"), "--backend", "web", "--state", str(tmp_path), "--dry-run"]
    ended = subprocess.run(
        [sys.executable, "-m", "qoslab.app.main", *words, "haproxy", *options],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 2
    assert f"there is no socket '{tmp_path / 'none'}'" in ended.stderr
