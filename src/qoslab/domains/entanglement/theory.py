"""Published and closed-form figures that `qoslab verify entanglement` and the tests hold the domain against."""

from __future__ import annotations

from collections.abc import Iterator

from qoslab.core.check import Check
from qoslab.core.context import Context
from qoslab.domains.entanglement.links import link_timing, single_pair_rate, two_link_rate
from qoslab.domains.entanglement.peer import (
    chain_scenario,
    mean_and_error,
    outcomes,
    random_sixteen,
    six_nodes,
    three_nodes,
    together,
)
from qoslab.domains.entanglement.scenario import Architecture, EntanglementScenario
from qoslab.domains.entanglement.states import fidelity_of_werner, werner_of_fidelity
from qoslab.domains.entanglement.verification_forms import closed_forms

__all__ = ["verify"]

_ARCHITECTURES: tuple[Architecture, ...] = (
    "dim_bk",
    "dim_bk_sequence",
    "dim_dual",
    "sender_receiver",
    "source_in_midpoint",
)
_Z = 4.42
"""Standard errors that chance exceeds once in 10^5."""


def _close(name: str, source: str, expected: float, got: float, error: float) -> Check:
    slack = _Z * error + 1e-12
    return Check.within(name, source, expected=expected, got=got, low=expected - slack, high=expected + slack)


def verify(*, quick: bool, context: Context) -> Iterator[Check]:
    """Links, runs and states against closed forms, chains and random networks against MQNS."""
    count = 20 if quick else 100
    for architecture in _ARCHITECTURES:
        scenario = chain_scenario([32.0], coherence_s=10.0, architecture=architecture)
        timing = link_timing(32.0, scenario.links, scenario.nodes, scenario.nodes)
        got, error = mean_and_error(outcomes(scenario, count, context), "rate_per_s")
        expected = single_pair_rate(timing)
        # one pair more or less per run: the first interval starts with free memories
        yield _close(
            f"pairs per second of one link, {architecture}, 32 km",
            "renewal theory",
            expected,
            got,
            error + 0.05,
        )
    yield _two_links(count, context)
    yield from closed_forms(count, context)
    rows = [*three_nodes(count, context), *six_nodes(count // 2, context)]
    rows += random_sixteen(10 * count, context)
    yield from rows
    yield together(rows)
    yield _never_forgets(context)


def _two_links(count: int, context: Context) -> Check:
    """Links of unequal lengths whose attempts take unequal times, memories that never forget."""
    scenario = chain_scenario([20.0, 10.0], coherence_s=1e6, compat="none")
    left, right = (link_timing(km, scenario.links, scenario.nodes, scenario.nodes) for km in (20.0, 10.0))
    got, error = mean_and_error(outcomes(scenario, count, context), "rate_per_s")
    expected = two_link_rate(left, right, scenario.nodes.swap_success)
    return _close(
        "pairs per second of two links, 20 and 10 km", "renewal theory", expected, got, error + 0.05
    )


def _never_forgets(context: Context) -> Check:
    """Five links of perfect memory: w = w0^5 whatever happens."""
    raw = chain_scenario([10.0] * 5, coherence_s=1e6, swap_success=1.0).model_dump(exclude_unset=True)
    raw["memory"] = {"noise": "perfect"}
    found = outcomes(EntanglementScenario.model_validate(raw), 2, context)
    w = float(werner_of_fidelity(0.99))
    expected = float(fidelity_of_werner(w * w * w * w * w))
    return _close(
        "fidelity over 5 links, perfect memories", "w = w0^5", expected, found[0].metrics["fidelity"], 1e-12
    )
