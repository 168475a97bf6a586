"""What a person wants to see of a balancer: its tail, over load and over requests, its fairness, its servers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

__all__ = ["exceeded", "fairness_over_time", "server_utilisation", "tail_over_load"]

_MOST_SERVERS = 128
_SIGN = "†"


def tail_over_load(rows: pl.DataFrame, series: Mapping[str, pl.DataFrame]) -> Figure | None:  # noqa: ARG001
    """99.9th percentile of the response time over the load, one line per method, with 95 % intervals over seeds.

    Of a grid over other fields too, the first of their values are shown. Hollow markers where most runs have a caveat.
    """
    import polars as pl

    from qoslab.draw.curves import Band, lines
    from qoslab.draw.slices import hold_others

    metric = "response_time_p999_s"
    if "load" not in rows.columns or metric not in rows.columns:
        return None
    shown, place = hold_others(rows, "load")
    done = shown.filter((pl.col("status") == "done") & pl.col(metric).is_not_null())
    loads = done["load"].unique().sort()
    if len(loads) < 2:
        return None
    bands, hollow = {}, {}
    said = _caveats(done)
    for (method,), part in done.group_by("method", maintain_order=True):
        of = part.group_by("load").agg(
            pl.col("scenario").first(), mean=pl.col(metric).mean(), error=pl.col(metric).std(), n=pl.len()
        )
        found = pl.DataFrame({"load": loads}).join(of, on="load", how="left").sort("load")
        mean = found["mean"].to_numpy()
        half = _t_quantile(found["n"].to_numpy()) * found["error"].to_numpy() / np.sqrt(found["n"].to_numpy())
        bands[str(method)] = Band(mean, mean - half, mean + half)
        hollow[str(method)] = [(case, method) in said for case in found["scenario"]]
    figure = lines(
        loads.to_numpy(),
        bands,
        xlabel=f"load ({place})" if place else "load",
        ylabel="99.9th percentile of response time (s)",
        log_y=True,
        hollow=hollow,
    )
    return _noted(figure, _told("Hollow markers:", said.values()) if said else "")


def exceeded(rows: pl.DataFrame, series: Mapping[str, pl.DataFrame]) -> Figure | None:
    """The response time that a given share of requests exceeds, in the case of highest load."""
    from qoslab.draw.curves import Band, lines

    shown, note = _heaviest_case(series["response_time"], rows)
    if shown is None:
        return None
    common = min(len(part) for _, part in _methods(shown))
    if common < 2:
        return None
    share = next(part for _, part in _methods(shown))["share"].to_numpy()[:common]
    bands = {method: Band(part["response_time_s"].to_numpy()[:common]) for method, part in _methods(shown)}
    text = "share of requests that take longer"
    return _noted(
        lines(1.0 - share, bands, xlabel=text, ylabel="response time (s)", log_x=True, log_y=True), note
    )


def fairness_over_time(rows: pl.DataFrame, series: Mapping[str, pl.DataFrame]) -> Figure | None:
    """Jain's index of residual work over time, averaged over windows, in the case of highest load."""
    from qoslab.draw.curves import time_series

    shown, note = _heaviest_case(series["fairness"], rows)
    if shown is None:
        return None
    common = min(len(part) for _, part in _methods(shown))
    windows = min(100, common)
    if windows < 2:
        return None
    times = next(part for _, part in _methods(shown))["time_s"].to_numpy()[:common]
    means = {method: _windows(part["jain"].to_numpy()[:common], windows) for method, part in _methods(shown)}
    return _noted(time_series(_windows(times, windows), means, ylabel="Jain's index of residual work"), note)


def server_utilisation(rows: pl.DataFrame, series: Mapping[str, pl.DataFrame]) -> Figure | None:
    """How much of its capacity each server used, in the case of highest load."""
    from qoslab.draw.heat import heat_map

    shown, note = _heaviest_case(series["servers"], rows)
    if shown is None or shown["server"].n_unique() > _MOST_SERVERS:
        return None
    methods = [method for method, _ in _methods(shown)]
    table = np.stack([part.sort("server")["utilisation"].to_numpy() for _, part in _methods(shown)])
    servers = [str(k) for k in range(table.shape[1])]
    return _noted(heat_map(table, methods, servers, xlabel="server", label="utilisation"), note)


def _caveats(rows: pl.DataFrame) -> dict[tuple[str, str], str]:
    """What is to be said of some cells, by scenario and method."""
    if "caveat" not in rows.columns:
        return {}
    cells = rows.filter(rows["caveat"].is_not_null()).select("scenario", "method", "caveat").iter_rows()
    return {(scenario, method): caveat for scenario, method, caveat in cells}


def _told(sign: str, caveats: Iterable[str]) -> str:
    return f"{sign} in most of its trials the method {', or '.join(dict.fromkeys(caveats))}."


def _noted(figure: Figure, note: str) -> Figure:
    from qoslab.draw.style import footnote

    return footnote(figure, note) if note else figure


def _heaviest_case(frame: pl.DataFrame, rows: pl.DataFrame) -> tuple[pl.DataFrame | None, str]:
    """The case of highest load, its first replication; a note on which case it is and what signs mean.

    Of other fields of a grid the first values are shown; without a grid of loads, the last case. The methods of which
    the table has something to say there carry a sign behind their names.
    """
    if frame.is_empty():
        return None, ""
    case = _heaviest(rows.filter(rows["scenario"].is_in(frame["scenario"].unique().implode())))
    shown = frame.filter(frame["scenario"] == case)
    shown = shown.filter(shown["replication"] == shown["replication"].min())
    note = f"Shown is {case}." if rows["scenario"].n_unique() > 1 else ""
    said = {method: text for (of, method), text in _caveats(rows).items() if of == case}
    if not said:
        return shown, note
    signed = {method: f"{method} {_SIGN}" for method in said}
    told = f"{note} {_told(f'{_SIGN}:', said.values())}".strip()
    return shown.with_columns(shown["method"].replace(signed)), told


def _heaviest(rows: pl.DataFrame) -> str:
    """The label of the case of highest load among those at the first values of other fields."""
    from qoslab.draw.slices import hold_others

    if "load" in rows.columns[: rows.columns.index("method")]:
        rows = hold_others(rows, "load")[0].sort("load", maintain_order=True)
    return str(rows["scenario"][-1])


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
