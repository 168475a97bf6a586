"""Repeater chains and a network of 1,000 nodes: CPU seconds per simulated second, memory, and elementary pairs.

    python benchmarks/entanglement_speed.py

CPU seconds of this process, medians over three rounds; compiling (once per machine) and importing are not counted. The
warm start is a new process that imports, loads the kernels from the cache and runs three nodes for 0.2 s; its bound is
1.5 CPU s.
Beside stand figures of MQNS (snapshot 278041c), CPU seconds per simulated second on a quiet machine of 2 cores. On its
random networks all requests share two memories per link; here each has two of its own, so links make more pairs.
"""

import resource
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise
from statistics import median

import numpy as np

from qoslab.core.context import Context
from qoslab.core.outcome import Outcome
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.methods.shortest_path import ShortestPath
from qoslab.domains.entanglement.model import run, warm
from qoslab.domains.entanglement.peer import SIX_NODES_KM, chain_scenario
from qoslab.domains.entanglement.scenario import EntanglementScenario
from qoslab.domains.entanglement.world import make_world

ROUNDS = 3


def random_network(
    nodes: int, links: int, requests: int, horizon_s: float, coherence_s: float
) -> EntanglementScenario:
    """A random connected network of 30 km links; every request has two memories at each end of its path's links."""
    rng = np.random.default_rng(1)
    ends = [(int(rng.integers(0, node)), node) for node in range(1, nodes)]
    known = set(ends)
    while len(ends) < links:
        first, second = sorted(int(each) for each in rng.integers(0, nodes, 2))
        if first != second and (first, second) not in known:
            known.add((first, second))
            ends.append((first, second))
    wanted = [rng.choice(nodes, 2, replace=False) for _ in range(requests)]
    raw = {
        "network": {"links": [{"source": f"n{a}", "target": f"n{b}", "length_km": 30.0} for a, b in ends]},
        "requests": [{"source": f"n{a}", "target": f"n{b}"} for a, b in wanted],
        "horizon_s": horizon_s,
        "nodes": {"coherence_s": coherence_s},
    }
    view = make_world(EntanglementScenario.model_validate(raw), Seed(), Context()).view
    paths = ShortestPath().plan(view, rng, Context()).paths
    used = Counter(tuple(sorted(hop)) for path in paths for hop in pairwise(path.nodes))
    names = view.network.nodes
    raw["link_overrides"] = [
        {"source": names[a], "target": names[b], "hardware": {"pairs": 2 * count}}
        for (a, b), count in used.items()
    ]
    return EntanglementScenario.model_validate(raw)


def spent(scenario: EntanglementScenario, replicas: int) -> tuple[float, list[Outcome]]:
    """CPU seconds per replica, median over rounds, and the outcomes."""
    seeds = [Seed(replication=replication) for replication in range(replicas)]
    times, found = [], []
    for _ in range(ROUNDS if replicas > 1 else 1):
        before = time.process_time()
        found = list(run(scenario, ShortestPath(), seeds, Context()))
        times.append((time.process_time() - before) / replicas)
    return median(times), found


def warm_start() -> float:
    """CPU seconds of a whole process that runs the smallest scenario once, median over rounds."""
    program = (
        "from qoslab.core.context import Context; from qoslab.domains.entanglement.model import warm; "
        "from qoslab.domains.entanglement.methods.shortest_path import ShortestPath as Method; "
        "from qoslab.domains.entanglement.scenario import example; warm([(example(), Method())], Context())"
    )
    times = []
    for _ in range(ROUNDS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", program], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return median(times)


def row(name: str, scenario: EntanglementScenario, replicas: int, theirs: float | None) -> None:
    """One line of the table."""
    seconds, found = spent(scenario, replicas)
    pairs = sum(each.counters["pairs_created"] for each in found) / len(found)
    per_second = seconds / scenario.horizon_s
    against = f"{theirs:7.3f} {theirs / per_second:8.0f}x" if theirs else " " * 17
    print(f"{name:44} {seconds:9.4f} {per_second:9.5f} {pairs / seconds / 1e6:9.2f} {against}", flush=True)


def main() -> None:
    before = time.process_time()
    warm([(chain_scenario([32.0, 18.0]), ShortestPath())], Context())
    print(f"compiling or loading the kernels: {time.process_time() - before:.2f} CPU s")
    start = warm_start()
    print(f"warm start, whole process: {start:.2f} CPU s, bound 1.5: {'met' if start <= 1.5 else 'NOT met'}")
    print(f"{'case':44} {'CPU s':>9} {'per sim s':>9} {'M pairs/s':>9} {'MQNS':>7} {'faster':>9}")
    row("3 nodes, 3 s, mean of 1,000", chain_scenario([32.0, 18.0]), 1_000, 0.309 / 3)
    row("6 nodes, 3 pairs, 3 s, mean of 50", chain_scenario(SIX_NODES_KM, pairs=3), 50, 2.60 / 3)
    for nodes, links, requests, theirs in ((16, 20, 2, 0.69), (64, 80, 6, 2.57), (128, 160, 12, 4.34)):
        scenario = random_network(nodes, links, requests, 1.0, 0.005)
        row(f"random {nodes}/{links}, {requests} requests, 1 s, mean of 10", scenario, 10, theirs)
    row("random 1,000/1,250, 100 requests, 10 s", random_network(1_000, 1_250, 100, 10.0, 0.02), 1, None)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"largest memory of the process: {most:.0f} MB")


if __name__ == "__main__":
    main()
