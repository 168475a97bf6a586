"""Shortest expected delay with capacities inferred blindly by a learned network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from qoslab.domains.balancing.hooks import Policy, Site, Wiring, balancer
from qoslab.domains.balancing.learned.inference import Rule, wiring
from qoslab.domains.balancing.learned.weights import read_weights

__all__ = ["BlindSed"]


@balancer(
    "blind_sed",
    summary="shortest expected delay with capacities that a learned network infers from memories of own requests",
    origin="ours",
)
@dataclass(frozen=True)
class BlindSed(Policy):
    """Blind SED: argmin (active + delta) / w, with w from a network that has seen many simulated sites.

    Of each server memories keep the own completions, the time with own requests in flight and the request-seconds: four
    that forget at a fixed pace, and two recurrent ones whose forgetting a network decides at each step. Each `period_s`
    a network that treats servers alike reads them, with the fleet's pooled view of them, and says what the logarithm of
    each capacity is and how sure it is of that. It was trained on simulated sites, where capacities are known; one set
    of weights serves any number of servers and balancers.

    What is inferred is drawn to the fleet's mean, and is widened again to the spread that capacities are expected to
    have (constrained Bayes). Where its spread is small beside its standard deviation nothing is told apart, and weights
    go to equal ones, which is the local shortest queue; they are equal, too, while the mean standard deviation is above
    `doubt`.

    The network is evaluated in the compiled simulator; torch is needed for training alone.

    Attributes:
        weights: `builtin`, or a safetensors file that `qoslab balancing train` wrote.
        period_s: Time between two inferences, s.
        delta: What is added to own requests in flight.
        trust: Factor of the exponent of inferred capacities.
        apart: Spread of inferred log capacities over their standard deviation at which the exponent has fallen to
            `trust`; below it goes to 0. With 0 it never falls.
        widen: Whether inferred differences are widened; without it the exponent is `trust`, whatever is told apart.
        doubt: Mean standard deviation of log capacities above which all weights are equal.
    """

    weights: str = "builtin"
    period_s: Annotated[float, Field(gt=0)] = 0.5
    delta: Annotated[float, Field(ge=0, le=1)] = 0.25
    trust: Annotated[float, Field(gt=0)] = 1.0
    apart: Annotated[float, Field(ge=0)] = 0.2
    widen: bool = True
    doubt: Annotated[float, Field(ge=0)] = 0.8

    def wire(self, site: Site) -> Wiring:
        """Equal weights until the network is sure."""
        rule = Rule(delta=self.delta, trust=self.trust, doubt=self.doubt, widen=self.widen, apart=self.apart)
        return wiring(read_weights(self.weights), rule, site, self.period_s)
