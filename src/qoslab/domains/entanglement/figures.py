"""What a person wants to see of a quantum network: rate and fidelity over its hardware, and where pairs flow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

__all__ = [
    "fidelity_distribution",
    "fidelity_over_axis",
    "flow_map",
    "latency_distribution",
    "rate_over_axis",
    "rate_over_fidelity",
]

_POINTS = 200
"""Wanted fidelities at which a curve is drawn."""

_FIXED = "method"
"""Column of the table before which the varied values of the scenario stand."""


def rate_over_axis(rows: pl.DataFrame, series: Mapping[str, pl.DataFrame]) -> Figure | None:  # noqa: ARG001
    """Pairs delivered per second over the figure that a study varies, one line per method, with 95 % intervals."""
    return _over_axis(rows, "rate_per_s", "pairs delivered (1/s)")


def fidelity_over_axis(rows: pl.DataFrame, series: Mapping[str, pl.DataFrame]) -> Figure | None:  # noqa: ARG001
    """Mean fidelity of delivered pairs over the same, one line per method."""
    return _over_axis(rows, "fidelity", "fidelity of delivered pairs")


def fidelity_distribution(rows: pl.DataFrame, series: Mapping[str, pl.DataFrame]) -> Figure | None:  # noqa: ARG001
    """Share of delivered pairs at or below each fidelity, in the last case of the study."""
    from qoslab.draw.distribution import distribution

    samples = _last_case(series["deliveries"], "fidelity")
    return distribution(samples, xlabel="fidelity") if samples else None


def latency_distribution(rows: pl.DataFrame, series: Mapping[str, pl.DataFrame]) -> Figure | None:  # noqa: ARG001
    """Share of delivered pairs that took longer, from their first link pair on, in the last case of the study."""
    from qoslab.draw.distribution import distribution

    samples = _last_case(series["deliveries"], "age_s")
    return distribution(samples, tail=True, xlabel="latency (s)") if samples else None


def rate_over_fidelity(rows: pl.DataFrame, series: Mapping[str, pl.DataFrame]) -> Figure | None:
    """Pairs per second of at least a wanted fidelity, over that fidelity, one line per method, in the last case.

    The mean rate of all seeds times the share of the kept pairs that are good enough.
    """
    import polars as pl

    from qoslab.draw.curves import Band, lines

    samples = _last_case(series["deliveries"], "fidelity")
    if not samples:
        return None
    done = rows.filter(
        (pl.col("status") == "done") & (pl.col("scenario") == series["deliveries"]["scenario"][-1])
    )
    ends = [end for values in samples.values() for end in (values.min(), values.max())]
    wanted = np.linspace(min(ends), max(ends), _POINTS)
    bands = {}
    for method, values in samples.items():
        rate = float(done.filter(pl.col("method") == method)["rate_per_s"].to_numpy().mean())
        enough = 1.0 - np.searchsorted(np.sort(values), wanted, side="left") / len(values)
        bands[method] = Band(rate * enough)
    return lines(wanted, bands, xlabel="wanted fidelity", ylabel="pairs of that fidelity or more (1/s)")


def flow_map(rows: pl.DataFrame, series: Mapping[str, pl.DataFrame]) -> Figure | None:  # noqa: ARG001
    """The network, its links coloured by the delivered pairs made over them: last case, first method, first seed."""
    import polars as pl

    from qoslab.draw.network import network_map

    frame = series["flows"]
    case = frame.filter(pl.col("scenario") == frame["scenario"][-1])
    shown = case.filter(pl.col("method") == case["method"][0])
    shown = shown.filter(pl.col("replication") == shown["replication"].min())
    nodes: dict[str, tuple[float, float, int]] = {}
    for name, end in (("source", "from"), ("target", "to")):
        columns = (shown[name], shown[f"x_{end}"], shown[f"y_{end}"], shown[f"user_{end}"])
        nodes |= {str(node): (x, y, user) for node, x, y, user in zip(*columns, strict=True)}
    places = {name: place for place, name in enumerate(nodes)}
    return network_map(
        [(x, y) for x, y, _ in nodes.values()],
        [(places[a], places[b]) for a, b in zip(shown["source"], shown["target"], strict=True)],
        names=list(nodes),
        node_values=[1 + 3 * user for *_, user in nodes.values()],
        link_values=shown["pairs_per_s"].to_numpy(),
        label=f"pairs over a link (1/s), {shown['method'][0]}",
        geographic=bool(shown["geographic"][0]),
    )


def _over_axis(rows: pl.DataFrame, metric: str, label: str) -> Figure | None:
    """A metric over the first varied number; of further varied values the first is shown."""
    import polars as pl

    from qoslab.draw.curves import Band, lines

    varied = rows.columns[1 : rows.columns.index(_FIXED)]
    numbers = [name for name in varied if rows[name].dtype.is_numeric() and rows[name].n_unique() > 1]
    if not numbers or metric not in rows.columns:
        return None
    axis = numbers[0]
    shown = rows.filter((pl.col("status") == "done") & pl.col(metric).is_not_null())
    for name in varied:
        if name != axis and len(shown):
            shown = shown.filter(pl.col(name).eq_missing(rows[name][0]))
    if shown.is_empty():
        return None
    grid = rows[axis].drop_nulls().unique().sort()
    bands = {}
    for (method,), part in shown.group_by("method", maintain_order=True):
        of = part.group_by(axis).agg(mean=pl.col(metric).mean(), error=pl.col(metric).std(), n=pl.len())
        found = pl.DataFrame({axis: grid}).join(of, on=axis, how="left").sort(axis)
        mean, n = found["mean"].to_numpy(), found["n"].cast(pl.Float64).to_numpy()
        half = _t_quantile(n) * found["error"].cast(pl.Float64).to_numpy() / np.sqrt(n)
        bands[str(method)] = Band(mean, mean - half, mean + half)
    x = grid.to_numpy()
    return lines(x, bands, xlabel=axis, ylabel=label, log_x=bool(x[0] > 0 and x[-1] >= 8 * x[0]))


def _last_case(frame: pl.DataFrame, column: str) -> dict[str, np.ndarray]:
    """Values by method, of the last scenario with all its seeds that were kept."""
    case = frame.filter(frame["scenario"] == frame["scenario"][-1])
    parts = case.group_by("method", maintain_order=True)
    return {str(method): part[column].to_numpy() for (method,), part in parts if len(part) > 1}


def _t_quantile(n: np.ndarray) -> np.ndarray:
    """97.5 % quantile of Student's law with n - 1 degrees of freedom; NaN below two values."""
    from scipy.special import stdtrit

    return np.asarray(stdtrit(np.where(n > 1, n - 1.0, np.nan), 0.975))
