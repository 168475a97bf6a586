"""A kept model behind HTTP: 200 single questions per second at a server on one core; online updates against training;
the neighbourhood of a whole table beside the library Surprise; the network of SHARP-QoS.

    python -m benchmarks.prediction_speed
    python -m benchmarks.prediction_speed --only network
    python -m benchmarks.prediction_speed --only network --training

The model has the size of WS-DREAM #1 (339 x 5,825 x 2, planted, 5 % known). Questions are sent on time whether earlier
ones were answered or not, over eight connections; a latency runs from the time at which a question was due. The server
is held to one core where the system can do that; the client runs beside it. The network predicts every cell of that
size, with places, by the weights of five steps (what a pass costs does not depend on them); `--training` also trains
it whole on 142 x 4,500 x 2 at 10 %, as large as WS-DREAM #2, which takes ten minutes. Both run in processes of their
own, so that the memory is theirs alone.
"""

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from benchmarks.common import Spread, cpu_s, interleaved, judge, most_kib, ratio, show, spread
from qoslab.core.context import Context
from qoslab.domains.prediction import online
from qoslab.domains.prediction.data import Known
from qoslab.domains.prediction.deploy.kept import KeptModel, save_model
from qoslab.domains.prediction.deploy.live import Live, Measurement
from qoslab.domains.prediction.deploy.making import Making, make_model
from qoslab.domains.prediction.factor_analysis import factorise, scale_of
from qoslab.domains.prediction.methods.factor_analysis import FactorAnalysis
from qoslab.domains.prediction.methods.sharp_qos import SharpQos
from qoslab.domains.prediction.methods.uipcc import UIPCC
from qoslab.domains.prediction.selection import Limit
from qoslab.domains.prediction.sharp.train import train
from qoslab.learning.session import deterministic

USERS, SERVICES, RATE, SECONDS, CONNECTIONS = 339, 5825, 200, 10, 8


ASKED = 20_000


def measurements(share: float = 0.05, users: int = USERS, services: int = SERVICES) -> Known:
    rng = np.random.default_rng(0)
    logs = rng.standard_normal((2, users, 4)) @ rng.standard_normal((4, services)) / 2
    values = np.exp(logs + 0.3 * rng.standard_normal(logs.shape))
    return Known(("rt", "tp"), np.where(rng.random((users, services)) < share, values, np.nan))


