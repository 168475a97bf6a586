"""Repeater chains and networks of up to 1,000 nodes: CPU seconds, memory, and whole single runs, each with its bound.

    python -m benchmarks.entanglement_speed

CPU seconds, medians over rounds with their extremes. Replicas of one call come first: compiling (once per machine),
importing and loading kernels are not counted there and have lines of their own. A whole single run is a new process
that imports, loads kernels from the cache, runs once and ends; so is the warm start, of three nodes for 3 s.

Beside stand figures of MQNS (snapshot 278041c), CPU seconds per simulated second on a quiet machine of 2 cores;
`benchmarks.entanglement_peers` measures both in one run where MQNS is installed. On its random networks all requests
share two memories per link; here each has two of its own, so links make more pairs.
"""

import resource
import sys
import tempfile
from collections import Counter
from itertools import pairwise
from pathlib import Path
from statistics import mean

import numpy as np

from benchmarks.common import Child, child, cpu_s, judge, show, spread
from qoslab.core.context import Context
from qoslab.core.outcome import Outcome
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.methods.shortest_path import ShortestPath
from qoslab.domains.entanglement.model import run, warm
from qoslab.domains.entanglement.peer import SIX_NODES_KM, chain_scenario
from qoslab.domains.entanglement.scenario import EntanglementScenario
from qoslab.domains.entanglement.world import make_world

ROUNDS = 3
FASTER = 100
"""How many times less CPU than MQNS is wanted."""

ONCE = """
import resource, sys
from pathlib import Path
from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.methods.shortest_path import ShortestPath
from qoslab.domains.entanglement.model import run
from qoslab.domains.entanglement.scenario import EntanglementScenario
scenario = EntanglementScenario.model_validate_json(Path(sys.argv[1]).read_text())
list(run(scenario, ShortestPath(), [Seed()], Context()))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


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


def replicas(scenario: EntanglementScenario, count: int) -> tuple[list[float], list[Outcome]]:
    """CPU seconds of all replicas in one call, one figure per round, and the outcomes."""
    seeds = [Seed(replication=replication) for replication in range(count)]
    found: list[Outcome] = []

    def call() -> None:
        found[:] = run(scenario, ShortestPath(), seeds, Context())

    return [cpu_s(call) for _ in range(ROUNDS)], found


def once(scenario: EntanglementScenario, rounds: int = ROUNDS) -> list[Child]:
    """Whole processes that run a scenario once; each prints its largest memory in KiB."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "scenario.json")
        path.write_text(scenario.model_dump_json(exclude_unset=True))
        return [child([sys.executable, "-c", ONCE, str(path)]) for _ in range(rounds)]


def against_peer(name: str, scenario: EntanglementScenario, count: int, theirs: float) -> None:
    """Replicas in one call and a whole single run, both beside the peer's CPU seconds per simulated second."""
    seconds, found = replicas(scenario, count)
    made = mean(each.counters["pairs_created"] for each in found) * count
    show(
        f"{name}, mean of {count}",
        f"{spread([each / (count * scenario.horizon_s) for each in seconds]):.5f} CPU s per simulated second, "
        f"MQNS {theirs:.3f}, {spread([made / each / 1e6 for each in seconds]):.2f} million link pairs per CPU s",
    )
    faster = spread([theirs * scenario.horizon_s * count / each for each in seconds])
    judge(f"{name}: over MQNS", faster, ".0f", "times less CPU", at_least=FASTER)
    whole = [each.cpu_s for each in once(scenario)]
    show(
        f"{name}: a whole single run",
        f"{spread(whole):.2f} CPU s, {spread([theirs * scenario.horizon_s / each for each in whole]):.2f} of MQNS's "
        "speed, whose import and start are not counted",
    )


def three_nodes() -> None:
    """The chain of 32 and 18 km for 3 s: warm start, and a thousand replicas in one call."""
    chain = chain_scenario([32.0, 18.0])
    judge(
        "warm start, 3 nodes for 3 s, whole process",
        spread([each.cpu_s for each in once(chain, 5)]),
        ".2f",
        "CPU s",
        at_most=1.5,
    )
    seconds, _ = replicas(chain, 1_000)
    judge("3 nodes for 3 s, 1,000 replicas in one call", spread(seconds), ".2f", "CPU s", at_most=5.0)


def thousand_nodes() -> None:
    """100 requests among 1,000 nodes for 10 s, in a process of its own with import and loading of kernels."""
    name = "1,000 nodes, 100 requests, 10 s, whole process"
    done = once(random_network(1_000, 1_250, 100, 10.0, 0.02))
    judge(name, spread([each.cpu_s for each in done]), ".2f", "CPU s", at_most=60.0)
    judge(
        f"{name}: memory",
        spread([int(each.output) / 1024 for each in done]),
        ".0f",
        "MiB",
        at_most=1e9 / 2**20,
    )


def main() -> None:
    chain = chain_scenario([32.0, 18.0])
    show(
        "compiling or loading the kernels",
        f"{cpu_s(lambda: warm([(chain, ShortestPath())], Context())):.2f} CPU s",
    )
    three_nodes()
    against_peer("(b) 6 nodes, 3 pairs, 3 s", chain_scenario(SIX_NODES_KM, pairs=3), 50, 2.60 / 3)
    for nodes, links, requests, theirs in ((16, 20, 2, 0.69), (64, 80, 6, 2.57), (128, 160, 12, 4.34)):
        scenario = random_network(nodes, links, requests, 1.0, 0.005)
        against_peer(f"(c) {nodes} nodes, {links} links, {requests} requests, 1 s", scenario, 10, theirs)
    thousand_nodes()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    show("largest memory of this process", f"{most:.0f} MiB")


if __name__ == "__main__":
    main()
