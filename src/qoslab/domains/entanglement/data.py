"""Random networks that MQNS was run on, with what each run gave."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

__all__ = ["PeerNetwork", "PeerRequest", "random_sixteen_networks"]

_TOPOLOGIES = "mqns-runs/random16_topologies.json"
_RESULTS = "mqns-runs/random16_mqns_results.json"


@dataclass(frozen=True)
class PeerRequest:
    """A request, and what one run of the peer gave its users.

    Attributes:
        path: The nodes of its path, from one user to the other.
        rate_per_s: Pairs per second.
        fidelity: Their mean fidelity; 0 where there were none.
    """

    path: tuple[str, ...]
    rate_per_s: float
    fidelity: float


@dataclass(frozen=True)
class PeerNetwork:
    """A network, and one run of the peer on it.

    Attributes:
        name: The seed that drew it.
        links: Ends of each link; all are 30 km long.
        requests: Who wanted pairs.
        link_pairs: Pairs that all links made.
    """

    name: str
    links: tuple[tuple[str, str], ...]
    requests: tuple[PeerRequest, ...]
    link_pairs: int

    def opposed(self) -> tuple[str, str] | None:
        """The first link that two paths use in opposite directions, if there is one."""
        used = {hop for request in self.requests for hop in pairwise(request.path)}
        return next((hop for hop in sorted(used) if hop[::-1] in used), None)


def random_sixteen_networks(dataset: Callable[[str], Path]) -> list[PeerNetwork]:
    """Ten networks of 16 nodes and 20 links with two requests each, by the seeds that drew them.

    Args:
        dataset: `Context.dataset`.

    Raises:
        MissingData: The files are not on this machine.
        AlteredData: They are not those that were measured.
    """
    drawn = json.loads(dataset(_TOPOLOGIES).read_bytes())
    runs = {str(each["seed"]): each for each in json.loads(dataset(_RESULTS).read_bytes())["runs"]}
    found = []
    for name, network in drawn.items():
        got = runs[name]
        requests = [
            PeerRequest(tuple(path), *map(float, got["requests"][f"{path[0]}-{path[-1]}"]))
            for path in network["paths"]
        ]
        links = tuple((source, target) for source, target in network["edges"])
        found.append(PeerNetwork(name, links, tuple(requests), int(got["etg"])))
    return found
