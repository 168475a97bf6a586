"""`qoslab entanglement plan-swaps`: the best swap order of a path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qoslab.core.errors import BadInput
from qoslab.core.located import read_toml, validate
from qoslab.domains.entanglement.swaporder.path import PathFile
from qoslab.domains.entanglement.swaporder.plan import ALGORITHMS, plan

__all__ = ["plan_swaps"]


def plan_swaps(path: Path, *, all_trees: bool = False) -> list[dict[str, Any]]:
    """The order in which the repeaters of a path had best swap, beside the usual orders.

    Args:
        path: File of the path: `[[link]]` tables from left to right with attempts, success, fidelity and
            length_km; swap_success, swap_delay_s, slot_s, coherence_time_s, objective, minimum_fidelity,
            purification_rounds.
        all_trees: Also try all trees, of up to 9 repeaters.
    """
    document = read_toml(path)
    table = validate(PathFile, document.tree, document)
    wanted = [name for name in ALGORITHMS if name != "exhaustive" or all_trees]
    plans = [plan(table.path(), name, table.goal()) for name in wanted]
    best = max(found.value for found in plans)
    if best <= 0 and table.slot_s is not None and not any(found.pairs for found in plans):
        message = f"no order is done in {table.slot_s:g} s with time left for an attempt: swaps take too long"
        raise BadInput(document.problem(("slot_s",), message, hint="a longer slot_s, a shorter swap_delay_s"))
    if best <= 0:
        message = "no order gives a pair that counts: all stay below the fidelity that is needed"
        hint = "lower minimum_fidelity, allow purification_rounds, or state better links"
        field = "minimum_fidelity" if "minimum_fidelity" in document.tree else "objective"
        raise BadInput(document.problem((field,), message, hint=hint))
    plans.sort(key=lambda found: -found.value)
    return [
        {
            "order": found.algorithm,
            "pairs_per_slot": _short(found.pairs),
            "fidelity": round(found.fidelity, 6),
            "value": _short(found.value),
            "share_of_best": round(found.value / best, 4),
            "ranks": " ".join(map(str, found.ranks)),
            "purified": " ".join(f"{i}-{j}:{count}" for (i, j), count in found.order.rounds) or "-",
        }
        for found in plans
    ]


def _short(value: float) -> float:
    """Six digits of a rate, which over many repeaters is small."""
    return float(f"{value:.6g}")
