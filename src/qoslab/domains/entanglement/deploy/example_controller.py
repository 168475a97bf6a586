"""A controller in the standard library alone: `python example_controller.py PORT`. It joins pairs along shortest paths.

It connects to `qoslab entanglement control`, says that it wants to decide, and in each slot takes for every request the
path of fewest live pairs, found by breadth-first search, until there is none.
"""

from __future__ import annotations

import json
import socket
import sys
from collections import defaultdict, deque
from itertools import pairwise
from typing import Any

__all__ = ["decide", "main", "path_of"]


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


def main(port: int) -> None:
    """Serve one run of the laboratory.

    Args:
        port: Where it listens.
    """
    with socket.create_connection(("127.0.0.1", port)) as connection, connection.makefile("rw") as lines:

        def say(message: dict[str, Any]) -> None:
            lines.write(json.dumps(message) + "\n")
            lines.flush()

        say({"protocol": 1, "decides": True})
        requests: list[dict[str, Any]] = []
        for line in lines:
            message = json.loads(line)
            if message["type"] == "plan":
                requests = message["requests"]
                say({"seq": message["seq"], "paths": []})
            elif message["type"] == "decide":
                say({"seq": message["seq"], "swaps": decide(message, requests)})
            elif message["type"] in ("end", "error"):
                break


if __name__ == "__main__":
    main(int(sys.argv[1]))
