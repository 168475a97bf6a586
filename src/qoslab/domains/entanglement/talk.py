"""What a slot spends on messages before swaps are ordered, until they are done, and until users know."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from qoslab.core.errors import BadInput, Problem
from qoslab.domains.entanglement.protocol import View
from qoslab.domains.entanglement.scenario import Phases
from qoslab.graphs.shortest import all_pairs

__all__ = ["Talk", "talk_of"]


class Talk(NamedTuple):
    """Delays of a slot, s.

    Attributes:
        news_s: From the end of attempts until whoever decides knows the state.
        orders_s: From the decision until the swaps are done.
        word_s: From the swaps until the users know.
    """

    news_s: float
    orders_s: float
    word_s: float

    @property
    def total_s(self) -> float:
        """All three, s."""
        return self.news_s + self.orders_s + self.word_s


def talk_of(view: View, phases: Phases, method: Any) -> Talk:
    """What a method's decisions cost in this network.

    With `control = "common"` all pay the longest delay between two nodes, before the swaps and after them. With "own"
    a method that has `knows_hops` = k pays k rounds between neighbours, each as long as the longest link's delay, and
    decides where it swaps; any other tells the centre and hears from it. Users are the longest delay away from a swap.

    Raises:
        BadInput: The centre is not a node, or cannot reach all others.
    """
    link = np.array([timing.delay_s for timing in view.timings])
    delays = all_pairs(view.network, link)
    longest = float(delays[np.isfinite(delays)].max())
    if phases.control == "common":
        return Talk(longest, 0.0, longest)
    hops = getattr(method, "knows_hops", None)
    if hops is not None:
        return Talk(hops * float(link.max()), 0.0, longest)
    farthest = delays.max(axis=1)
    if phases.centre is None:
        centre = int(farthest.argmin())
    elif phases.centre in view.network.nodes:
        centre = view.network.index(phases.centre)
    else:
        message = f"the network has no node {phases.centre!r}"
        raise BadInput(Problem(message=message, field="scenario.phases.centre"))
    if not np.isfinite(farthest[centre]):
        message = (
            f"the centre {view.network.nodes[centre]!r} cannot reach all nodes: the network is in pieces"
        )
        raise BadInput(
            Problem(message=message, field="scenario.network", hint="component = 'largest' keeps one")
        )
    return Talk(float(farthest[centre]), float(farthest[centre]), longest)
