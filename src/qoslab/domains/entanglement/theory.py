"""Published and closed-form figures that `qoslab verify entanglement` and the tests hold the domain against."""

from __future__ import annotations

from collections.abc import Iterator

from qoslab.core.check import Check
from qoslab.core.context import Context
from qoslab.domains.entanglement.links import link_timing, single_pair_rate
from qoslab.domains.entanglement.peer import (
    chain_scenario,
    mean_and_error,
    outcomes,
    six_nodes,
    three_nodes,
    together,
)
from qoslab.domains.entanglement.scenario import Architecture, EntanglementScenario
from qoslab.domains.entanglement.states import fidelity_of_werner, werner_of_fidelity

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
    """Links against their closed form, three and six nodes against MQNS, a chain that never forgets against w^n."""
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
    rows = [*three_nodes(count, context), *six_nodes(count // 2, context)]
    yield from rows
    yield together(rows)
    yield _never_forgets(context)


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
