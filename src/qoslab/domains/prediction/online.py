# mypy: disable-error-code="no-any-return"
"""Factors that take in one measurement at a time: new values, new users and new services without training again.

The model is that of `factor_analysis`, on standardised logarithms: y = offset + row . [point, 1] + cell + noise. A row
belongs to a user and parameter, a point to a service. Rows, points and what persists of a cell are Gaussian with means
and covariances; a measurement moves all three by the Kalman gain of their common innovation, with what they share left
out (block-diagonal covariances). Covariances grow a little at each update, up to what was assumed at first, so that old
measurements are forgotten.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field

from qoslab.domains.prediction.data import Codes, FloatArray
from qoslab.domains.prediction.factor_analysis import Factors
from qoslab.engine.kernel import compiled, kernel

__all__ = [
    "Memory",
    "State",
    "absorb",
    "learn",
    "predict",
    "row_covariances",
    "start",
    "variance",
    "with_places",
]


class State(NamedTuple):
    """What is believed; arrays are changed in place by `absorb`.

    Attributes:
        rows: Loadings and, last, mean of each parameter and user, shape (P, users, k + 1).
        row_covariances: Shape (P, users, k + 1, k + 1).
        points: Shape (services, k).
        point_covariances: Shape (services, k, k).
        noise: Variance of a measurement around its row and point, shape (P, users).
        offset: What a better predictor adds to the factors, shape (P, users, services).
        cell: Mean of what persists of a cell, shape (P, users, services).
        cell_variance: Its variance.
        row_most: Largest trace of a row's covariance that forgetting leads to, shape (P,).
        point_most: Largest trace of a point's covariance.
    """

    rows: FloatArray
    row_covariances: FloatArray
    points: FloatArray
    point_covariances: FloatArray
    noise: FloatArray
    offset: FloatArray
    cell: FloatArray
    cell_variance: FloatArray
    row_most: FloatArray
    point_most: FloatArray


@dataclass(frozen=True)
class Memory:
    """How long what was learned is believed.

    Attributes:
        persistent: Share of the noise variance that belongs to the cell and comes again at its next measurement.
        rows: Factor that keeps a row's certainty from one measurement to the next.
        points: The same for points.
        cells: The same for cells.
        surprise: Innovations count up to this many standard deviations.
    """

    persistent: Annotated[float, Field(ge=0, le=1)] = 0.5
    rows: Annotated[float, Field(gt=0, le=1)] = 0.998
    points: Annotated[float, Field(gt=0, le=1)] = 0.95
    cells: Annotated[float, Field(gt=0, le=1)] = 0.9
    surprise: Annotated[float, Field(gt=0)] = 2.5


def start(fit: Factors, table: FloatArray, parameters: int, memory: Memory) -> State:
    """The state after a factor analysis of a whole table; users without data begin as the others are on average.

    Args:
        fit: The analysis.
        table: Standardised logarithms that it was fitted to, shape (P * users, services), NaN where unknown.
        parameters: Number P.
        memory: Its share of persistent noise makes cells of the residuals.
    """
    rank = fit.points.shape[1]
    users, services = len(table) // parameters, table.shape[1]
    rows = np.concatenate([fit.loadings, fit.mean[:, None]], axis=1)
    noise = fit.noise.reshape(parameters, users)
    kept = memory.persistent * np.repeat(noise[:, :, None], services, axis=2)
    missed = (table - fit.predict()).reshape(kept.shape)
    known = np.isfinite(missed)
    cell = np.where(known, memory.persistent * np.where(known, missed, 0.0), 0.0)
    left = np.where(known, (1 - memory.persistent) * kept, kept)
    covariances = row_covariances(fit, np.isfinite(table)).reshape(parameters, users, rank + 1, rank + 1)
    shaped = rows.reshape(parameters, users, rank + 1)
    has = np.asarray(known.any(axis=2))
    spread = [np.cov(r[h].T) if h.sum() > 1 else np.eye(rank + 1) for r, h in zip(shaped, has, strict=True)]
    for p, here in enumerate(has):
        if here.any():
            shaped[p, ~here], covariances[p, ~here] = shaped[p, here].mean(axis=0), spread[p]
    return State(
        np.ascontiguousarray(shaped),
        np.ascontiguousarray(covariances),
        fit.points.copy(),
        fit.covariances.copy(),
        np.ascontiguousarray(noise),
        np.zeros(kept.shape),
        cell,
        left,
        np.array([np.trace(np.atleast_2d(s)) for s in spread]),
        np.array([float(rank)]),
    )


def row_covariances(fit: Factors, mask: FloatArray) -> FloatArray:
    """Posterior covariances of rows [loadings, mean] given the points, shape (rows, k + 1, k + 1)."""
    rank = fit.points.shape[1]
    extended = np.concatenate([fit.points, np.ones((len(fit.points), 1))], axis=1)
    second = extended[:, :, None] * extended[:, None, :]
    second[:, :rank, :rank] += fit.covariances
    gram = (mask.astype(np.float64) @ second.reshape(len(second), -1)).reshape(-1, rank + 1, rank + 1)
    prior = np.diag(np.append(np.ones(rank), 0.1))
    return np.asarray(np.linalg.inv(gram / fit.noise[:, None, None] + prior))


def predict(state: State) -> FloatArray:
    """Every cell, shape (P, users, services), in standardised logarithms."""
    factors = state.rows[:, :, :-1] @ state.points.T + state.rows[:, :, -1:]
    return np.asarray(state.offset + factors + state.cell)


def variance(state: State, user: int, service: int, memory: Memory) -> FloatArray:
    """Variance of the next measurement of one cell, shape (P,)."""
    x = np.append(state.points[service], 1.0)
    rows = np.einsum("i,pij,j->p", x, state.row_covariances[:, user], x)
    w = state.rows[:, user, :-1]
    points = np.einsum("pi,ij,pj->p", w, state.point_covariances[service], w)
    fresh = (1 - memory.persistent) * state.noise[:, user]
    return np.asarray(rows + points + state.cell_variance[:, user, service] + fresh)


def learn(state: State, users: Codes, services: Codes, values: FloatArray, memory: Memory) -> None:
    """Take in measurements one after the other, in place.

    Args:
        state: What is believed.
        users: Shape (n,).
        services: Shape (n,).
        values: Standardised logarithms, shape (n, P), NaN where a parameter was not measured.
        memory: How long things are believed.
    """
    m = memory
    compiled(absorb)(state, users, services, values, m.persistent, m.rows, m.points, m.cells, m.surprise)


@kernel
def absorb(
    state: State,
    users: Codes,
    services: Codes,
    values: FloatArray,
    persistent: float,
    keep_rows: float,
    keep_points: float,
    keep_cells: float,
    surprise: float,
) -> None:
    """One Kalman step for each measured value, parameter by parameter; see the module for the model."""
    k = state.points.shape[1]
    x, gx, gw = np.empty(k + 1), np.empty(k + 1), np.empty(k)
    for i in range(len(users)):
        u, s = users[i], services[i]
        z, v = state.points[s], state.point_covariances[s]
        fresh = True
        for p in range(values.shape[1]):
            y = values[i, p]
            if math.isnan(y):
                continue
            if fresh:  # once for all parameters, and not where none was measured
                forget(v, keep_points, state.point_most[0])
                fresh = False
            a, c = state.rows[p, u], state.row_covariances[p, u]
            forget(c, keep_rows, state.row_most[p])
            most = persistent * state.noise[p, u]
            own = min(most, state.cell_variance[p, u, s] / keep_cells)
            for j in range(k):
                x[j] = z[j]
            x[k] = 1.0
            guess = state.offset[p, u, s] + state.cell[p, u, s]
            total = own + (1.0 - persistent) * state.noise[p, u]
            for j in range(k + 1):
                guess += a[j] * x[j]
                gx[j] = 0.0
                for m in range(k + 1):
                    gx[j] += c[j, m] * x[m]
                total += x[j] * gx[j]
            for j in range(k):
                gw[j] = 0.0
                for m in range(k):
                    gw[j] += v[j, m] * a[m]
                total += a[j] * gw[j]
            limit = surprise * math.sqrt(total)
            gain = max(-limit, min(limit, y - guess)) / total
            lessen(c, gx, total)
            lessen(v, gw, total)
            for j in range(k + 1):
                a[j] += gx[j] * gain
            for j in range(k):
                z[j] += gw[j] * gain
            state.cell[p, u, s] += own * gain
            state.cell_variance[p, u, s] = own - own * own / total


@kernel
def lessen(covariance: FloatArray, gain: FloatArray, total: float) -> None:
    """Subtract gain gain' / total, in place; both halves stay equal, or forgetting would let them drift apart."""
    for j in range(len(gain)):
        for m in range(j + 1):
            covariance[j, m] -= gain[j] * gain[m] / total
            covariance[m, j] = covariance[j, m]


