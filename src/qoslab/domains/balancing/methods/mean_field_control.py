"""Choice between two queues seen some time ago, by a rule that a learned mean-field control gives for each epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field

from qoslab.domains.balancing.choosing import another
from qoslab.domains.balancing.hooks import Policy, Probing, Site, Wiring, balancer
from qoslab.domains.balancing.learned.mean_field import LENGTHS, PAIRS, flat, place_of, rule_of
from qoslab.domains.balancing.learned.weights import MEAN_FIELD, read_weights
from qoslab.domains.balancing.view import ProbeView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream, uniform

__all__ = ["MeanFieldControl"]

CITATION = """@inproceedings{tahir2022learning,
  author = {Tahir, Anam and Cui, Kai and Koeppl, Heinz},
  title = {Learning Mean-Field Control for Delayed Information Load Balancing in Large Queuing Systems},
  booktitle = {Proceedings of the 51st International Conference on Parallel Processing},
  year = {2022}
}"""

STALE, CANDIDATES = 0, 1
LAW = CANDIDATES + 2
RULE = LAW + LENGTHS
BOX_SIZE = RULE + PAIRS
"""Entries of `box`: whether a report came after the rule was made, two candidates, the law of lengths, the rule."""
LOG_EPOCH, WEIGHTS = range(2)
"""Entries of `par`; the network stands behind them."""


@kernel(inline=True)
def _length(view: ProbeView, server: int) -> int:
    """A reported queue, 5 at most."""
    seen = int(view.seen_queue[server])
    return seen if seen < LENGTHS - 1 else LENGTHS - 1


@kernel
def _new_rule(view: ProbeView) -> None:
    """The rule for the epoch that the last reports began; the law is that of the servers that may be chosen."""
    n, fleet, law = view.up.shape[0], 0, view.box[LAW : LAW + LENGTHS]
    for z in range(LENGTHS):
        law[z] = 0.0
    for j in range(n):
        fleet += view.up[j]
    for j in range(n):
        law[_length(view, j)] += 1.0 / fleet if view.up[j] == 1 else 0.0
    rule_of(view.par[WEIGHTS:], law, view.par[LOG_EPOCH], view.box[RULE : RULE + PAIRS])


@kernel
def on_reply(view: ProbeView, stream: Stream, server: int, now: float) -> None:  # noqa: ARG001
    """A report came: the next request finds the rule for it, whatever the order in which reports arrive."""
    view.box[STALE] = 1.0


@kernel
def route(view: ProbeView, stream: Stream, now: float) -> int:  # noqa: ARG001
    """One of two servers drawn by lot, the first with probability 1 / (1 + exp(-s(z, y)))."""
    box = view.box
    candidates = box[CANDIDATES : CANDIDATES + 2]
    first = another(candidates, 0, view.up, stream)
    if first < 0:
        return 0
    if box[STALE] > 0.0:
        box[STALE] = 0.0
        _new_rule(view)
    candidates[0] = first
    second = another(candidates, 1, view.up, stream)
    if second < 0:
        return first
    z, y = _length(view, first), _length(view, second)
    if z == y:
        return first  # the order of the two is a lot already
    score = box[RULE + place_of(z, y)] if z < y else -box[RULE + place_of(y, z)]
    return first if uniform(stream) * (1.0 + math.exp(-score if score > -600.0 else 600.0)) < 1.0 else second


@balancer(
    "mean_field_control",
    summary="the better of two queues reported some time ago, by a learned rule that knows the law of all queues",
    citation=CITATION,
    information="probing",
    origin="reference instance",
)
@dataclass(frozen=True)
class MeanFieldControl(Policy):
    """Learned mean-field control for information that is renewed each `period_s` only, with two choices.

    All servers report their queues each `period_s`. From the law nu of the reported lengths and the epoch's length a
    small network gives the rule of the epoch; each request draws two servers and picks one by their reported lengths.
    The setting, the discretisation and the two choices are the paper's. Ours are the learner, which follows the exact
    gradient of drops through the discretised mean field where the paper uses a policy gradient, and what the control
    knows: nu alone, while the paper's knows the arrival rate, too. Queues longer than 5, the places of the paper's
    servers, count as 5.

    Attributes:
        weights: `builtin`, or a safetensors file that `qoslab balancing train-delayed` wrote.
        period_s: Time between reports of all servers, s.
    """

    weights: str = "builtin"
    period_s: Annotated[float, Field(gt=0)] = 1.0

    def wire(self, site: Site) -> Wiring:
        """The lot until the first report."""
        network = flat(read_weights(self.weights, MEAN_FIELD))
        epoch = min(max(self.period_s / site.mean_size_s, 1.0), 10.0)  # lengths that it was trained on
        return Wiring(
            route,
            on_reply=on_reply,
            par=np.concatenate([[math.log(epoch)], network]),  # type: ignore[arg-type]
            box=np.zeros(BOX_SIZE),
            probing=Probing(every_s=self.period_s),
        )