def ask(port: int, first: int, begun: float, latencies: list[float]) -> None:
    """One connection's questions: every `CONNECTIONS`-th of all."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    rng = np.random.default_rng(first)
    for number in range(first, RATE * SECONDS, CONNECTIONS):
        due = begun + number / RATE
        time.sleep(max(0.0, due - time.perf_counter()))
        question = {"user": str(rng.integers(USERS)), "service": str(rng.integers(SERVICES))}
        connection.request("POST", "/predict", json.dumps(question))
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:
            message = f"status {answer.status}"
            raise RuntimeError(message)
        latencies.append(time.perf_counter() - due)


def load(port: int, pid: int) -> tuple[np.ndarray, float]:
    """Latencies of one run of questions, s, and the server's CPU seconds per question."""
    latencies: list[float] = []
    before, begun = server_cpu_s(pid), time.perf_counter() + 0.2
    threads = [threading.Thread(target=ask, args=(port, i, begun, latencies)) for i in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(latencies) != RATE * SECONDS:
        message = f"{RATE * SECONDS - len(latencies)} questions went unanswered"
        raise RuntimeError(message)
    return np.array(latencies), (server_cpu_s(pid) - before) / len(latencies)


def server_cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def http_rows(model: KeptModel) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "model"
        save_model(folder, model)
        size = sum(file.stat().st_size for file in folder.iterdir())
        show("kept model", f"{size / 1e6:.1f} MB")
        command = [sys.executable, "-m", "qoslab", "prediction", "serve", str(folder), "--port", "0"]
        server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            port = int(server.stderr.readline().split()[1].rstrip(",").rpartition(":")[2])
            if hasattr(os, "sched_setaffinity"):
                os.sched_setaffinity(server.pid, {max(os.sched_getaffinity(0))})
            load(port, server.pid)
            runs = [load(port, server.pid) for _ in range(3)]
        finally:
            server.terminate()
            server.wait()
    for share in (50, 99):
        figures = [float(np.percentile(latencies, share)) * 1e3 for latencies, _ in runs]
        bound = {"at_most": 20.0} if share == 99 else {}
        what = f"POST /predict at {RATE}/s, {share}th percentile"
        if bound:
            judge(what, spread(figures), ".2f", "ms", **bound)
        else:
            show(what, f"{spread(figures):.2f} ms")
    show("CPU of the server per question", f"{spread([cost * 1e3 for _, cost in runs]):.3f} ms")


def library_rows(model: KeptModel) -> None:
    live = Live(model)
    live.absorb([Measurement("1", "1", [1.0, 1.0])])
    limits = [Limit(0, 0.5, at_most=True), Limit(1, 2.0, at_most=False)]
    rows = {
        "one answer, without HTTP": (lambda: live.answer("7", ["9"]), 300),
        "one measurement taken in, without HTTP": (
            lambda: live.absorb([Measurement("7", "9", [1.0, 1.0])]),
            300,
        ),
        f"the best 10 of {SERVICES} under two limits": (lambda: live.best("7", limits, 10), 10),
    }
    for what, (work, times) in rows.items():
        figures = [cpu_s(lambda w=work, n=times: [w() for _ in range(n)]) / times * 1e3 for _ in range(5)]
        show(what, f"{spread(figures):.3f} ms CPU")


def online_rows(known: Known) -> None:
    scale = scale_of(known.values)
    table = scale.forward(known.values).reshape(-1, SERVICES)
    rng = np.random.default_rng(1)
    fit = factorise(table, 8, 25, rng, Context())
    training = [cpu_s(lambda: factorise(table, 8, 25, rng, Context())) for _ in range(3)]
    memory = online.Memory()
    state = online.start(fit, table, 2, memory)
    users, services = rng.integers(USERS, size=20_000), rng.integers(SERVICES, size=20_000)
    values = rng.standard_normal((20_000, 2))
    online.learn(state, users[:1], services[:1], values[:1], memory)
    each = [cpu_s(lambda: online.learn(state, users, services, values, memory)) / 20_000 for _ in range(3)]
    show("factor analysis from nothing", f"{spread(training):.2f} s CPU")
    show("one measurement of two parameters, compiled", f"{spread([x * 1e6 for x in each]):.2f} us CPU")
    ratio = Spread(*(training[1] / x for x in (spread(each).median, spread(each).most, spread(each).least)))
    show("measurements taken in for the price of one training", f"{ratio:.0f}")


def neighbourhood_rows() -> None:
    """UIPCC completes both tables; Surprise is asked for some cells of the first, for all would take it minutes."""
    from surprise import KNNBaseline

    from qoslab.domains.prediction.surprise_adapter import trainset

    known = measurements(0.1)
    rng = np.random.default_rng(1)
    users, services = rng.integers(USERS, size=ASKED).tolist(), rng.integers(SERVICES, size=ASKED).tolist()
    model = KNNBaseline(k=40, sim_options={"name": "pearson_baseline"}, verbose=False)
    fit = cpu_s(lambda: model.fit(trainset(known.values[0], "prediction/surprise_knn")))

    def ours() -> float:
        return cpu_s(lambda: UIPCC().predict(known, np.random.SeedSequence(0), Context()))

    def surprise() -> float:
        return cpu_s(lambda: [model.predict(u, s) for u, s in zip(users, services, strict=True)])

    figures = interleaved({"ours": ours, "surprise": surprise}, 3)
    judge(f"UIPCC completes {USERS} x {SERVICES} x 2", spread(figures["ours"]), ".2f", "s CPU", at_most=10)
    show(
        f"Surprise's KNNBaseline by users: fit, {ASKED} cells",
        f"{fit:.2f}, {spread(figures['surprise']):.2f} s CPU",
    )
    over = ratio(figures["surprise"], figures["ours"])
    cells = 2 * USERS * SERVICES / ASKED
    show("Surprise's CPU per cell over UIPCC's", f"{Spread(*(cells * x for x in over)):.0f}")


def network(part: str) -> dict[str, float]:
    """What the network costs in this process: all cells three times after five steps, or one whole training."""
    if part == "prediction":
        known, method = measurements(), SharpQos(steps=5, device="cpu")
        rng = np.random.default_rng(1)
        network_of = [rng.integers(90, size=count) for count in (USERS, SERVICES)]
        sides = [{"country": codes // 3, "as": codes} for codes in network_of]
        known = Known(known.parameters, known.values, *sides)
    else:
        known, method = measurements(0.1, 142, 4500), SharpQos(patience=10_000, device="cpu")
    with deterministic(np.random.SeedSequence(0)) as torch:
        begun, before = time.perf_counter(), time.process_time()
        trained = train(torch, known, method._architecture(), method._recipe(), Context())
        spent = {"training_cpu_s": time.process_time() - before, "training_s": time.perf_counter() - begun}
        tables = [cpu_s(trained.tables) for _ in range(4)][1:]
    return spent | {
        "least": min(tables),
        "median": float(np.median(tables)),
        "most": max(tables),
        "steps": float(trained.series["step"][-1]),
        "mib": most_kib() / 1024,
    }


def network_rows(*, training: bool) -> None:
    for part in ("prediction", "training") if training else ("prediction",):
        command = [sys.executable, "-m", "benchmarks.prediction_speed", "--part", part]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        found = json.loads(done.stdout)
        if part == "prediction":
            size = f"{USERS} x {SERVICES} x 2"
            spent = Spread(found["median"], found["least"], found["most"])
            judge(f"sharp_qos predicts {size}", spent, ".2f", "s CPU", at_most=1)
        else:
            size = "142 x 4500 x 2"
            spent = spread([found["training_cpu_s"]])
            judge(f"sharp_qos, {found['steps']:.0f} steps on {size}", spent, ".0f", "s CPU", at_most=600)
            show("the same by the clock", f"{found['training_s']:.0f} s")
        judge(f"most memory, {size}", spread([found["mib"]]), ".0f", "MiB", at_most=4096)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=("network",), help="these rows alone")
    parser.add_argument("--training", action="store_true", help="train the network whole, too")
    parser.add_argument("--part", choices=("prediction", "training"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part is not None:
        print(json.dumps(network(given.part)))
        return
    network_rows(training=given.training)
    if given.only is None:
        all_others()


def all_others() -> None:
    neighbourhood_rows()
    known = measurements()
    method = FactorAnalysis()
    spent: list[KeptModel] = []
    cost = cpu_s(lambda: spent.append(make_model(known, "factor_analysis", method, Making(), Context())))
    show(f"train and calibrate {USERS} x {SERVICES} x 2", f"{cost:.1f} s CPU")
    http_rows(spent[0])
    library_rows(spent[0])
    online_rows(known)


if __name__ == "__main__":
    main()
