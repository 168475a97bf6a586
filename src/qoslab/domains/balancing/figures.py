"""What a person wants to see of a balancer: its tail, over load and over requests, its fairness, its servers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

__all__ = ["exceeded", "fairness_over_time", "server_utilisation", "tail_over_load"]

_MOST_SERVERS = 128


def tail_over_load(rows: pl.DataFrame, series: Mapping[str, pl.DataFrame]) -> Figure | None:  # noqa: ARG001
    """99.9th percentile of the response time over the load, one line per method, with 95 % intervals over seeds."""
    import polars as pl

    from qoslab.draw.curves import Band, lines

    metric = "response_time_p999_s"
    if "load" not in rows.columns or metric not in rows.columns or rows["load"].n_unique() < 2:
        return None
    done = rows.filter((pl.col("status") == "done") & pl.col(metric).is_not_null())
    loads = done["load"].unique().sort()
    bands = {}
    for (method,), part in done.group_by("method", maintain_order=True):
        of = part.group_by("load").agg(mean=pl.col(metric).mean(), error=pl.col(metric).std(), n=pl.len())
        found = pl.DataFrame({"load": loads}).join(of, on="load", how="left").sort("load")
        mean = found["mean"].to_numpy()
        half = _t_quantile(found["n"].to_numpy()) * found["error"].to_numpy() / np.sqrt(found["n"].to_numpy())
        bands[str(method)] = Band(mean, mean - half, mean + half)
    return lines(
        loads.to_numpy(), bands, xlabel="load", ylabel="99.9th percentile of response time (s)", log_y=True
    )


def exceeded(rows: pl.DataFrame, series: Mapping[str, pl.DataFrame]) -> Figure | None:  # noqa: ARG001
    """The response time that a given share of requests exceeds, in the case of highest load."""
    from qoslab.draw.curves import Band, lines

    shown = _last_case(series["response_time"])
    if shown is None:
        return None
    common = min(len(part) for _, part in _methods(shown))
    if common < 2:
        return None
    share = next(part for _, part in _methods(shown))["share"].to_numpy()[:common]
    bands = {method: Band(part["response_time_s"].to_numpy()[:common]) for method, part in _methods(shown)}
    text = "share of requests that take longer"
    return lines(1.0 - share, bands, xlabel=text, ylabel="response time (s)", log_x=True, log_y=True)


def fairness_over_time(rows: pl.DataFrame, series: Mapping[str, pl.DataFrame]) -> Figure | None:  # noqa: ARG001
    """Jain's index of residual work over time, averaged over windows, in the case of highest load."""
    from qoslab.draw.curves import time_series

    shown = _last_case(series["fairness"])
    if shown is None:
        return None
    common = min(len(part) for _, part in _methods(shown))
    windows = min(100, common)
    if windows < 2:
        return None
    times = next(part for _, part in _methods(shown))["time_s"].to_numpy()[:common]
    means = {method: _windows(part["jain"].to_numpy()[:common], windows) for method, part in _methods(shown)}
    return time_series(_windows(times, windows), means, ylabel="Jain's index of residual work")


def server_utilisation(rows: pl.DataFrame, series: Mapping[str, pl.DataFrame]) -> Figure | None:  # noqa: ARG001
    """How much of its capacity each server used, in the case of highest load."""
    from qoslab.draw.heat import heat_map

    shown = _last_case(series["servers"])
    if shown is None or shown["server"].n_unique() > _MOST_SERVERS:
        return None
    methods = [method for method, _ in _methods(shown)]
    table = np.stack([part.sort("server")["utilisation"].to_numpy() for _, part in _methods(shown)])
    servers = [str(k) for k in range(table.shape[1])]
    return heat_map(table, methods, servers, xlabel="server", label="utilisation")


def _last_case(frame: pl.DataFrame) -> pl.DataFrame | None:
    """The last scenario (the highest load of a rising grid), its first replication."""
    if frame.is_empty():
        return None
    shown = frame.filter(frame["scenario"] == frame["scenario"][-1])
    return shown.filter(shown["replication"] == shown["replication"].min())


def _methods(frame: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    for (method,), part in frame.group_by("method", maintain_order=True):
        yield str(method), part


def _windows(values: np.ndarray, count: int) -> np.ndarray:
    """Means over `count` windows of nearly equal length; what has no value counts in none."""
    parts = np.array_split(values, count)
    return np.array([np.nan if np.isnan(part).all() else np.nanmean(part) for part in parts])


def _t_quantile(n: np.ndarray) -> np.ndarray:
    """97.5 % quantile of Student's law with n - 1 degrees of freedom; NaN below two values."""
    from scipy.special import stdtrit

    return np.asarray(stdtrit(np.where(n > 1, n - 1.0, np.nan), 0.975))
