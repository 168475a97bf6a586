"""What a model believes when it begins to serve: online factors that predict what the method does, with variances."""

from __future__ import annotations

import numpy as np

from qoslab.domains.prediction import online
from qoslab.domains.prediction.deploy.kept import KeptModel
from qoslab.domains.prediction.intervals import Intervals

__all__ = ["first_state"]


def first_state(model: KeptModel, memory: online.Memory, intervals: Intervals) -> online.State:
    """The online factors, with an offset that makes every trained prediction that of the method."""
    arrays = model.arrays
    mean, std = (arrays[f"scale/{part}"][:, None, None] for part in ("mean", "std"))
    logs = (intervals.logs(arrays["values"]) - mean) / std
    rows, points, noise = arrays["factors/rows"], arrays["factors/points"], arrays["factors/noise"]
    factors = rows[:, :, :-1] @ points.T + rows[:, :, -1:]
    known = intervals.logs(arrays["known/values"].T)
    users, services = arrays["known/users"], arrays["known/services"]
    missed = (known - mean[:, 0]) / std[:, 0] - logs[:, users, services]
    cell = np.zeros(logs.shape)
    cell[:, users, services] = memory.persistent * np.where(np.isfinite(missed), missed, 0.0)
    variance = memory.persistent * np.repeat(noise[:, :, None], logs.shape[2], axis=2)
    variance[:, users, services] *= np.where(np.isfinite(missed), 1 - memory.persistent, 1.0)
    population = [np.cov(table.T) if len(table) > 1 else np.eye(table.shape[1]) for table in rows]
    return online.State(
        rows.copy(),
        arrays["factors/row_covariances"].copy(),
        points.copy(),
        arrays["factors/point_covariances"].copy(),
        noise.copy(),
        logs - factors,
        cell,
        variance,
        np.array([np.trace(np.atleast_2d(c)) for c in population]),
        np.array([float(points.shape[1])]),
    )