@kernel
def forget(covariance: FloatArray, keep: float, most: float) -> None:
    """Make a covariance larger by 1 / keep, in place, while its trace stays below a limit."""
    trace = 0.0
    for j in range(len(covariance)):
        trace += covariance[j, j]
    if trace / keep > most:
        return
    for j in range(len(covariance)):
        for m in range(len(covariance)):
            covariance[j, m] /= keep


def with_places(state: State, users: int, services: int, memory: Memory) -> State:
    """The state with room for more users and services, which begin as nobody and nothing: zero rows and points.

    Args:
        state: What is believed.
        users: Number of users that there shall be room for.
        services: The same for services.
        memory: New cells have its share of the mean noise.
    """
    more_users, more_services = users - state.rows.shape[1], services - len(state.points)
    noise = np.concatenate(
        [state.noise, np.repeat(state.noise.mean(axis=1, keepdims=True), more_users, 1)], axis=1
    )
    grown = [
        np.pad(table, ((0, 0), (0, more_users), (0, more_services)))
        for table in (state.offset, state.cell, state.cell_variance)
    ]
    fresh = memory.persistent * np.broadcast_to(noise[:, :, None], grown[0].shape)
    old = np.zeros(grown[0].shape[1:], bool)
    old[: state.rows.shape[1], : len(state.points)] = True
    return State(
        np.pad(state.rows, ((0, 0), (0, more_users), (0, 0))),
        np.pad(state.row_covariances, ((0, 0), (0, more_users), (0, 0), (0, 0))),
        np.pad(state.points, ((0, more_services), (0, 0))),
        np.pad(state.point_covariances, ((0, more_services), (0, 0), (0, 0))),
        noise,
        grown[0],
        grown[1],
        np.where(old, grown[2], fresh),
        state.row_most,
        state.point_most,
    )
