"""Distances between positions."""

from __future__ import annotations

import numpy as np

from qoslab.graphs.csr import FloatArray

__all__ = ["EARTH_RADIUS_KM", "distance_km"]

EARTH_RADIUS_KM = 6371.0088
"""Mean radius of the Earth (IUGG)."""


def _haversine(a: FloatArray, b: FloatArray) -> FloatArray:
    lon_a, lat_a, lon_b, lat_b = (np.radians(x) for x in (a[..., 0], a[..., 1], b[..., 0], b[..., 1]))
    half = np.sin((lat_b - lat_a) / 2) ** 2 + np.cos(lat_a) * np.cos(lat_b) * np.sin((lon_b - lon_a) / 2) ** 2
    distance: FloatArray = 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0)))
    return distance


def distance_km(a: FloatArray, b: FloatArray, *, geographic: bool) -> FloatArray:
    """Distance between points.

    Args:
        a: Points, shape (..., 2): longitude and latitude in degrees, or x and y in km.
        b: Points of a shape that broadcasts with `a`.
        geographic: Great-circle distance on the mean sphere (haversine formula); else the Euclidean distance.

    Returns:
        Kilometres, shape (...); NaN where a position is unknown.
    """
    if geographic:
        return _haversine(a, b)
    straight: FloatArray = np.hypot(b[..., 0] - a[..., 0], b[..., 1] - a[..., 1])
    return straight
