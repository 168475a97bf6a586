"""Differences between methods user by user: each user is its own control, in every split that both methods met."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import polars as pl

__all__ = ["user_differences"]


def user_differences(errors: pl.DataFrame) -> pl.DataFrame:
    """Every method's error less that of the best one, paired by user, split and parameter.

    Errors of a parameter are taken in units of the best method's mean error, then averaged over parameters and splits,
    so that one number is left per user; the interval is Student's t over users, for the splits at hand. The best method
    is the one of least mean error, each parameter in units of the median method's.

    Args:
        errors: The series `user_errors`: columns `scenario`, `method`, `replication`, `parameter`, `user`, `mae`.

    Returns:
        One row per scenario and rival: `scenario`, `best`, `method`, `difference`, `low`, `high` (shares of the best
        method's error, 95 %), `users`, `splits`, sorted by difference within a scenario.
    """
    import polars as pl

    found: list[dict[str, object]] = []
    for scenario in errors["scenario"].unique(maintain_order=True):
        here = errors.filter(pl.col("scenario") == scenario)
        best = _best(here)
        found += [
            {"scenario": scenario, "best": best} | _against(here, best, str(rival))
            for rival in here["method"].unique(maintain_order=True)
            if rival != best
        ]
    table = pl.DataFrame(found)
    return table if table.is_empty() else table.sort("scenario", "difference", maintain_order=True)


_KEY = ["replication", "parameter", "user"]


def _best(errors: pl.DataFrame) -> str:
    """The method of least mean error, every parameter in units of the median method's."""
    import polars as pl

    means = errors.group_by("method", "parameter", maintain_order=True).agg(pl.col("mae").mean())
    scaled = means.with_columns(pl.col("mae") / pl.col("mae").median().over("parameter"))
    total = scaled.group_by("method", maintain_order=True).agg(pl.col("mae").mean())
    return str(total.sort("mae", maintain_order=True)["method"][0])


def _against(errors: pl.DataFrame, best: str, rival: str) -> dict[str, object]:
    import polars as pl
    from scipy.special import stdtrit

    one, other = (errors.filter(pl.col("method") == name).select(*_KEY, "mae") for name in (best, rival))
    both = one.join(other, on=_KEY, suffix="_rival")
    unit = pl.col("mae").mean().over("parameter")
    by_user = (
        both.with_columns(((pl.col("mae_rival") - pl.col("mae")) / unit).alias("difference"))
        .group_by("user")
        .agg(pl.col("difference").mean())
    )
    values = by_user["difference"].to_numpy()
    users, splits = len(values), both["replication"].n_unique()
    mean = float(values.mean()) if users else float("nan")
    half = float("nan")
    if users > 1:
        half = float(stdtrit(users - 1, 0.975) * values.std(ddof=1) / np.sqrt(users))
    row = {"method": rival, "difference": mean, "low": mean - half, "high": mean + half}
    return row | {"users": users, "splits": splits}
