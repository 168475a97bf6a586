"""Our simulator beside MQNS and SeQUeNCe in one run: rates, fidelities and CPU seconds of the same cases.

    python -m benchmarks.entanglement_peers --mqns PYTHON [--mqns-source FOLDER] [--sequence PYTHON]
        [--seeds 4] [--first 1] [--only paths|classes|measured|sequence]

PYTHON is an interpreter in which the peer can be imported, FOLDER its source where it is not installed. A peer that is
not named is left out, and one that cannot be imported is told. The peers run in processes of their own.

CPU seconds are of building and running, per simulated second: ours the mean over all replicas of one call, with
compilation and import left out and shown; theirs the mean over their seeds. z is the difference in its standard errors,
the peer's few runs taken to spread as our many; |z| <= 3.5 is accepted. SeQUeNCe makes pairs otherwise, so that each
side is held against its own closed form. Requests have memories of their own in both, so
that both do the same. `--only measured` runs the figures of MQNS again that `qoslab verify entanglement` holds ours
against, and `studies/entanglement/waits.toml`, with their seeds; the last of them needs the data set `mqns-runs`.
"""

import argparse
import json
import os
import subprocess
import time
from pathlib import Path
from statistics import mean, stdev

import numpy as np

from benchmarks.entanglement_speed import random_network
from benchmarks.peers import sequence_forms
from qoslab.core.context import Context
from qoslab.core.errors import MissingData
from qoslab.core.registry import registry
from qoslab.core.seeds import Seed
from qoslab.datasets.locate import resolver
from qoslab.domains.entanglement.data import random_sixteen_networks
from qoslab.domains.entanglement.links import link_timing, single_pair_rate, two_link_rate
from qoslab.domains.entanglement.methods.shortest_path import ShortestPath
from qoslab.domains.entanglement.model import run
from qoslab.domains.entanglement.peer import (
    SIX_NODES,
    SIX_NODES_KM,
    TENTH_NETWORK,
    THREE_NODES,
    WAITS,
    InstalledPaths,
    chain_scenario,
    network_scenario,
)
from qoslab.domains.entanglement.scenario import EntanglementScenario, example
from qoslab.domains.entanglement.world import make_world, widths

HERE = Path(__file__).parent / "peers"
SWAPS = {
    "asap": "asap", "left_to_right": "l2r", "right_to_left": "r2l", "balanced": "baln", "balanced_mirrored": "baln2",
}  # fmt: skip
OURS = 200


def case_of(scenario, order, seeds, phases_s=None, method=None):
    """A scenario of planned paths as the peer's driver reads it."""
    world = make_world(scenario, Seed(), Context())
    plan = (method or ShortestPath(order)).plan(world.view, np.random.default_rng(0), Context())
    shares = widths(world, plan)
    names, network = world.network.nodes, world.network
    ends = zip(network.tail, network.head, network.require("length_km"), world.links, strict=True)
    return {
        "links": [[names[a], names[b], float(km), link.pairs] for a, b, km, link in ends],
        "paths": [
            {"nodes": [names[node] for node in path.nodes], "width": share, "swap": SWAPS[order]}
            for path, (_, share) in zip(plan.paths, shares, strict=True)
        ],
        "coherence_s": scenario.nodes.coherence_s,
        "swap_success": scenario.nodes.swap_success,
        "horizon_s": scenario.horizon_s,
        "phases_s": phases_s,
        "seeds": list(seeds),
    }


def seeds_of(args):
    """Seeds of the peer's runs."""
    return range(args.first, args.first + args.seeds)


def asked(python, driver, case, source=None):
    """The peer's lines, or one sentence on why there are none."""
    environment = os.environ | ({"PYTHONPATH": source} if source else {})
    command = [python, str(HERE / driver)]
    try:
        done = subprocess.run(
            command, input=json.dumps(case), capture_output=True, text=True, env=environment, check=False
        )
    except OSError as error:
        return f"{python} cannot be run: {error.strerror}"
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["it failed without a word"])[-1]
    return [json.loads(line) for line in done.stdout.splitlines()]


