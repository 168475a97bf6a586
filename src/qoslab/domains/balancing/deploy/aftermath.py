"""What to put back of the weights that a killed controller has left in a proxy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from qoslab.domains.balancing.deploy.keepsake import Kept
from qoslab.domains.balancing.deploy.runtime import Server
from qoslab.domains.balancing.deploy.scales import carried_over, is_nearer

__all__ = ["to_put_back"]


def to_put_back(
    left: Kept,
    servers: Sequence[Server],
    process: str,
    configured: Mapping[str, int],
    tell: Callable[[str], None],
) -> dict[str, int]:
    """The weights to set so that nothing of an earlier run is left, by server.

    What the proxy has read from its configuration since is right as it is, and what an agent has set is. A weight that
    a person has set since stays where it lies nearer to the original one than to the one that was left; else it was
    meant beside those that were left, and is carried over to the scale of the original ones.

    Args:
        left: The record of the earlier run.
        servers: The servers as they are.
        process: The proxy's process.
        configured: The weights in its configuration, by server.
        tell: Called with what becomes of each weight that somebody else has set.
    """
    weights, present = dict(left.weights), {server.name: server.weight for server in servers}
    if left.process not in (None, process):
        fresh = {name for name in weights if present.get(name) == configured.get(name)}
        weights = {name: weight for name, weight in weights.items() if name not in fresh}
    known = {s.name for s in servers if s.name in weights and s.name in left.in_force}
    others = {name for name in known if present[name] not in left.in_force[name]}
    ours = weights.keys() - others
    back = {name: weights[name] for name in ours}
    for name in sorted(others - {server.name for server in servers if server.agent}):
        weight, before = present[name], left.in_force[name][-1]
        if ours and weight and is_nearer(weight, before, weights[name]):
            back[name] = carried_over(weight, weights, present, ours)
        becomes = "stays" if back.get(name, weight) == weight else f"is carried over to {back[name]}"
        tell(f"somebody else set the weight of {name} since an earlier run ended: it {becomes}")
    return back
