"""Runs cases in MQNS, whose interpreter runs this file; the caller's part is `benchmarks/entanglement_peers.py`.

Reads a case as JSON from standard input and prints one JSON line per seed: pairs per second and mean fidelity of all
requests together, elementary pairs, and CPU seconds of building the network and running it.

The peer counts deliveries by node, at the end that measures last, and its counters of a path are the sums over its two
ends: where several requests end at one node, each path's counter has the other's pairs, too. So the totals are taken
over all users, each once.
"""

import json
import sys
import time

from mqns.network.builder import CTRL_DELAY, NetworkBuilder
from mqns.network.fw import Forwarder, RoutingPathStatic
from mqns.network.protocol.link_layer import LinkLayer
from mqns.simulator import Simulator
from mqns.utils import log, rng


def network_of(case):
    """The network with its requests."""
    channels = [(f"{a}-{b}", km, pairs) for a, b, km, pairs in case["links"]]
    hardware = {"t_cohere": case["coherence_s"]}
    builder = NetworkBuilder().topo(channels=channels, **hardware)
    if case["phases_s"] is None:
        builder = builder.proactive_centralized(p_swap=case["swap_success"])
        for path in case["paths"]:
            widths = [(width, width) for width in path["width"]]
            builder = builder.request(RoutingPathStatic(path["nodes"], m_v=widths, swap=path["swap"]))
    else:
        builder = builder.reactive_centralized(timing=case["phases_s"], p_swap=case["swap_success"])
        for path in case["paths"]:
            builder = builder.request(f"{path['nodes'][0]}-{path['nodes'][-1]}")
    return builder.make_network()


def run(case, seed):
    """What one seed gives."""
    rng.reseed(seed)
    begun = time.process_time()
    net = network_of(case)
    simulator = Simulator(0, case["horizon_s"] + CTRL_DELAY, accuracy=1_000_000, install_to=(log, net))
    simulator.run()
    spent = time.process_time() - begun
    users = {user for path in case["paths"] for user in (path["nodes"][0], path["nodes"][-1])}
    counters = [
        app.cnt for node in net.nodes if node.name in users for app in node.apps if isinstance(app, Forwarder)
    ]
    consumed = sum(each.n_consumed for each in counters)
    fidelity = sum(float(each.consumed_sum_fidelity) for each in counters) / max(consumed, 1)
    pairs = sum(node.get_app(LinkLayer).cnt.n_etg for node in net.nodes)
    return {"rate": consumed / case["horizon_s"], "fidelity": fidelity, "pairs": pairs, "cpu_s": spent}


def main():
    log.set_default_level("CRITICAL")
    case = json.load(sys.stdin)
    for seed in case["seeds"]:
        print(json.dumps(run(case, seed)), flush=True)


main()