def ours(scenario, method, replicas):
    """Total rates and mean fidelities of replicas in one call, and CPU seconds of one."""
    begun = time.process_time()
    found = list(run(scenario, method, [Seed(0, "peers", "", place) for place in range(replicas)], Context()))
    spent = (time.process_time() - begun) / replicas
    rates = [each.metrics["rate_per_s"] for each in found]
    fidelities = [each.metrics["fidelity"] for each in found if "fidelity" in each.metrics]
    return rates, fidelities, spent


def error(values):
    return stdev(values) / len(values) ** 0.5 if len(values) > 1 else float("nan")


def z_of(mine, theirs):
    """The difference in its standard errors; the peer's few runs are taken to spread as our many do."""
    if len(mine) < 2 or not theirs or stdev(mine) == 0:
        return float("nan")
    return (mean(mine) - mean(theirs)) / (stdev(mine) * (1 / len(mine) + 1 / len(theirs)) ** 0.5)


def fidelities_of(lines):
    """Mean fidelity of all pairs of each run that delivered any."""
    return [line["fidelity"] for line in lines if line["rate"] > 0]


def compared(name, scenario, order, args):
    """One row of planned paths: both sides' rates, fidelities and CPU seconds."""
    lines = asked(args.mqns, "mqns_case.py", case_of(scenario, order, seeds_of(args)), args.mqns_source)
    if isinstance(lines, str):
        print(f"{name:34} not run: {lines}", flush=True)
        return
    rates, fidelities, spent = ours(scenario, ShortestPath(order), OURS if scenario.horizon_s > 1 else 50)
    peer_rates, peer_fidelities = [line["rate"] for line in lines], fidelities_of(lines)
    theirs = mean(line["cpu_s"] for line in lines)
    print(
        f"{name:34} {mean(rates):8.1f} {mean(peer_rates):8.1f} {z_of(rates, peer_rates):6.2f} "
        f"{mean(fidelities):7.3f} {mean(peer_fidelities):7.3f} {z_of(fidelities, peer_fidelities):6.2f} "
        f"{spent / scenario.horizon_s:9.5f} {theirs / scenario.horizon_s:8.3f} {theirs / spent:7.0f}x",
        flush=True,
    )


def geant(**changes):
    """GEANT with fibres at 3 % of their length, four memories per link, three requests whose paths share no link."""
    raw = {
        "network": {"topohub": "topozoo/Geant2012", "length_factor": 0.03},
        "links": {"pairs": 4},
        "nodes": {"coherence_s": 0.02, "swap_success": 0.8},
        "requests": [{"source": a, "target": b} for a, b in (("0", "20"), ("3", "30"), ("5", "12"))],
        "horizon_s": 0.5,
    }
    return EntanglementScenario.model_validate(raw | changes)


CLASSES = {
    "proactive": ("shortest_path", "multicommodity_flow", "q_cast", "n_fusion"),
    "reactive": ("reactive_central", "max_weight"),
    "opportunistic": ("opportunistic", "stock_balancing"),
    "virtual": ("super_links", "local_best_effort"),
}
EXTERNAL_S, TALK_S = 0.004, 0.001


def classes(args):
    """All four classes on GEANT in the same emptied slots; the peer has the reactive class in slots alone."""
    phases = {
        "external_s": EXTERNAL_S,
        "routing_s": TALK_S,
        "internal_s": TALK_S,
        "clear": True,
        "for_all": True,
    }
    scenario = geant(phases=phases, horizon_s=0.2)
    print(
        f"\nGEANT in slots of {EXTERNAL_S * 1e3:g} ms, memories emptied: class, method, pairs/s of all requests"
    )
    for kind, names in CLASSES.items():
        for name in names:
            method = registry.method("entanglement", name).cls()
            rates, fidelities, _ = ours(scenario, method, 4)
            print(
                f"  {kind:14} {name:22} {mean(rates):8.1f} +- {error(rates):5.1f}  F {mean(fidelities or [0]):.3f}"
            )
    case = case_of(geant(horizon_s=0.2), "asap", seeds_of(args), [EXTERNAL_S, TALK_S, TALK_S])
    lines = asked(args.mqns, "mqns_case.py", case, args.mqns_source)
    if isinstance(lines, str):
        print(f"  reactive       MQNS, centralised: not run: {lines}")
        return
    rates = [line["rate"] for line in lines]
    fidelity = mean(fidelities_of(lines) or [0])
    print(
        f"  reactive       MQNS, centralised      {mean(rates):8.1f} +- {error(rates):5.1f}  F {fidelity:.3f}"
    )
    print("  opportunistic  MQNS: has none\n  virtual        MQNS: has none")


