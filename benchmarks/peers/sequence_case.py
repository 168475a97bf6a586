"""Runs a chain in SeQUeNCe, whose interpreter runs this file; the caller's part is `benchmarks/entanglement_peers.py`.

Reads a case as JSON from standard input and prints one JSON line per seed: pairs per second between the chain's ends
and CPU seconds of building and running. Memories do not decay.
"""

import json
import os
import sys
import tempfile
import time
import warnings
from itertools import pairwise

from sequence.app.request_app import RequestApp
from sequence.topology.router_net_topo import RouterNetTopo

PICOSECONDS = 1e12


def config(case, seed):
    """The chain as the peer's file has it: nodes n0, n1, ..., with as many memories at a node as its links need."""
    names = [f"n{place}" for place in range(len(case["kilometres"]) + 1)]
    inner = [1, *[2] * (len(names) - 2), 1]
    ends = list(pairwise(names))
    return {
        "nodes": [
            {"name": name, "type": "QuantumRouter", "seed": 100 * seed + place, "memo_size": memories}
            for place, (name, memories) in enumerate(zip(names, inner, strict=True))
        ],
        "qconnections": [
            {"node1": a, "node2": b, "attenuation": 0.0002, "distance": 1000 * km, "type": "meet_in_the_middle",
             "seed": 100 * seed + 50 + place}
            for place, ((a, b), km) in enumerate(zip(ends, case["kilometres"], strict=True))
        ],
        "cconnections": _delays(names, case["kilometres"]),
        "stop_time": int(PICOSECONDS * (case["horizon_s"] + 0.2)),
        "is_parallel": False,
    }  # fmt: skip


def _delays(names, kilometres):
    """Classical channels between all nodes, as long as the fibre between them."""
    places = [sum(kilometres[:count]) for count in range(len(names))]
    return [
        {"node1": a, "node2": b, "delay": int(PICOSECONDS * (places[j] - places[i]) / 200_000)}
        for i, a in enumerate(names)
        for j, b in enumerate(names)
        if j > i
    ]


def run(case, seed):
    """What one seed gives."""
    with tempfile.NamedTemporaryFile("w", suffix=".json", delete=False) as file:
        json.dump(config(case, seed), file)
    begun = time.process_time()
    topology = RouterNetTopo(file.name)
    os.unlink(file.name)
    timeline = topology.get_timeline()
    for node in topology.get_nodes_by_type(RouterNetTopo.BSM_NODE):
        for bsm in node.get_components_by_type("SingleAtomBSM"):
            bsm.update_detectors_params("efficiency", case["detector_efficiency"])
    apps = {}
    for node in topology.get_nodes_by_type(RouterNetTopo.QUANTUM_ROUTER):
        for memories in node.get_components_by_type("MemoryArray"):
            memories.update_memory_params("efficiency", case["source_efficiency"])
            memories.update_memory_params("frequency", 1e6)
        node.swapping_success_prob = case["swap_success"]
        apps[node.name] = RequestApp(node)
    first, last = "n0", f"n{len(case['kilometres'])}"
    start = 0.1 * PICOSECONDS
    apps[first].start(last, int(start), int(start + case["horizon_s"] * PICOSECONDS), 1, 0.5)
    timeline.init()
    timeline.run()
    pairs = apps[first].memory_counter
    return {"rates": [pairs / case["horizon_s"]], "cpu_s": time.process_time() - begun}


def main():
    warnings.simplefilter("ignore")
    case = json.load(sys.stdin)
    for seed in case["seeds"]:
        print(json.dumps(run(case, seed)), flush=True)


main()
