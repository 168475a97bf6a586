"""The swap order that the optimiser finds for a path of the network.

A slot of the batch model lasts as long as memories remember, less the time that word takes there and back:
T = min T_coh - 2 sum L / c; a link tries in it as often as its memories can. Swaps that take time shorten it by what
they take beyond the mean time to the first pair of the slowest link: where pairs are there early, swaps begin early.
"""

from __future__ import annotations

import numpy as np

from qoslab.domains.entanglement.protocol import View
from qoslab.domains.entanglement.routing.view import link_werners
from qoslab.domains.entanglement.swaporder.path import SwapLink, SwapPath
from qoslab.graphs.shortest import Path

__all__ = ["optimised_ranks", "swap_path"]


def swap_path(view: View, path: Path) -> SwapPath:
    """A path of the network as the optimiser sees it, without decay; every link with all of its memories.

    Args:
        view: What is known.
        path: The path.
    """
    links = [int(link) for link in path.links(view.network)]
    timings = [view.timings[link] for link in links]
    remembered = min(view.hardware[node].coherence_s for node in path.nodes)
    slot = max(0.0, remembered - 2.0 * sum(timing.delay_s for timing in timings))
    werners = link_werners(view)
    parts = tuple(
        SwapLink(
            max(1, round(slot / timing.interval_s * view.pairs[link])), timing.success, float(werners[link])
        )
        for link, timing in zip(links, timings, strict=True)
    )
    repeaters = [view.hardware[node] for node in path.nodes[1:-1]]
    delays = tuple(node.swap_delay_s for node in repeaters)
    timed = slot > 0.0 and any(delays)
    first = [
        timing.interval_s / (timing.success * view.pairs[link])
        for link, timing in zip(links, timings, strict=True)
    ]
    return SwapPath(
        parts,
        tuple(node.swap_success for node in repeaters),
        swap_delays_s=delays,
        slot_s=slot if timed else None,
        first_s=tuple(first) if timed else (),
    )


def optimised_ranks(view: View, path: Path) -> tuple[int, ...]:
    """Ranks of a path's nodes by dynamic programming over its intervals, both ends highest.

    A repeater whose swaps never succeed makes all orders alike; then swaps are as soon as possible.
    """
    if path.hops < 2 or not np.prod([view.hardware[node].swap_success for node in path.nodes[1:-1]]):
        return (1, *[0] * (path.hops - 1), 1)
    # Imported here: runs that do not ask for it need not wait for the optimiser and its special functions.
    from qoslab.domains.entanglement.swaporder.plan import plan

    return tuple(plan(swap_path(view, path)).ranks)
