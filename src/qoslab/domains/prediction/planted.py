"""Measurements drawn from known factors, places and noise."""

from __future__ import annotations

import numpy as np

from qoslab.domains.prediction.data import Codes, FloatArray, Known
from qoslab.domains.prediction.scenario import Planted

__all__ = ["parameter_names", "plant"]

_NETWORKS = 3
"""Networks (AS) of a country."""


def plant(data: Planted, rng: np.random.Generator) -> Known:
    """Log-normal values whose logarithms are a low-rank product, shared in part by all parameters, plus noise.

    With countries, the logarithms also hold an effect of each pair of countries and of each pair of networks, half of
    the variance each; noise of heavy tails is Student's t.
    """
    left = rng.standard_normal((data.parameters, data.users, data.rank))
    right = rng.standard_normal((data.services, data.rank))
    signal = data.signal / np.sqrt(data.rank) * (left @ right.T)
    shape = signal.shape
    noise = data.noise * (rng.standard_t(data.tail, shape) if data.tail else rng.standard_normal(shape))
    names = parameter_names(data)
    if not data.countries:
        return Known(names, _exponential(signal + noise))
    users, services = (_places(data.countries, count, rng) for count in (data.users, data.services))
    for kind in ("country", "as"):
        size = data.countries * (_NETWORKS if kind == "as" else 1)
        effect = data.place / np.sqrt(2) * rng.standard_normal((data.parameters, size, size))
        signal = signal + effect[:, users[kind]][:, :, services[kind]]
    return Known(names, _exponential(signal + noise), users, services)


def parameter_names(data: Planted) -> tuple[str, ...]:
    """What planted parameters are called: q0, q1 and so on."""
    return tuple(f"q{i}" for i in range(data.parameters))


def _places(countries: int, count: int, rng: np.random.Generator) -> dict[str, Codes]:
    networks = rng.integers(countries * _NETWORKS, size=count)
    return {"country": networks // _NETWORKS, "as": networks}


def _exponential(logs: FloatArray) -> FloatArray:
    return np.asarray(np.exp(np.clip(logs, -50.0, 50.0)))  # Student's t has no largest value
