"""The swap order that the optimiser finds for a path of the network.

A slot of the batch model lasts as long as memories remember, less the time that word takes there and back:
T = min T_coh - 2 sum L / c; a link tries in it as often as its memories can. Swaps that take time shorten it by what
they take beyond the mean time to the first pair of the slowest link: where pairs are there early, swaps begin early.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from qoslab.domains.entanglement.assignment import allocated
from qoslab.domains.entanglement.protocol import View
from qoslab.domains.entanglement.routing.view import link_werners
from qoslab.domains.entanglement.swaporder.path import SwapLink, SwapPath
from qoslab.graphs.shortest import Path

__all__ = ["equal_shares", "optimised_ranks", "swap_path"]


def equal_shares(view: View, paths: Sequence[Path]) -> list[tuple[int, ...]]:
    """Memories of each link of each path where paths over a link share them equally, the first the more.

    It is what `memory.allocation = "equal"` gives them; at least 1, also where there are fewer memories than paths.

    Args:
        view: What is known.
        paths: All paths of a plan.
    """
    links = [path.links(view.network).tolist() for path in paths]
    count = Counter(link for each in links for link in each)
    left = {link: iter(allocated(view.pairs[link], [1.0] * count[link])) for link in count}
    return [tuple(max(1, next(left[link])) for link in each) for each in links]


def swap_path(view: View, path: Path, memories: Sequence[int] = ()) -> SwapPath:
    """A path of the network as the optimiser sees it, without decay.

    Args:
        view: What is known.
        path: The path.
        memories: Memories of each of its links that make its pairs, in its order, at least 1; empty: all of them.
    """
    links = [int(link) for link in path.links(view.network)]
    share = memories or [view.pairs[link] for link in links]
    timings = [view.timings[link] for link in links]
    remembered = min(view.hardware[node].coherence_s for node in path.nodes)
    slot = max(0.0, remembered - 2.0 * sum(timing.delay_s for timing in timings))
    werners = link_werners(view)
    parts = tuple(
        SwapLink(max(1, round(slot / timing.interval_s * held)), timing.success, float(werners[link]))
        for link, timing, held in zip(links, timings, share, strict=True)
    )
    repeaters = [view.hardware[node] for node in path.nodes[1:-1]]
    delays = tuple(node.swap_delay_s for node in repeaters)
    timed = slot > 0.0 and any(delays)
    first = [timing.interval_s / (timing.success * held) for timing, held in zip(timings, share, strict=True)]
    return SwapPath(
        parts,
        tuple(node.swap_success for node in repeaters),
        swap_delays_s=delays,
        slot_s=slot if timed else None,
        first_s=tuple(first) if timed else (),
    )


def optimised_ranks(view: View, path: Path, memories: Sequence[int] = ()) -> tuple[int, ...]:
    """Ranks of a path's nodes by dynamic programming over its intervals, both ends highest.

    A repeater whose swaps never succeed makes all orders alike; then swaps are as soon as possible.

    Args:
        view: What is known.
        path: The path.
        memories: As for `swap_path`.
    """
    if path.hops < 2 or not np.prod([view.hardware[node].swap_success for node in path.nodes[1:-1]]):
        return (1, *[0] * (path.hops - 1), 1)
    # Imported here: runs that do not ask for it need not wait for the optimiser and its special functions.
    from qoslab.domains.entanglement.swaporder.plan import plan

    return tuple(plan(swap_path(view, path, memories)).ranks)
