"""What SeQUeNCe 1.3.1 should give on one link and on two, worked out from what its protocols do.

Derived from the times at which its nodes begin, fail, succeed and swap in a run, for one memory at each end of a link,
delay t of the whole link, photons that are seen with probability e:

- The nearer node asks the farther one (t), which asks for a round (t) and is told when (t); the photons meet after half
  a delay, the midpoint's word takes another half. A round so ends 4 t after the first question, a second 3 t later.
- A memory shines with probability 1/2 in the first round and in the second if it did not in the first. The first round
  passes with one click: e / 2 where one of the two shines, (2 e (1 - e) + e^2 / 2) / 4 where both do and one photon is
  lost or both are taken for one. Both rounds pass with probability e^2 / 2. So an attempt takes 4 t where its first
  round fails and 7 t otherwise; with our links it takes 5 t always.
- A repeater with pairs on both sides asks both neighbours and swaps when both have answered, two delays of the longer
  link later; ours swaps at once. Its memories are free then, its neighbours' a delay later.
"""

import numpy as np

from qoslab.domains.entanglement.links import mean_of_later

SPEED_KM_PER_S = 200_000.0
FAILED, ENDED = 4, 7
"""Delays until an attempt has failed in its first round, and until its second round has ended."""


def chances(km, case):
    """Probabilities that an attempt's first round passes, and both."""
    half = 10.0 ** (-0.2 * km / 2.0 / 10.0)
    seen = case["source_efficiency"] * case["detector_efficiency"] * half
    return seen / 2 + (2 * seen * (1 - seen) + seen * seen / 2) / 4, seen * seen / 2


def attempts(km, case):
    """Distribution of the time from a link's first question until both ends know of a pair: s, probabilities."""
    once, both = chances(km, case)
    count = ENDED * int(np.ceil(np.log(1e-15) / np.log1p(-both)))
    known = np.zeros(count + 1)
    for at in range(ENDED, count + 1):
        known[at] = both * (at == ENDED) + (1 - once) * known[at - FAILED] + (once - both) * known[at - ENDED]
    return np.arange(count + 1) * km / SPEED_KM_PER_S, known


def rate(case):
    """Pairs per second of one link, or of two whose memories never forget."""
    found = [attempts(km, case) for km in case["kilometres"]]
    if len(found) == 1:
        return 1.0 / float(found[0][0] @ found[0][1])
    (left_s, left), (right_s, right) = found
    delays = [km / SPEED_KM_PER_S for km in case["kilometres"]]
    cycle = mean_of_later(left_s + delays[0], left, right_s, right) + 2.0 * max(delays)
    return case["swap_success"] / cycle
