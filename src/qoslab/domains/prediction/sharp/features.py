"""Features of users and services before any graph is seen: NMF of each table, autoencoded context."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qoslab.core.context import Context
from qoslab.core.errors import MissingExtra

__all__ = ["autoencoded", "nmf_features"]

FloatArray = NDArray[np.float64]

_USER_WIDTHS = (120, 80)
_SERVICE_WIDTHS = (1024, 256)
_DROPOUT = 0.4
_EPOCHS, _PATIENCE, _STEP, _BATCH = 500, 5, 1e-3, 32
_NOTHING = 1e-6
_NMF_SWEEPS = 100


def nmf_features(table: FloatArray, rank: int) -> FloatArray:
    """Non-negative factors of one table, users above services; unknown cells count as zero.

    The factorisation starts from NNDSVDa (zeros filled with the mean), whose decomposition is a randomised one with the
    fixed seed 0, and runs on one thread: the same table has the same factors whatever else is random. The factors of
    a component are given the same norm and rows are scaled to a root mean square length of one, where the
    exponential map is far from its saturation.

    Args:
        table: Shape (users, services), NaN where nothing is known.
        rank: Components; fewer where the table is smaller.

    Returns:
        Shape (users + services, rank), zero rows for who has no measurement, and zero columns beyond the
        smaller side of the table.
    """
    try:
        from sklearn.decomposition import NMF
    except ImportError:
        what = "NMF features"
        raise MissingExtra(what, "learn") from None
    filled = np.maximum(np.nan_to_num(table, nan=0.0), 0.0)
    out = np.zeros((sum(table.shape), rank))
    used = min(rank, *table.shape)
    if not filled.any():
        return out
    left, right = _nmf(NMF, filled / filled.max(), used)
    if not np.isfinite(
        left
    ).all():  # NNDSVD divides by zero where the table has fewer independent rows than components
        used = int(np.linalg.matrix_rank(filled))
        left, right = _nmf(NMF, filled / filled.max(), used)
    both = _balanced(left, right)
    out[:, :used] = both / (np.sqrt((both**2).sum(axis=1).mean()) or 1.0)
    return out


def _nmf(factorisation: Any, table: FloatArray, components: int) -> tuple[FloatArray, FloatArray]:
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    # One thread: a study runs one trial on each core, and sums of several threads have no fixed order.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the number of sweeps is the limit by design
        model = factorisation(components, init="nndsvda", max_iter=_NMF_SWEEPS, tol=1e-4, random_state=0)
        return model.fit_transform(table), model.components_.T


def _balanced(left: FloatArray, right: FloatArray) -> FloatArray:
    a, b = np.linalg.norm(left, axis=0), np.linalg.norm(right, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where((a > 0) & (b > 0), np.sqrt(b / a), 0.0)
        inverse = np.where(ratio > 0, 1 / ratio, 0.0)
    return np.concatenate([left * ratio, right * inverse])


def autoencoded(
    torch: Any, users: NDArray[np.int64], services: NDArray[np.int64], width: int, context: Context
) -> Any:
    """Codes of one kind of context: an autoencoder over one-hot groups for users, another for services.

    Members of a group have the same input, so that the groups are what is learned, each as often as any other: learned
    by their sizes, the small ones would share one code. Codes are centred over the members of a side and scaled to a
    root mean square length of one, as NMF features are: what all members share tells nobody apart.

    Args:
        torch: The torch module of a deterministic session.
        users: Group of each user; -1 is unknown and has the code of an empty input.
        services: The same for services.
        width: Width of the code.
        context: Its time limit is kept.

    Returns:
        A float32 tensor, shape (users + services, width).

    Raises:
        TimeLimitExceeded: The trial's time is over.
    """
    sides = ((users, _USER_WIDTHS), (services, _SERVICE_WIDTHS))
    return torch.cat([_encode(torch, codes, widths, width, context) for codes, widths in sides])


def _encode(
    torch: Any, codes: NDArray[np.int64], widths: tuple[int, ...], width: int, context: Context
) -> Any:
    present, member = np.unique(codes, return_inverse=True)
    rows = torch.eye(len(present))
    rows[torch.from_numpy(present < 0)] = 0.0
    encoder, decoder = _networks(torch, len(present), widths, width)
    _reconstruct(torch, torch.nn.Sequential(encoder, decoder), rows, context)
    with torch.no_grad():
        found = encoder(rows)[torch.from_numpy(member.reshape(-1))]
    found = found - found.mean(dim=0)
    size = float((found**2).sum(dim=1).mean()) ** 0.5
    return found / size if size > _NOTHING else torch.zeros_like(found)


def _reconstruct(torch: Any, both: Any, rows: Any, context: Context) -> None:
    """Train until the error without dropout has not fallen for some epochs: with it, it falls and rises by chance."""
    optimiser = torch.optim.Adam(both.parameters(), lr=_STEP)
    best, waited = float("inf"), 0
    for _ in range(_EPOCHS):
        context.check_time()
        both.train()
        for part in torch.randperm(len(rows)).split(_BATCH):
            optimiser.zero_grad(set_to_none=True)
            ((both(rows[part]) - rows[part]) ** 2).sum(dim=1).mean().backward()
            optimiser.step()
        both.eval()
        with torch.no_grad():
            now = float(((both(rows) - rows) ** 2).sum(dim=1).mean())
        best, waited = (now, 0) if now < best else (best, waited + 1)
        if waited >= _PATIENCE:
            break


def _networks(torch: Any, inputs: int, widths: tuple[int, ...], width: int) -> tuple[Any, Any]:
    nn = torch.nn
    down: list[Any] = []
    for a, b in zip((inputs, *widths), widths, strict=False):
        down += [nn.Linear(a, b), nn.Tanh(), nn.Dropout(_DROPOUT)]
    up: list[Any] = []
    for a, b in zip((width, *widths[::-1]), widths[::-1], strict=False):
        up += [nn.Linear(a, b), nn.Tanh(), nn.Dropout(_DROPOUT)]
    encoder = nn.Sequential(*down, nn.Linear(widths[-1], width))
    return encoder, nn.Sequential(*up, nn.Linear(widths[0], inputs))