def paths(args):
    """Planned paths."""
    print(
        f"{'case':34} {'ours/s':>8} {'MQNS/s':>8} {'z':>6} {'F ours':>7} {'F MQNS':>7} {'z':>6} "
        f"{'CPU s':>9} {'MQNS':>8} {'faster':>8}"
    )
    compared("3 nodes", chain_scenario([32.0, 18.0]), "asap", args)
    for order in SWAPS:
        compared(f"6 nodes, {order}", chain_scenario(SIX_NODES_KM, pairs=3), order, args)
    compat = {"memory": {"compat": "mqns", "selection": "first"}}
    for nodes, links, requests in ((16, 20, 2), (64, 80, 6), (128, 160, 12)):
        scenario = random_network(nodes, links, requests, 1.0, 0.005)
        scenario = EntanglementScenario.model_validate(scenario.model_dump(exclude_unset=True) | compat)
        compared(f"random {nodes}/{links}, {requests} requests", scenario, "asap", args)
    compared("GEANT, 3 requests, memories taken", geant(**compat), "asap", args)


def measured(args):
    """The figures of MQNS that ours are held against, with the seeds they were made with."""
    print(f"{'case':34} {'seeds':>5} {'rate':>8} {'sd':>6} {'F':>7} {'sd':>7}")
    for coherence, known in THREE_NODES.items():
        scenario = chain_scenario([32.0, 18.0], coherence_s=coherence)
        again(f"3 nodes, coherence {coherence * 1e3:g} ms", scenario, known, args)
    for order, known in SIX_NODES.items():
        again(f"6 nodes, {order}", chain_scenario(SIX_NODES_KM, pairs=3), known, args, order)
    waits(args)
    try:
        networks = random_sixteen_networks(resolver())
    except MissingData as error:
        print(f"16 nodes: not run: {error}")
        return
    tenth = next(network for network in networks if network.opposed())
    method = InstalledPaths(tuple(each.path for each in tenth.requests))
    name = f"16 nodes, network {tenth.name}"
    again(name, network_scenario(tenth), TENTH_NETWORK, args, method=method)


BUDGETS_S = {
    "0.75": (0.031731, 0.023798),
    "0.7823": (0.023991, 0.017993),
    "0.8146": (0.017056, 0.012792),
    "0.8469": (0.010775, 0.008081),
    "0.8791": (0.005053, 0.003789),
    "0.8904": (0.003155, 0.002367),
    "0.9001": (0.001569, 0.001177),
    "0.9098": (1.9e-05, 1.4e-05),
}
"""What MQNS's example s2uc lets pairs wait, by the fidelity that is to be kept."""

EQUAL = "equal shares"
STATES = {
    EQUAL: [[f, (1 - f) / 3, (1 - f) / 3, (1 - f) / 3] for f in (0.9474, 0.9677)],
    "its own": [
        [0.9474, 0.0526 * 0.7147, 0.0526 * 0.1427, 0.0526 * 0.1427],
        [0.9677, 0.0323 * 0.6907, 0.0323 * 0.1547, 0.0323 * 0.1547],
    ],
}
"""New pairs of both links, I, Z, X and Y: those of the study, and those of the example."""

CHAIN = {
    "kilometres": [32.0, 18.0],
    "coherence_s": [0.2, 0.1, 0.1],
    "detector_efficiency": 0.58,
    "source_efficiency": 0.99,
    "reset_s": 1.25e-8,
    "setup_s": 1e-5,
    "swap_success": 0.5,
    "swap_delay_s": 340e-6,
    "horizon_s": 1.0,
}


def waits(args):
    """The chain of `studies/entanglement/waits.toml` in MQNS, with new pairs as there, and as in its own example."""
    for name, known in WAITS.items():
        for start, states in STATES.items():
            case = CHAIN | {"states": states, "waits_s": BUDGETS_S[name]}
            case["seeds"] = list(range(100, 100 + known.seeds))
            lines = asked(args.mqns, "mqns_waits.py", case, args.mqns_source)
            told(f"waits for {name}, {start}", lines, known if start == EQUAL else None)


