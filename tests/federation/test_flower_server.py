"""A Flower server with our strategy and its clients, each a process of its own, over the loopback."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from qoslab.domains.federation.flower import Server
from qoslab.domains.federation.methods.server_learning import ServerLearning

ROLES = Path(__file__).parent / "flower_roles"
ROUNDS = 3


def free_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def by_hand():
    """The same rounds without Flower: clients 1 and 2, the server's own training."""

    def learn(weights, gamma):
        return [array + gamma * 0.1 * (1.0 - array) for array in weights]

    server = Server(ServerLearning(), [np.zeros((2, 3)), np.zeros(4)], learn, rounds=ROUNDS, clients=2)
    for number in range(ROUNDS):
        model = server.model
        server.merge(number, [(k, [x + 0.5 * (k + 1 - x) for x in model], 10 * (k + 1)) for k in (0, 1)])
    return server.model


def test_server_and_clients_as_processes_agree_with_the_server_alone(tmp_path):
    flwr = pytest.importorskip(
        "flwr", reason="Flower has an environment of its own: pip install 'qoslab[flower]'"
    )
    if not hasattr(flwr.server, "start_server") or not hasattr(flwr.client, "start_client"):
        pytest.skip(f"Flower {flwr.__version__} starts servers and clients by its own command line only")
    address, file = free_address(), tmp_path / "weights.npz"
    logs = [(tmp_path / f"{name}.log").open("w+") for name in ("server", "first", "second")]

    def begin(log, role, *words):
        return subprocess.Popen([sys.executable, str(ROLES / role), address, *words], stdout=log, stderr=log)

    crew = [begin(logs[0], "server.py", str(ROUNDS), str(file))]
    try:
        wait_for(address, crew[0])
        crew += [begin(log, "client.py", number) for log, number in zip(logs[1:], "12", strict=True)]
        for process in crew:
            process.wait(timeout=120)
    finally:
        for process in crew:
            process.kill()
            process.wait()
        said = []
        for log in logs:
            log.seek(0)
            said.append(log.read()[-1500:])
            log.close()
    assert crew[0].returncode == 0, "\n".join(said)
    with np.load(file) as table:
        found = [table[name] for name in table.files]
    for ours, theirs in zip(by_hand(), found, strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-12)
    assert 0.5 < found[0][0, 0] < 2.0


def wait_for(address, server, seconds=60.0):
    """Until somebody listens there."""
    host, port = address.split(":")
    until = time.monotonic() + seconds
    while time.monotonic() < until and server.poll() is None:
        with socket.socket() as probe:
            probe.settimeout(1.0)
            if probe.connect_ex((host, int(port))) == 0:
                return
        time.sleep(0.2)
