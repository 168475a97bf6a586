"""The Poincare ball in torch: points with c |x|^2 < 1, Moebius operations, maps to and from the origin's tangent space.

Definitions: Ganea, Becigneul and Hofmann, Hyperbolic Neural Networks (NeurIPS 2018), sections 2.3 and 3. The last
axis holds coordinates; `c > 0` is the negated curvature, a number or a tensor with a gradient. Every map that can
reach the boundary projects its result into the ball: without that, float32 gives NaN after a few layers. Products with
`c * c` overflow float32 from c of about 2e19 on; keep c far below.
"""

from __future__ import annotations

from math import atanh, sqrt
from typing import Any

__all__ = [
    "clip_tangent",
    "distance",
    "exp0",
    "log0",
    "matvec",
    "moebius_add",
    "project",
    "shift_tangent",
]

_TINY = 1e-30
_LEAST = sqrt(_TINY)
_TANH_LIMIT = 15.0


def margin(x: Any) -> float:
    """How far from the boundary points are kept, relative to the radius: 4e-3 in float32, 1e-5 in float64."""
    return 1e-5 if x.element_size() == 8 else 4e-3


def project(x: Any, c: Any) -> Any:
    """Pull points on or beyond the boundary back into the ball; points inside are returned unchanged.

    Args:
        x: Points, shape (..., d).
        c: Negated curvature.
    """
    norm = _norm(x)
    largest = (1 - margin(x)) / _root(c)
    return x * (largest / norm).clamp_max(1.0)


def moebius_add(x: Any, y: Any, c: Any) -> Any:
    """The Moebius sum x (+) y, projected into the ball.

    Args:
        x: Points, shape (..., d).
        y: Points of a shape that broadcasts with `x`.
        c: Negated curvature.
    """
    xy = (x * y).sum(-1, keepdim=True)
    xx = (x * x).sum(-1, keepdim=True)
    yy = (y * y).sum(-1, keepdim=True)
    above = (1 + 2 * c * xy + c * yy) * x + (1 - c * xx) * y
    below = 1 + 2 * c * xy + c * c * xx * yy
    return project(above / below.clamp_min(_TINY), c)


def exp0(v: Any, c: Any) -> Any:
    """From the tangent space at the origin to the ball: tanh(sqrt(c)|v|) v / (sqrt(c)|v|), projected.

    Args:
        v: Tangent vectors, shape (..., d).
        c: Negated curvature.
    """
    return project(v * _shrink(_norm(v), c), c)


def log0(y: Any, c: Any) -> Any:
    """From the ball to the tangent space at the origin: artanh(sqrt(c)|y|) y / (sqrt(c)|y|).

    Args:
        y: Points, shape (..., d).
        c: Negated curvature.
    """
    return y * _stretch(_norm(y), c, y)


def clip_tangent(v: Any, c: Any) -> Any:
    """log_0(exp_0(v)): vectors that lead beyond where `project` leaves points are shortened, others stay as they are.

    Args:
        v: Tangent vectors, shape (..., d).
        c: Negated curvature.
    """
    longest = atanh(1 - margin(v)) / _root(c)
    return v * (longest / _norm(v)).clamp_max(1.0)


def matvec(weight: Any, x: Any, c: Any) -> Any:
    """The Moebius matrix-vector product exp_0(W log_0(x)).

    Args:
        weight: Shape (out, d).
        x: Points, shape (..., d).
        c: Negated curvature.
    """
    return exp0(log0(x, c) @ weight.T, c)


def distance(x: Any, y: Any, c: Any) -> Any:
    """The geodesic distance (2 / sqrt(c)) artanh(sqrt(c) |(-x) (+) y|), shape (...).

    Args:
        x: Points, shape (..., d).
        y: Points of a shape that broadcasts with `x`.
        c: Negated curvature.
    """
    root = _root(c)
    argument = (root * _norm(moebius_add(-x, y, c))).clamp_max(_closest(x))
    return (2 / root * argument.atanh()).squeeze(-1)


def shift_tangent(v: Any, bias: Any, c: Any) -> Any:
    """log_0(exp_0(v) (+) exp_0(bias)): the bias of a hyperbolic layer, seen from the tangent space.

    The result lies in the plane of v and the bias, so that two numbers per row are all there is to compute; this takes
    a tenth of the memory traffic of the three maps one after the other, to which it is equal.

    Args:
        v: Tangent vectors, shape (n, d).
        bias: One tangent vector, shape (d,).
        c: Negated curvature.
    """
    root, largest = _root(c), (1 - margin(v)) / _root(c)
    y = exp0(bias, c)
    norm = _norm(v)
    scale = _shrink(norm, c)
    scale = scale * (largest / (scale * norm)).clamp_max(1.0)
    xx, yy = (scale * norm) ** 2, (y * y).sum()
    xy = scale * (v @ y)[:, None]
    below = (1 + 2 * c * xy + c * c * xx * yy).clamp_min(_TINY)
    first, second = (1 + 2 * c * xy + c * yy) / below, (1 - c * xx) / below
    length = (first**2 * xx + 2 * first * second * xy + second**2 * yy).clamp_min(_TINY).sqrt()
    inside = (largest / length).clamp_max(1.0)
    stretched = inside * (root * length * inside).clamp_max(_closest(v)).atanh() / (root * length * inside)
    return (stretched * second * y).addcmul(stretched * first * scale, v)


def _norm(x: Any) -> Any:
    """|x| with a gradient of zero, not NaN, at the origin; shape (..., 1)."""
    return x.norm(dim=-1, keepdim=True).clamp_min(_LEAST)


def _root(c: Any) -> Any:
    return c**0.5 if hasattr(c, "requires_grad") else sqrt(c)


def _shrink(norm: Any, c: Any) -> Any:
    scaled = _root(c) * norm
    return scaled.clamp_max(_TANH_LIMIT).tanh() / scaled


def _stretch(norm: Any, c: Any, like: Any) -> Any:
    scaled = _root(c) * norm
    return scaled.clamp_max(_closest(like)).atanh() / scaled


def _closest(x: Any) -> float:
    """Largest argument of artanh: a little beyond where `project` leaves points, finite in every precision."""
    return 1 - margin(x) / 10
