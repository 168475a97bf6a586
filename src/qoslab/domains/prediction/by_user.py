"""Differences between methods user by user: each user is its own control, in every split that both methods met."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qoslab.core.errors import BadInput, Problem, did_you_mean

if TYPE_CHECKING:
    import polars as pl

__all__ = ["paired", "user_differences"]

_COLUMNS = ("scenario", "method", "replication", "parameter", "user", "mae")


def paired(
    errors: Path, *, against: str | None = None, parameter: str | None = None, scenario: str | None = None
) -> list[dict[str, Any]]:
    """By how much methods err more than the best one, or than one that is named, paired by user over all seeds.

    One row per rival: the difference as a share of the reference's error, its 95 % interval over users, and the numbers
    of users and of splits that both methods met.

    Args:
        errors: Parquet file of the series user_errors, as `qoslab export RESULTS --series user_errors` writes it.
        against: Label of the method to compare with; the best one by default.
        parameter: One QoS parameter; the mean over all of them by default.
        scenario: One scenario; all by default.
    """
    table = _read(errors)
    for field, wanted in (("method", against), ("parameter", parameter), ("scenario", scenario)):
        there = [str(one) for one in table[field].unique(maintain_order=True)]
        if wanted is not None and wanted not in there:
            hint = did_you_mean(wanted, there) or f"there are {', '.join(there)}"
            name = "against" if field == "method" else field
            raise BadInput(Problem(message=f"there is no {field} {wanted!r}", field=name, hint=hint))
        if wanted is not None and field != "method":
            table = table.filter(table[field] == wanted)
    found = user_differences(table, against)
    if found.is_empty():
        who = f"{against!r} and another method" if against else "two methods"
        methods = ", ".join(map(str, table["method"].unique(maintain_order=True)))
        message = f"no scenario has {who}, so that there is nothing to compare"
        raise BadInput(
            Problem(message=message, path=errors, hint=f"with these options there are rows of {methods}")
        )
    return [
        {key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}
        for row in found.to_dicts()
    ]


def _read(path: Path) -> pl.DataFrame:
    import polars as pl

    try:
        table = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        message = f"it cannot be read: {str(error).splitlines()[0]}"
        raise BadInput(Problem(message=message, path=path)) from None
    lacking = [name for name in _COLUMNS if name not in table.columns]
    if lacking or table.is_empty():
        message = f"there is no column {lacking[0]!r}" if lacking else "there are no rows"
        hint = 'qoslab export RESULTS --series user_errors writes such a file, of a study with series = "all"'
        raise BadInput(Problem(message=message, path=path, hint=hint))
    return table


def user_differences(errors: pl.DataFrame, against: str | None = None) -> pl.DataFrame:
    """Every method's error less that of the best one, or of a named one, paired by user, split and parameter.

    Errors of a parameter are taken in units of the best method's mean error, then averaged over splits and after that
    over parameters, so that one number is left per user, in which all parameters that it was asked for count alike; the
    interval is Student's t over users, for the splits at hand. The best method is the one of least mean error where all
    methods were judged, each parameter in units of the median method's. Where there is no split, parameter and user
    that all have, the methods with fewer of them than others cannot be the best.

    Args:
        errors: The series `user_errors`: columns `scenario`, `method`, `replication`, `parameter`, `user`, `mae`.
        against: Label of the method to compare with in place of the best one; scenarios without it are left out.

    Returns:
        One row per scenario and rival: `scenario`, `best`, `method`, `difference`, `low`, `high` (shares of the best
        method's error, 95 %), `users`, `splits`, sorted by difference within a scenario.
    """
    import polars as pl

    errors = errors.with_columns(pl.col("mae").cast(pl.Float64))  # committed files have single precision
    found: list[dict[str, object]] = []
    for scenario in errors["scenario"].unique(maintain_order=True):
        here = errors.filter(pl.col("scenario") == scenario)
        best = against or _best(here)
        if best not in here["method"]:
            continue
        found += [
            {"scenario": scenario, "best": best} | _against(here, best, str(rival))
            for rival in here["method"].unique(maintain_order=True)
            if rival != best
        ]
    table = pl.DataFrame(found)
    return table if table.is_empty() else table.sort("scenario", "difference", maintain_order=True)


_KEY = ["replication", "parameter", "user"]


def _best(errors: pl.DataFrame) -> str:
    """The method of least mean error, every parameter in units of the median method's (of all, where that is zero)."""
    import polars as pl

    met = _met_by_all(errors)
    means = met.group_by("method", "parameter", maintain_order=True).agg(pl.col("mae").mean())
    scaled = means.with_columns(
        pl.col("mae") / _unit(pl.col("mae").median(), pl.col("mae").mean()).over("parameter")
    )
    total = scaled.group_by("method", maintain_order=True).agg(pl.col("mae").mean())
    return str(total.sort("mae", maintain_order=True)["method"][0])


def _met_by_all(errors: pl.DataFrame) -> pl.DataFrame:
    """The rows that can be compared: those of the splits, parameters and users that all methods have.

    A method that failed in a hard split would otherwise seem good for having missed it. Where there are no such rows,
    methods with fewer rows than others are left out; methods of equally many that share none are compared as they are.
    """
    import polars as pl

    methods = errors["method"].n_unique()
    common = errors.filter(pl.col("method").n_unique().over(_KEY) == methods)
    if not common.is_empty():
        return common
    count = pl.len().over("method")
    most = errors.filter(count == count.max())
    return errors if len(most) == len(errors) else _met_by_all(most)


def _unit(error: pl.Expr, otherwise: pl.Expr) -> pl.Expr:
    """What errors are divided by: an error, or where that is zero, and all others infinitely above, another."""
    import polars as pl

    return pl.when(error > 0).then(error).when(otherwise > 0).then(otherwise).otherwise(1.0)


def _against(errors: pl.DataFrame, best: str, rival: str) -> dict[str, object]:
    import polars as pl
    from scipy.special import stdtrit

    one, other = (errors.filter(pl.col("method") == name).select(*_KEY, "mae") for name in (best, rival))
    both = one.join(other, on=_KEY, suffix="_rival")
    unit = _unit(pl.col("mae").mean(), pl.col("mae_rival").mean()).over("parameter")
    each = both.with_columns(((pl.col("mae_rival") - pl.col("mae")) / unit).alias("difference"))
    by_parameter = each.group_by("user", "parameter", maintain_order=True).agg(pl.col("difference").mean())
    by_user = by_parameter.group_by("user", maintain_order=True).agg(pl.col("difference").mean())
    values = by_user["difference"].to_numpy()
    users, splits = len(values), both["replication"].n_unique()
    mean = float(values.mean()) if users else float("nan")
    half = float("nan")
    if users > 1:
        half = float(stdtrit(users - 1, 0.975) * values.std(ddof=1) / np.sqrt(users))
    row = {"method": rival, "difference": mean, "low": mean - half, "high": mean + half}
    return row | {"users": users, "splits": splits}