def again(name, scenario, known, args, order="asap", method=None):
    """A row of recorded figures, made again, and whether they came out as they are written."""
    case = case_of(scenario, order, range(100, 100 + known.seeds), method=method)
    told(name, asked(args.mqns, "mqns_case.py", case, args.mqns_source), known)


def told(name, lines, known):
    """A line of rates and fidelities, and whether they are those that are written down; `known` is None for none."""
    if isinstance(lines, str):
        print(f"{name:34} not run: {lines}", flush=True)
        return
    rates, fidelities = [line["rate"] for line in lines], fidelities_of(lines)
    found = mean(rates), stdev(rates), mean(fidelities), stdev(fidelities)
    said = ""
    if known is not None:
        written = known.rate, known.rate_sd, known.fidelity, known.fidelity_sd
        same = all(round(got, n) == each for got, each, n in zip(found, written, (2, 2, 4, 4), strict=True))
        said = "as written down" if same else f"written down: {written}"
    print(
        f"{name:34} {len(lines):5} {found[0]:8.2f} {found[1]:6.2f} {found[2]:7.4f} {found[3]:7.4f}  {said}",
        flush=True,
    )


def sequence(args):
    """One link and two links with a repeater, one memory at each end of a link."""
    for kilometres in ([20.0], [20.0, 10.0]):
        compared_with_sequence(kilometres, args)


def compared_with_sequence(kilometres, args):
    """Pairs per second of a chain without decay: swaps of 1/2, all efficiencies 0.95, Barrett-Kok links.

    The two do not make pairs alike (see `peers.sequence_forms`), so each is held against its own closed form.
    """
    case = {
        "kilometres": kilometres,
        "horizon_s": 1.0,
        "seeds": list(seeds_of(args)),
        "detector_efficiency": 0.95,
        "source_efficiency": 0.95,
        "swap_success": 0.5,
    }
    name = "SeQUeNCe, " + " and ".join(f"{km:g} km" for km in kilometres)
    lines = asked(args.sequence, "sequence_case.py", case)
    if isinstance(lines, str):
        print(f"{name:34} not run: {lines}")
        return
    scenario = chain_scenario(kilometres, coherence_s=1e6, horizon_s=1.0, compat="none")
    rates, _, spent = ours(scenario, ShortestPath(), OURS)
    peer_rates, theirs = [line["rates"][0] for line in lines], mean(line["cpu_s"] for line in lines)
    print(
        f"{name:34} {against(rates, our_form(scenario, kilometres))}; theirs "
        f"{against(peer_rates, sequence_forms.rate(case))}; CPU s {spent:.5f} and {theirs:.2f}, {theirs / spent:.0f}x",
        flush=True,
    )


def our_form(scenario, kilometres):
    """Pairs per second of one or two of our links without decay, by renewal theory."""
    timings = [link_timing(km, scenario.links, scenario.nodes, scenario.nodes) for km in kilometres]
    return (
        single_pair_rate(*timings)
        if len(timings) == 1
        else two_link_rate(*timings, scenario.nodes.swap_success)
    )


def against(rates, expected):
    """Mean rate of several runs beside its closed form."""
    z = (mean(rates) - expected) / error(rates)
    return f"{mean(rates):.1f} pairs/s in {len(rates)} runs, closed form {expected:.1f} (z {z:+.1f})"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mqns", help="interpreter that can import mqns")
    parser.add_argument("--mqns-source", help="folder of its source")
    parser.add_argument("--sequence", help="interpreter that can import sequence")
    parser.add_argument("--seeds", type=int, default=4, help="runs of a peer per case")
    parser.add_argument("--first", type=int, default=1, help="their first seed")
    parser.add_argument("--only", choices=sorted(PARTS), help="one part alone")
    args = parser.parse_args()
    begun = time.process_time()
    ours(example(), ShortestPath(), 2)
    print(f"compiling or loading our kernels: {time.process_time() - begun:.2f} CPU s, not counted below")
    for name, (peer, part) in PARTS.items():
        if args.only not in (None, name):
            continue
        if getattr(args, peer) is None:
            print(f"{name}: not run, no interpreter named (--{peer} PYTHON)")
        else:
            part(args)


PARTS = {
    "paths": ("mqns", paths),
    "classes": ("mqns", classes),
    "measured": ("mqns", measured),
    "sequence": ("sequence", sequence),
}

if __name__ == "__main__":
    main()
