# mypy: disable-error-code="no-any-return"
"""Choice between two queues seen some time ago, by a rule that a learned mean-field control gives for each epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from qoslab.domains.balancing.choosing import another
from qoslab.domains.balancing.hooks import Policy, Probing, Site, Wiring, balancer
from qoslab.domains.balancing.learned.mean_field import LENGTHS, LONGEST, PAIRS, flat, place_of, rule_of
from qoslab.domains.balancing.learned.weights import MEAN_FIELD, read_weights
from qoslab.domains.balancing.view import ProbeView
from qoslab.engine.kernel import kernel
from qoslab.engine.streams import Stream, uniform

__all__ = ["MeanFieldControl"]

Reals = NDArray[np.float64]

CITATION = """@inproceedings{tahir2022learning,
  author = {Tahir, Anam and Cui, Kai and Koeppl, Heinz},
  title = {Learning Mean-Field Control for Delayed Information Load Balancing in Large Queuing Systems},
  booktitle = {Proceedings of the 51st International Conference on Parallel Processing},
  year = {2022}
}"""

STALE, FLEET, EPOCH, RATE, COUNT, NEXT, LOAD, CANDIDATES = range(8)
LAW = CANDIDATES + 2
RULE = LAW + LENGTHS
BOX_SIZE = RULE + PAIRS
"""Entries of `box`: whether a report came after the law was counted, servers that may be chosen, the epoch's number,
own requests a second as they were estimated when the epoch began, own requests since, the number of them at which the
rule is made again, the load of a queue that it was last made for, two candidates, the law of lengths, the rule."""
LOG_EPOCH, PERIOD, SHARE, WEIGHTS = range(4)
"""Entries of `par`: `SHARE` makes own requests a second, divided by servers, the load of a queue; then the network."""
PRIOR = 20.0
"""Requests that the estimate of the epoch before counts for in that of an epoch."""
AGAIN = 1.25
"""Factor by which an epoch's requests grow until its rule is made again."""


@kernel(inline=True)
def _length(view: ProbeView, server: int) -> int:
    """A reported queue, 5 at most."""
    seen = int(view.seen_queue[server])
    return seen if seen < LENGTHS - 1 else LENGTHS - 1


@kernel
def _new_law(view: ProbeView) -> None:
    """The law of what was last reported, of the servers that may be chosen."""
    n, fleet, law = view.up.shape[0], 0, view.box[LAW : LAW + LENGTHS]
    for z in range(LENGTHS):
        law[z] = 0.0
    for j in range(n):
        fleet += view.up[j]
    for j in range(n):
        law[_length(view, j)] += 1.0 / fleet if view.up[j] == 1 else 0.0
    view.box[STALE], view.box[FLEET] = 0.0, fleet


@kernel(inline=True)
def _rate(box: Reals, elapsed: float) -> float:
    """Own requests a second in this epoch, as far as `elapsed` seconds of it tell."""
    return (PRIOR + box[COUNT]) / (PRIOR / box[RATE] + elapsed)


@kernel
def _count(view: ProbeView, now: float) -> bool:
    """Count a request; whether the rule is to be made again."""
    box, period = view.box, view.par[PERIOD]
    epoch = math.floor(now / period)
    if epoch > box[EPOCH]:
        box[RATE] = _rate(box, (epoch - box[EPOCH]) * period)
        box[EPOCH], box[COUNT], box[NEXT] = epoch, 0.0, 1.0
    box[COUNT] += 1.0
    if box[COUNT] < box[NEXT]:
        return False
    box[NEXT] = AGAIN * box[COUNT]
    return True


@kernel
def _new_rule(view: ProbeView, now: float) -> None:
    """The rule for what is known of the epoch."""
    box, par = view.box, view.par
    box[LOAD] = par[SHARE] * _rate(box, now - box[EPOCH] * par[PERIOD]) / box[FLEET]
    rule_of(par[WEIGHTS:], box[LAW : LAW + LENGTHS], par[LOG_EPOCH], box[LOAD], box[RULE : RULE + PAIRS])


@kernel
def on_reply(view: ProbeView, stream: Stream, server: int, now: float) -> None:  # noqa: ARG001
    """A report came: the next request finds the rule for it, whatever the order in which reports arrive."""
    view.box[STALE] = 1.0


@kernel
def route(view: ProbeView, stream: Stream, now: float) -> int:
    """One of two servers drawn by lot, the first with probability 1 / (1 + exp(-s(z, y)))."""
    box, again = view.box, _count(view, now)
    candidates = box[CANDIDATES : CANDIDATES + 2]
    first = another(candidates, 0, view.up, stream)
    if first < 0:
        return 0
    if box[STALE] > 0.0:
        _new_law(view)
        again = True
    if again and box[FLEET] > 0.0:
        _new_rule(view, now)
    candidates[0] = first
    second = another(candidates, 1, view.up, stream)
    if second < 0:
        return first
    z, y, score = _length(view, first), _length(view, second), 0.0
    if z < y:
        score = box[RULE + place_of(z, y)]
    elif z > y:
        score = -box[RULE + place_of(y, z)]
    # Equal lengths draw, too: then `softmin`, with the same seed, meets the same lots, and comparisons are sharp.
    return first if uniform(stream) * (1.0 + math.exp(-score if score > -600.0 else 600.0)) < 1.0 else second


@balancer(
    "mean_field_control",
    summary="the better of two queues last reported, by a learned rule that knows all queues and the load",
    citation=CITATION,
    information="probing",
    origin="reference instance",
)
@dataclass(frozen=True)
class MeanFieldControl(Policy):
    """Learned mean-field control for information that is renewed each `period_s` only, with two choices.

    All servers report their queues each `period_s`. From the law nu of the reported lengths, the arrival rate and the
    epoch's length a small network gives the rule of the epoch; each request draws two servers and picks one by their
    reported lengths. The setting, the discretisation, the two choices and what the control knows are the paper's. Ours
    is the learner, which follows the exact gradient of drops through the discretised mean field where the paper uses a
    policy gradient, and that the arrival rate, which the paper's control is told, is estimated here: from the
    balancer's own requests in the epoch so far, with the estimate before it for as many as `PRIOR` of them. Queues
    longer than 5, the places of the paper's servers, count as 5.

    Attributes:
        weights: `builtin`, or a safetensors file that `qoslab balancing train-delayed` wrote.
        period_s: Time between reports of all servers, s.
    """

    weights: str = "builtin"
    period_s: Annotated[float, Field(gt=0)] = 1.0

    def wire(self, site: Site) -> Wiring:
        """The lot until the first report."""
        network = flat(read_weights(self.weights, MEAN_FIELD))
        epoch = min(max(self.period_s / site.mean_size_s, 1.0), LONGEST)  # lengths that it was trained on
        share = site.balancers * site.mean_size_s
        box = np.zeros(BOX_SIZE)
        box[RATE], box[NEXT] = site.rate_per_s / site.balancers, 1.0
        return Wiring(
            route,
            on_reply=on_reply,
            par=np.concatenate([[math.log(epoch), self.period_s, share], network]),  # type: ignore[arg-type]
            box=box,
            probing=Probing(every_s=self.period_s),
        )
