"""The Poincare ball against geoopt, its boundary, and sparse operators against dense matrices."""

import warnings

import numpy as np
import pytest

from qoslab.learning import poincare, sparse

torch = pytest.importorskip("torch", reason="needs the extra 'learn'")


def points(count, c, dtype=None, radius=0.9):
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(count, 5, generator=generator, dtype=dtype or torch.float64)
    r = torch.rand(count, 1, generator=generator, dtype=x.dtype)
    return radius / c**0.5 * r * x / x.norm(dim=1, keepdim=True)


@pytest.mark.parametrize("c", [0.3, 1.0, 2.5])
def test_the_operations_are_geoopts(c):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from geoopt.manifolds.stereographic import math as peer
    k = torch.tensor(-c, dtype=torch.float64)
    x, y = points(200, c), points(200, c).flip(0)
    weight = torch.from_numpy(np.random.default_rng(2).standard_normal((3, 5)))
    beyond = x * torch.linspace(0.1, 9, 200, dtype=torch.float64)[:, None]  # inside first, outside last
    for ours, theirs in (
        (poincare.moebius_add(x, y, c), peer.mobius_add(x, y, k=k)),
        (poincare.exp0(x, c), peer.expmap0(x, k=k)),
        (poincare.log0(x, c), peer.logmap0(x, k=k)),
        (poincare.distance(x, y, c), peer.dist(x, y, k=k)),
        (poincare.matvec(weight, x, c), peer.mobius_matvec(weight, x, k=k)),
        (poincare.project(beyond, c), peer.project(beyond, k=k, eps=1e-5)),
    ):
        assert torch.allclose(ours, theirs, atol=1e-9)


@pytest.mark.parametrize("c", [0.3, 1.0, 2.5])
def test_the_shift_is_the_three_maps_one_after_the_other(c):
    v, b = 2 * points(100, c), points(1, c)[0]
    expected = poincare.log0(poincare.moebius_add(poincare.exp0(v, c), poincare.exp0(b, c), c), c)
    assert torch.allclose(poincare.shift_tangent(v, b, c), expected, atol=1e-9)


@pytest.mark.parametrize("c", [0.3, 1.0, 2.0])
@pytest.mark.parametrize("length", [0.1, 1.0, 30.0])
@pytest.mark.parametrize(("dtype", "near"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_clipping_is_the_way_into_the_ball_and_back(c, length, dtype, near):
    v = length * points(100, c, dtype)
    around = poincare.log0(poincare.exp0(v, c), c)
    assert torch.allclose(poincare.clip_tangent(v, c), around, rtol=near, atol=near * length / 1000)
    clipped = (poincare.clip_tangent(v, c) != v).any(dim=1)
    assert clipped.any() == (length == 30.0)
    assert not poincare.clip_tangent(torch.zeros(2, 5, dtype=dtype), c).any()


@pytest.mark.parametrize(
    ("name", "radius"),
    [(name, 0.9) for name in ("shift_tangent", "moebius_add", "distance", "exp0", "log0", "matvec")]
    + [("project", 0.9), ("project", 40.0), ("clip_tangent", 0.9), ("clip_tangent", 40.0)],
)
def test_gradients_are_right(name, radius):
    """By all inputs, the curvature included; a projection's inside the ball and outside."""
    c = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    x, b = points(4, 1.0, radius=radius).requires_grad_(), points(5, 1.0)[4].requires_grad_()
    weight = torch.from_numpy(np.random.default_rng(2).standard_normal((3, 5))).requires_grad_()
    inputs = {
        "exp0": (x, c),
        "log0": (x, c),
        "project": (x, c),
        "clip_tangent": (x, c),
        "matvec": (weight, x, c),
    }
    assert torch.autograd.gradcheck(getattr(poincare, name), inputs.get(name, (x, b, c)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("curvature", [0.01, 1.0, 2.0, 50.0])
def test_boundary_points_give_no_nan(dtype, curvature):
    """10,000 points on the boundary through every map: values and gradients, that of the curvature too, are finite."""
    c = torch.tensor(curvature, dtype=dtype, requires_grad=True)
    x = points(10_000, 1.0, dtype)
    x = (x / x.norm(dim=1, keepdim=True) / curvature**0.5).requires_grad_()
    y = poincare.project(x, c)
    assert (y.norm(dim=1) < curvature**-0.5).all()
    log = poincare.log0(y, c)
    weight = torch.full((5, 5), 3.0, dtype=dtype)
    far = poincare.distance(y, y.flip(0), c).sum() + poincare.shift_tangent(log, log[0], c).sum()
    far = far + poincare.exp0(100 * log, c).sum() + poincare.matvec(weight, y, c).sum()
    far.backward()
    assert far.isfinite()
    assert x.grad.isfinite().all()
    assert c.grad.isfinite()


def graph():
    mask = np.random.default_rng(1).random((6, 9)) < 0.4
    mask[2] = False  # a user without measurements
    return mask, *np.nonzero(mask)


@pytest.mark.parametrize("renormalised", [True, False])
def test_the_adjacency_is_the_dense_one(renormalised):
    mask, users, services = graph()
    a = np.zeros((15, 15))
    a[:6, 6:], a[6:, :6] = mask, mask.T
    a = a + renormalised * np.eye(15)
    with np.errstate(divide="ignore"):
        root = np.where(a.sum(0) > 0, a.sum(0) ** -0.5, 0)
    dense = root[:, None] * a * root + (not renormalised) * np.eye(15)
    like = torch.zeros(1, dtype=torch.float64)
    ours = sparse.bipartite_adjacency(users, services, (6, 9), like, renormalised=renormalised)
    x = torch.eye(15, dtype=torch.float64, requires_grad=True)
    assert np.allclose(ours(x).detach().numpy(), dense)
    (ours(x) * torch.arange(15.0, dtype=torch.float64)[:, None]).sum().backward()
    assert np.allclose(x.grad.numpy(), (dense.T @ np.arange(15.0))[:, None])


def test_the_hypergraph_and_the_group_mean_are_dense_ones():
    mask, users, services = graph()
    b, like = mask.astype(float), torch.zeros(1, dtype=torch.float64)
    with np.errstate(divide="ignore"):
        v, e = np.where(b.sum(1) > 0, b.sum(1) ** -0.5, 0), np.where(b.sum(0) > 0, 1 / b.sum(0), 0)
    dense = v[:, None] * (b * e) @ b.T * v
    eye = torch.eye(6, dtype=torch.float64)
    assert np.allclose(sparse.hypergraph(users, services, (6, 9), like)(eye).numpy(), dense)
    groups = np.array([0, 1, 0, -1, 1, -1])
    mean = sparse.group_mean(groups, like)(eye).numpy()
    same = (groups[:, None] == groups) & (groups >= 0)[:, None] | np.eye(6, dtype=bool)
    assert np.allclose(mean, same / same.sum(1, keepdims=True))
