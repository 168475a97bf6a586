"""Commands of this domain."""

from __future__ import annotations

import numpy as np

from qoslab.agents.weights import Weights
from qoslab.core.errors import BadInput, Problem
from qoslab.domains.optimization.adversaries import full_knowledge, private_average
from qoslab.domains.optimization.eavesdropping import innovation_leakage, state_leakage
from qoslab.domains.optimization.instances import ring

__all__ = ["eavesdrop"]


def eavesdrop(
    *, agents: int = 10, rounds: int = 400, epsilon: float = 0.5, trials: int = 1000
) -> list[dict[str, float]]:
    """What eavesdroppers on averaging are left not knowing: protection quotients over the probability of interception.

    The start of agent i is i + 1, on a ring with weights 1/3. Columns: one tapped agent that sends states; the
    same with innovations (best scaled guess); an adversary that taps all and knows the weights; the same when
    starts came another way; and noise for differential privacy, with the error it leaves in the agents' own average.

    Args:
        agents: Agents on the ring.
        rounds: Rounds of averaging.
        epsilon: Privacy loss of the noisy rival, in (0, 1), for starts in an interval of length 1.
        trials: Simulated runs of the adversary that knows the weights.
    """
    if agents < 3 or rounds < 1 or trials < 2:
        message = "needs at least 3 agents, 1 round and 2 trials"
        raise BadInput(Problem(field="eavesdrop", message=message))
    matrix, start = Weights(ring(agents)).doubly.toarray(), np.arange(1.0, agents + 1.0)
    path = [start]
    for _ in range(rounds):
        path.append(matrix @ path[-1])
    tapped = np.array(path)[:, :1]
    noisy = private_average(agents, epsilon)
    prior = float(tapped[-1, 0] ** 2)
    rng = np.random.default_rng(0)
    table = []
    for caught in (0.1, 0.3, 0.5, 0.7, 0.9):
        whole, apart = (
            full_knowledge(matrix, start, caught, rng, rounds=rounds, trials=trials, start_sent=sent)
            for sent in (True, False)
        )
        table.append(
            {
                "interception": caught,
                "states": state_leakage(tapped, caught) / prior,
                "innovations": innovation_leakage(tapped, caught).quotient,
                "all_tapped": whole.quotient,
                "all_tapped_start_apart": apart.quotient,
                "private_noise": noisy.adversary_error / prior,
                "agents_own_error_under_noise": noisy.agents_error,
            }
        )
    return table
