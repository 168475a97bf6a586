"""How links make pairs: success probability and timing of five architectures, and their rate in closed form."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.domains.entanglement.scenario import Architecture, LinkHardware, NodeHardware

__all__ = ["LinkTiming", "link_timing", "mean_of_later", "single_pair_rate", "two_link_rate"]

_TAIL = 1e-15
"""Probability of more failed attempts than are summed over."""


class LinkTiming(NamedTuple):
    """One link's attempts.

    Attributes:
        success: Probability that an attempt makes a pair.
        interval_s: Time from one attempt to the next, s.
        notify_first_s: From a pair's creation until its first end knows, s.
        notify_second_s: The same for its second end, s.
        delay_s: One-way delay over the whole link, s.
        fidelity: Fidelity of what is announced as a pair, dark counts included.
    """

    success: float
    interval_s: float
    notify_first_s: float
    notify_second_s: float
    delay_s: float
    fidelity: float = 1.0


def link_timing(
    length_km: float, link: LinkHardware, first: NodeHardware, second: NodeHardware
) -> LinkTiming:
    """Success and timing of one link.

    A photon of each end reaches the midpoint of the detection architectures with its end's source efficiency and the
    loss of half the fibre; each is seen with the mean efficiency of the ends' detectors. In `sender_receiver` the
    second end sends and the first receives; in `source_in_midpoint` both receive. Each attempt begins with `setup_s` of
    its source, each of the two in `dim_bk` and `dim_bk_sequence`. Dark counts announce a share
    `false_herald` of the other attempts, too, whose memories are wholly mixed.

    Args:
        length_km: Length of the fibre, km.
        link: Hardware of the link.
        first: Hardware of the first end.
        second: Hardware of the second end.
    """
    photons = _without_dark_counts(length_km, link, first, second)
    false = (1.0 - photons.success) * link.false_herald
    success = photons.success + false
    fidelity = link.initial_fidelity
    if false > 0.0:
        fidelity = (photons.success * fidelity + false / 4.0) / success
    return photons._replace(success=success, fidelity=fidelity)


def _without_dark_counts(
    length_km: float, link: LinkHardware, first: NodeHardware, second: NodeHardware
) -> LinkTiming:
    delay = length_km / link.speed_km_per_s
    whole = 10.0 ** (-link.attenuation_db_per_km * length_km / 10.0)
    reset, photon = max(first.reset_s, second.reset_s), delay + link.setup_s
    detectors = (first.detector_efficiency + second.detector_efficiency) / 2.0
    middle = 0.5 * first.source_efficiency * second.source_efficiency * detectors * detectors * whole
    architecture: Architecture = link.architecture
    if architecture == "dim_bk":
        return LinkTiming(middle, max(2 * photon, 2 * reset), 2 * photon, 2 * photon, delay)
    if architecture == "dim_bk_sequence":
        notice = 4 * delay + 2 * link.setup_s
        return LinkTiming(middle, max(5 * delay + 2 * link.setup_s, 2 * reset), notice, notice, delay)
    if architecture == "dim_dual":
        return LinkTiming(middle, max(photon, reset), photon, photon, delay)
    if architecture == "sender_receiver":
        success = second.source_efficiency * first.detector_efficiency * whole
        return LinkTiming(success, max(delay + photon, reset), photon, delay + photon, delay)
    success = first.detector_efficiency * second.detector_efficiency * whole
    return LinkTiming(success, max(photon, reset), photon, photon, delay)


def single_pair_rate(timing: LinkTiming) -> float:
    """Pairs per second of one memory pair that is freed as soon as both ends know of it, mean.

    The first end asks for the next pair when it knows of this one; the second answers as soon as it is asked and knows
    of it, too. The answer's way, 1 / p - 1 failed attempts and this notice make up a cycle.
    """
    failed = (1.0 / timing.success - 1.0) * timing.interval_s
    notice = max(timing.notify_first_s + timing.delay_s, timing.notify_second_s)
    return 1.0 / (notice + timing.delay_s + failed)


def mean_of_later(
    first_s: NDArray[np.float64],
    first: NDArray[np.float64],
    second_s: NDArray[np.float64],
    second: NDArray[np.float64],
) -> float:
    """Mean of the later of two independent times, each of finitely many values, s.

    Args:
        first_s: Values of the one, rising, s, shape (a,).
        first: Their probabilities, shape (a,).
        second_s: Values of the other, rising, s, shape (b,).
        second: Their probabilities, shape (b,).
    """
    no_later = np.concatenate([[0.0], np.cumsum(second)])[np.searchsorted(second_s, first_s, side="right")]
    earlier = np.concatenate([[0.0], np.cumsum(first)])[np.searchsorted(first_s, second_s, side="left")]
    return float((first_s * first * no_later).sum() + (second_s * second * earlier).sum())


def two_link_rate(left: LinkTiming, right: LinkTiming, swap_success: float) -> float:
    """Pairs per second of two links with one memory at each end, where memories never forget, mean.

    From swap to swap, by the delays t of the links: the repeater's memories are free at once, the users' when word has
    come, a delay later. The first end of each link asks, is answered after two delays, and attempts begin. So the left
    link's begin 3 t after the swap and the right one's 2 t, each needs a geometric number, and the repeater swaps when
    it knows of both pairs.

    Args:
        left: The link whose second end is the repeater.
        right: The link whose first end is the repeater.
        swap_success: Success probability of a swap.
    """
    known: list[NDArray[np.float64]] = []
    for timing, begin_s in (
        (left, 3.0 * left.delay_s + left.notify_second_s),
        (right, 2.0 * right.delay_s + right.notify_first_s),
    ):
        most = 1 if timing.success >= 1.0 else int(np.ceil(np.log(_TAIL) / np.log1p(-timing.success)))
        failed = np.arange(most, dtype=np.float64)
        known += [begin_s + failed * timing.interval_s, timing.success * (1.0 - timing.success) ** failed]
    return swap_success / mean_of_later(known[0], known[1], known[2], known[3])
