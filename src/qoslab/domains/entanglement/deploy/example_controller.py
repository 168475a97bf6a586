"""A controller in the standard library alone: `python example_controller.py PORT [decide | plan]`.

It connects to `qoslab entanglement control`. With `decide` it takes in each slot for every request the path of fewest
live pairs, found by breadth-first search, until there is none. With `plan` it installs one path of fewest links for
every request, with the least rounds of purification of its links for the fidelity that the request wants.
"""

from __future__ import annotations

import json
import socket
import sys
from collections import defaultdict, deque
from itertools import pairwise
from math import prod
from typing import Any

__all__ = ["decide", "main", "path_of", "plan"]

MOST_ROUNDS = 8


def path_of(pairs: dict[frozenset[str], list[int]], source: str, target: str) -> list[str]:
    """Nodes of a path of fewest pairs, empty where there is none."""
    beside = defaultdict(set)
    for ends, idents in pairs.items():
        if idents:
            a, b = ends
            beside[a].add(b)
            beside[b].add(a)
    before: dict[str, str] = {source: source}
    queue = deque([source])
    while queue:
        node = queue.popleft()
        if node == target:
            path = [node]
            while path[-1] != source:
                path.append(before[path[-1]])
            return path[::-1]
        for other in sorted(beside[node] - set(before)):
            before[other] = node
            queue.append(other)
    return []


def decide(message: dict[str, Any], requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Swaps for one state of the network."""
    pairs: dict[frozenset[str], list[int]] = defaultdict(list)
    for each in message["live"]:
        pairs[frozenset(each["ends"])].append(each["pair"])
    swaps: list[dict[str, Any]] = []
    for place, request in enumerate(requests):
        while path := path_of(pairs, request["source"], request["target"]):
            idents = [pairs[frozenset(ends)].pop() for ends in pairwise(path)]
            joints = zip(path[1:-1], pairwise(idents), strict=True)
            swaps += [{"node": node, "pairs": two, "request": place} for node, two in joints]
    return swaps


def plan(message: dict[str, Any]) -> list[dict[str, Any]]:
    """One path per request, whose links' pairs are purified as often as the request's fidelity asks for."""
    links = {frozenset((each["source"], each["target"])): each for each in message["links"]}
    paths = []
    for place, request in enumerate(message["requests"]):
        nodes = path_of({ends: [0] for ends in links}, request["source"], request["target"])
        if nodes:
            hops = [links[frozenset(ends)] for ends in pairwise(nodes)]
            rounds = [rounds_for(hops, request["fidelity"])] * len(hops)
            paths.append({"request": place, "nodes": nodes, "rounds": rounds})
    return paths


def rounds_for(hops: list[dict[str, Any]], wanted: float) -> int:
    """Least rounds on every hop that give the wanted fidelity after all swaps; 0 where the memories are too few.

    Gates and memories are taken as perfect.
    """
    werners = [(4.0 * hop["fidelity"] - 1.0) / 3.0 for hop in hops]
    for rounds in range(MOST_ROUNDS + 1):
        if min(hop["pairs"] for hop in hops) < 2**rounds:
            return 0
        if (3.0 * prod(werners) + 1.0) / 4.0 >= wanted:
            return rounds
        werners = [better(werner) for werner in werners]
    return 0


def better(werner: float) -> float:
    """Werner parameter after a round of BBPSSW of two equal pairs."""
    good, bad = (3.0 * werner + 1.0) / 4.0, (1.0 - werner) / 4.0
    success = good * good + 2.0 * good * bad + 5.0 * bad * bad
    return (4.0 * (good * good + bad * bad) / success - 1.0) / 3.0


def main(port: int, mode: str = "decide") -> None:
    """Serve one run of the laboratory.

    Args:
        port: Where it listens.
        mode: `decide` in each slot, or `plan` once per run.
    """
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rw") as lines:

        def say(message: dict[str, Any]) -> None:
            lines.write(json.dumps(message) + "\n")
            lines.flush()

        say({"protocol": 1, "decides": mode == "decide"})
        requests: list[dict[str, Any]] = []
        for line in lines:
            message = json.loads(line)
            if message["type"] == "plan":
                requests = message["requests"]
                say({"seq": message["seq"], "paths": plan(message) if mode == "plan" else []})
            elif message["type"] == "decide":
                say({"seq": message["seq"], "swaps": decide(message, requests)})
            elif message["type"] in ("end", "error"):
                break


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:3])
