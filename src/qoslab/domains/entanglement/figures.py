"""What a person wants to see of a quantum network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

__all__ = ["fidelity_over_coherence", "rate_over_coherence"]


def rate_over_coherence(rows: pl.DataFrame, series: Mapping[str, pl.DataFrame]) -> Figure | None:  # noqa: ARG001
    """Pairs per second against the coherence time, one line per method, where a study varies it."""
    return _over_coherence(rows, "rate_per_s", "pairs per second")


def fidelity_over_coherence(rows: pl.DataFrame, series: Mapping[str, pl.DataFrame]) -> Figure | None:  # noqa: ARG001
    """Mean fidelity against the coherence time, one line per method, where a study varies it."""
    return _over_coherence(rows, "fidelity", "mean fidelity")


def _over_coherence(rows: pl.DataFrame, metric: str, label: str) -> Figure | None:
    """The mean over replications where every scenario's label names its coherence time, else nothing."""
    import numpy as np

    from qoslab.draw.curves import Band, lines

    found = rows.filter(rows["status"] == "ok") if "status" in rows.columns else rows
    if metric not in found.columns or found.is_empty():
        return None
    times = {name: _coherence(name) for name in found["scenario"].unique()}
    if None in times.values() or len(set(times.values())) < 2 or len(set(times.values())) < len(times):
        return None
    order = sorted(times, key=lambda name: times[name] or 0.0)
    bands = {}
    for (method,), part in found.group_by("method", maintain_order=True):
        values = [part.filter(part["scenario"] == name)[metric].drop_nulls().to_numpy() for name in order]
        bands[str(method)] = Band([float(np.mean(each)) if len(each) else np.nan for each in values])
    grid = [1e3 * (times[name] or 0.0) for name in order]
    return lines(grid, bands, xlabel="coherence time (ms)", ylabel=label, log_x=True)


def _coherence(label: str) -> float | None:
    """Coherence time in a scenario's label, s, where it stands there."""
    found = re.search(r"coherence_s\s*=\s*([0-9.eE+-]+)", label)
    return float(found.group(1)) if found else None
