"""The stopping rule of `run --until-precision`: when every method's mean is known well enough."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qoslab.core.errors import BadInput

if TYPE_CHECKING:
    from qoslab.study.study import Study

__all__ = ["StoppingRule", "stopping_rule"]

StoppingRule = Callable[[Any], int]
"""From the table so far to the number of seeds in all that a study should have; no more than it has to stop."""

_MOST_SEEDS = 10_000


def stopping_rule(study: Study, target: float | None) -> StoppingRule | None:
    """A rule that asks for more seeds until every interval is narrow enough; None where no precision is asked.

    Args:
        study: The study; its report's metric and level count.
        target: Largest relative half-width of each scenario's and method's interval.

    Raises:
        BadInput: The target is not above 0.
    """
    if target is None:
        return None
    if not (math.isfinite(target) and target > 0):
        message = f"the precision is a relative half-width above 0, such as 0.05; it is {target:g}"
        raise BadInput(message)
    from qoslab.report.source import metric_of

    metric, level = metric_of(study, None).name, study.report.level

    def rule(table: Any) -> int:
        from qoslab.report.stats.precision import precision

        if metric not in table.columns:  # a metric of one part, such as `mae[delay]`, that no trial gave
            return 0
        done = table.filter((table["status"] == "done") & table[metric].is_not_null())
        groups = done.partition_by("scenario", "method")
        found = [precision(group[metric].to_numpy(), target, level=level) for group in groups]
        now = int(table["replication"].max()) + 1 if len(table) else 0
        wanted = max((p.next_n for p in found if not p.reached), default=now)
        return min(max(wanted, now), _MOST_SEEDS)

    return rule
