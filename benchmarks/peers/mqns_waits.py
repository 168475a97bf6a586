"""Runs a chain of three nodes with wait-time budgets in MQNS, whose interpreter runs this file; see `mqns_case.py`.

Reads a case as JSON from standard input and prints one JSON line per seed: pairs per second, their mean fidelity and
elementary pairs.
"""

import json
import sys

from mqns.entity.qchannel import LinkArchDimDual
from mqns.models.epr import MixedStateEntanglement
from mqns.network.builder import CTRL_DELAY, ChannelParam, NetworkBuilder, NodeDef
from mqns.network.fw import Forwarder
from mqns.network.protocol.link_layer import LinkLayer
from mqns.simulator import Simulator
from mqns.utils import log, rng


def network_of(case):
    """S, R and D; new pairs have the fidelity and the shares of Z, X and Y that the case says."""
    channels = [
        ChannelParam(ch_length=km, init_fidelity=tuple(state))
        for km, state in zip(case["kilometres"], case["states"], strict=True)
    ]
    nodes = [NodeDef(name, t_cohere=each) for name, each in zip("SRD", case["coherence_s"], strict=True)]
    builder = NetworkBuilder(epr_type=MixedStateEntanglement).topo_linear(
        nodes=nodes,
        channels=channels,
        link_arch=LinkArchDimDual,
        eta_d=case["detector_efficiency"],
        eta_s=case["source_efficiency"],
        frequency=1.0 / case["reset_s"],
        tau_0=case["setup_s"],
    )
    builder = builder.proactive_centralized(p_swap=case["swap_success"], swap_delay=case["swap_delay_s"])
    return builder.request("S-D", swap_cutoff=case["waits_s"]).make_network()


def run(case, seed):
    """What one seed gives."""
    rng.reseed(seed)
    net = network_of(case)
    Simulator(0, case["horizon_s"] + CTRL_DELAY, accuracy=1_000_000, install_to=(log, net)).run()
    apps = [app for name in "SD" for app in net.get_node(name).apps if isinstance(app, Forwarder)]
    consumed = sum(app.cnt.n_consumed for app in apps)
    fidelity = sum(float(app.cnt.consumed_sum_fidelity) for app in apps) / max(consumed, 1)
    pairs = sum(node.get_app(LinkLayer).cnt.n_etg for node in net.nodes)
    return {"rate": consumed / case["horizon_s"], "fidelity": fidelity, "pairs": pairs}


def main():
    log.set_default_level("CRITICAL")
    case = json.load(sys.stdin)
    for seed in case["seeds"]:
        print(json.dumps(run(case, seed)), flush=True)


main()
