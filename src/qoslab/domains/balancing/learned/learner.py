"""Learning capacities from what was seen: the recurrence over all looks of a run at once, and its likelihood."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qoslab.core.seeds import Seed
from qoslab.domains.balancing.learned.lessons import Lesson
from qoslab.domains.balancing.learned.memories import GATED
from qoslab.domains.balancing.learned.network import LOG_RATES, SHAPES

__all__ = ["Learner", "evaluate", "first_weights"]

_BATCH = 24
"""Lessons in a mini-batch; their servers stand side by side, padded to the largest."""
_ASKED = 6
"""Looks of each lesson that the network is asked at."""
_SPANS = (300.0, 30.0)
"""How many completions the gated memories last before anything is learned."""
_RATE = 3e-3


class Learner:
    """Fits the network to lessons, by Adam with one cycle of its step size.

    Args:
        torch: The torch module, made deterministic.
        seed: Where first weights, mini-batches and looks are drawn from.
        steps: Steps in all.
    """

    def __init__(self, torch: Any, seed: Seed, steps: int) -> None:
        self._torch, self._rng = torch, seed.generator("batches")
        self._w = {
            name: torch.nn.Parameter(torch.from_numpy(value))
            for name, value in first_weights(seed.generator("first weights")).items()
        }
        self._optimiser = torch.optim.Adam(self._w.values(), lr=_RATE)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(self._optimiser, _RATE, total_steps=steps)
        self._used: list[Lesson] = []
        self._held: list[Lesson] = []

    def take(self, lessons: Sequence[Lesson]) -> None:
        """Keep lessons; every twentieth is held out."""
        for lesson in lessons:
            many = len(self._used) + len(self._held)
            (self._held if many % 20 == 19 else self._used).append(lesson)

    def learn(self, steps: int) -> float:
        """Take steps on what is kept.

        Returns:
            The mean loss over the steps; nan where nothing is kept yet.
        """
        if not self._used:
            return math.nan
        total = 0.0
        for _ in range(steps):
            # Lessons of about the same size, or padding would be most of a mini-batch.
            pick = self._rng.choice(len(self._used), 4 * _BATCH)
            order = sorted(pick, key=lambda i: self._used[i].truth.shape[1])
            first = int(self._rng.integers(4)) * _BATCH
            self._optimiser.zero_grad()
            loss = self._loss([self._used[i] for i in order[first : first + _BATCH]], self._rng)
            loss.backward()
            self._torch.nn.utils.clip_grad_norm_(self._w.values(), 5.0)
            self._optimiser.step()
            self._schedule.step()
            total += float(loss.detach())
        return total / steps

    def held_out(self) -> float:
        """Mean negative log likelihood of the lessons that were held out, without its constant; nan for none."""
        if not self._held:
            return math.nan
        rng = np.random.default_rng(0)
        with self._torch.no_grad():
            return float(np.mean([float(self._loss([each], rng)) for each in self._held]))

    def weights(self) -> dict[str, NDArray[Any]]:
        """The weights as they are now."""
        return {name: value.detach().numpy().copy() for name, value in self._w.items()}

    def _loss(self, batch: Sequence[Lesson], rng: np.random.Generator) -> Any:
        torch = self._torch
        looks = max(len(each.known) for each in batch)
        size = max(each.truth.shape[1] for each in batch)
        inputs, new = (
            np.stack([_padded(a, looks, size) for a in b])
            for b in zip(*((e.inputs, e.new) for e in batch), strict=True)
        )
        known = np.stack([np.pad(e.known, (0, looks - len(e.known))) for e in batch])
        there = np.stack([np.arange(size) < e.truth.shape[1] for e in batch])
        asked = np.stack([_asked(each, rng) for each in batch])
        truth = np.stack([_padded(e.truth[at], _ASKED, size) for e, at in zip(batch, asked, strict=True)])
        logs = np.log([[float(each.balancers)] for each in batch]).astype(np.float32)
        x, d, z, y, mask = (torch.from_numpy(a) for a in (inputs, new, logs, truth, there))
        mu, log_sigma = evaluate(
            torch, self._w, x, d, torch.from_numpy(known), mask, z, torch.from_numpy(asked)
        )
        mask = mask[:, None, :]
        many = mask.sum(-1, keepdim=True)
        mu = mu - (mu * mask).sum(-1, keepdim=True) / many
        log_sigma = log_sigma.clamp(-5.0, 3.0)
        each = log_sigma + 0.5 * ((y - mu) * torch.exp(-log_sigma)) ** 2
        return ((each * mask).sum(-1, keepdim=True) / many).mean()


def first_weights(rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """Weights that nothing was learned with: outputs near 0, gates near constant."""
    weights: dict[str, NDArray[Any]] = {}
    for name, shape in SHAPES.items():
        scale = {"w4": 0.1, "g2": 0.1, "g3": 0.1}.get(name, 1.0) * np.sqrt(2.0 / shape[0])
        drawn = scale * rng.standard_normal(shape) if len(shape) > 1 else np.zeros(shape)
        weights[name] = drawn.astype(np.float32)
    low, high = LOG_RATES
    place = (np.log(1.0 / np.array(_SPANS)) - low) / (high - low)
    weights["c2"] = np.log(place / (1.0 - place)).astype(np.float32)
    return weights


def evaluate(
    torch: Any, w: dict[str, Any], x: Any, new: Any, known: Any, mask: Any, z: Any, asked: Any
) -> Any:
    """The same as `network.step` look after look, for all looks at once.

    What a gated memory holds at a look is a sum over earlier looks, each discounted by what was forgotten in between;
    gates depend on fixed memories alone, so no look waits for another.

    Args:
        torch: The torch module.
        w: Weights by name.
        x: What fixed memories say, shape (B, T, n, FIXED_INPUTS).
        new: See `Lesson.new`, shape (B, T, n, 4).
        known: See `Lesson.known`, shape (B, T).
        mask: Whether there is such a server, shape (B, n).
        z: Fleet inputs, shape (B, FLEET).
        asked: Looks that outputs are wanted of, shape (B, S).

    Returns:
        mu and log sigma, each of shape (B, S, n).
    """
    many = mask.sum(1)
    forgotten = _forgotten(torch, w, x, new, known, mask, z)
    rows = torch.arange(len(x))[:, None]
    looks = torch.arange(x.shape[1])
    passed = (looks[None, None] <= asked[..., None])[..., None, None]
    between = forgotten[rows, asked][:, :, None] - forgotten[:, None]
    keep = torch.exp(-between.clamp(min=0.0)) * passed
    held = torch.einsum("bstng,btnc->bsngc", keep, new)
    y = torch.cat([x[rows, asked], *(_told(torch, held[:, :, :, g], mask) for g in range(GATED))], dim=-1)
    h = torch.relu(y @ w["w1"] + w["b1"])
    pooled = (h * mask[:, None, :, None]).sum(2) / many[:, None, None]
    context = torch.cat([pooled, z[:, None].expand(-1, asked.shape[1], -1)], dim=-1) @ w["w3"] + w["b2"]
    out = torch.relu(h @ w["w2"] + context[:, :, None]) @ w["w4"] + w["b4"]
    return out[..., 0], out[..., 1]


def _forgotten(torch: Any, w: dict[str, Any], x: Any, new: Any, known: Any, mask: Any, z: Any) -> Any:
    """How much each gated memory has forgotten up to each look, as a logarithm, shape (B, T, n, GATED)."""
    many = mask.sum(1)
    f = torch.relu(x @ w["g1"] + w["c1"])
    pooled = (f * mask[:, None, :, None]).sum(2) / many[:, None, None]
    context = torch.cat([pooled, z[:, None].expand(-1, x.shape[1], -1)], dim=-1) @ w["g3"] + w["c2"]
    low, high = LOG_RATES
    rates = torch.exp(low + (high - low) * torch.sigmoid(f @ w["g2"] + context[:, :, None]))
    each = (new[..., 0] * mask[:, None]).sum(2) / many[:, None] * known
    return torch.cumsum(rates * each[:, :, None, None], dim=1)


def _told(torch: Any, held: Any, mask: Any) -> Any:
    """The same as `memories.read_gated` for one memory; held of shape (B, S, n, 4)."""
    done, busy, area, time = held.unbind(-1)
    there = mask[:, None]
    unit = (busy * there).sum(-1, keepdim=True) / (done * there).sum(-1, keepdim=True).clamp(min=1e-9)
    unit = unit.clamp(min=1e-9)
    return torch.stack(
        [
            torch.log((done + 1.0) / (busy / unit + 1.0)),
            torch.log((area + unit) / (busy + unit)),
            0.3 * torch.log(1.0 + done),
            busy / time.clamp(min=1e-9),
        ],
        dim=-1,
    )


def _padded(values: NDArray[Any], looks: int, size: int) -> NDArray[Any]:
    after = [(0, looks - values.shape[0]), (0, size - values.shape[1]), *[(0, 0)] * (values.ndim - 2)]
    return np.pad(values, after)


def _asked(lesson: Lesson, rng: np.random.Generator) -> NDArray[np.int64]:
    """Looks of a lesson: at any time, and as often soon after a change, where there is one."""
    known = np.flatnonzero(lesson.known)
    late = known[known >= lesson.change]
    if lesson.change == 0 or len(late) == 0:
        return rng.choice(known, _ASKED)
    soon = (len(late) * rng.uniform(size=_ASKED // 2) ** 2).astype(np.int64)
    return np.concatenate([rng.choice(known, _ASKED - _ASKED // 2), late[soon]])
