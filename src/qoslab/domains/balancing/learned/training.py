"""Training of the learned policy: capacities that the simulator knows are what the network is asked for."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qoslab.core.files import write_whole
from qoslab.core.seeds import Seed
from qoslab.domains.balancing.learned.inference import Rule
from qoslab.domains.balancing.learned.lessons import Lesson, blank, lessons
from qoslab.domains.balancing.learned.network import SHAPES
from qoslab.domains.balancing.learned.weights import check_training
from qoslab.learning.checkpoint import dump_weights
from qoslab.learning.session import deterministic

__all__ = ["fit", "train"]

_BATCH = 48
"""Lessons in a mini-batch; their servers stand side by side, padded to the largest."""


def train(
    *,
    out: Path = Path("blind_sed.safetensors"),
    worlds: int = 600,
    rounds: int = 3,
    steps: int = 6000,
    seed: int = 0,
) -> list[dict[str, object]]:
    """Train the policy `blind_sed` from nothing on simulated sites.

    In the first round sites are routed by own rates of completion, in the later ones by the network itself.

    Args:
        out: File that the weights are written to.
        worlds: Sites simulated in each round.
        rounds: How often sites are simulated anew with what was learned.
        steps: Steps of the optimiser in each round.
        seed: Root of all that is drawn.

    Raises:
        BadInput: The file cannot be written there, or a number is below 1.
    """
    check_training(out, worlds=worlds, rounds=rounds, steps=steps)
    weights: dict[str, NDArray[Any]] = blank()
    known: list[Lesson] = []
    report: list[dict[str, object]] = []
    rules = [
        Rule(delta=0.5, trust=0.0, own=1.0, doubt=np.inf),
        Rule(delta=0.5, trust=0.0, own=0.0, doubt=np.inf),
        Rule(delta=1.0, trust=0.0, own=1.0, doubt=np.inf),
    ]
    for number in range(rounds):
        began = time.process_time()
        known += lessons(weights, rules, worlds, Seed(seed, "blind_sed", f"round {number}", 0))
        simulated = time.process_time()
        weights, loss = fit(known, weights if number else None, steps, Seed(seed, "blind_sed", "fit", number))
        rules = [
            Rule(delta=0.5, trust=1.0, own=0.0, doubt=np.inf),
            Rule(delta=0.5, trust=0.5, own=0.5, doubt=np.inf),
            Rule(delta=1.0, trust=1.0, own=0.0, doubt=np.inf),
        ]
        report.append(
            {
                "round": number,
                "lessons": len(known),
                "held_out_loss": loss,
                "simulation_cpu_s": simulated - began,
                "learning_cpu_s": time.process_time() - simulated,
            }
        )
    about = {"policy": "blind_sed", "worlds": worlds, "rounds": rounds, "steps": steps, "seed": seed}
    write_whole(out, dump_weights({k: v.astype(np.float32) for k, v in weights.items()}, about))
    return report


def fit(
    known: Sequence[Lesson], start: dict[str, NDArray[Any]] | None, steps: int, seed: Seed
) -> tuple[dict[str, NDArray[Any]], float]:
    """Learn log capacities and how sure they are, by the Gaussian likelihood.

    Args:
        known: What was seen.
        start: The weights to start from; drawn anew for None.
        steps: Steps of Adam.
        seed: Where first weights and mini-batches are drawn from.

    Returns:
        The weights, and the mean negative log likelihood of a twentieth of the lessons that was held out.
    """
    with deterministic(
        np.random.SeedSequence(seed.generator("torch").integers(2**63)), "balancing/blind_sed"
    ) as torch:
        rng = seed.generator("batches")
        order = rng.permutation(len(known))
        held, used = order[: len(known) // 20], order[len(known) // 20 :]
        w = {name: torch.nn.Parameter(_first(torch, name, start)) for name in SHAPES}
        optimiser = torch.optim.Adam(w.values(), lr=3e-3)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 3e-3, total_steps=steps)
        for _ in range(steps):
            optimiser.zero_grad()
            _loss(torch, w, [known[i] for i in rng.choice(used, _BATCH)]).backward()
            optimiser.step()
            schedule.step()
        with torch.no_grad():
            loss = float(_loss(torch, w, [known[i] for i in held]))
        return {name: value.detach().numpy().copy() for name, value in w.items()}, loss


def _first(torch: Any, name: str, start: dict[str, NDArray[Any]] | None) -> Any:
    if start is not None:
        return torch.from_numpy(np.asarray(start[name], np.float32))
    shape = SHAPES[name]
    if len(shape) == 1:
        return torch.zeros(shape)
    return torch.randn(shape) * (2.0 / shape[0]) ** 0.5 * (0.1 if name == "w4" else 1.0)


def _loss(torch: Any, w: dict[str, Any], batch: Sequence[Lesson]) -> Any:
    size = max(len(each.truth) for each in batch)
    pad = [size - len(each.truth) for each in batch]
    inputs = np.stack([np.pad(each.inputs, ((0, p), (0, 0))) for each, p in zip(batch, pad, strict=True)])
    truth = np.stack([np.pad(each.truth, (0, p)) for each, p in zip(batch, pad, strict=True)])
    there = np.stack([np.arange(size) < len(each.truth) for each in batch])
    x, y, mask = (torch.from_numpy(a.astype(np.float32)) for a in (inputs, truth, there))
    fleet = torch.from_numpy(np.stack([each.fleet for each in batch]).astype(np.float32))
    mu, log_sigma = _network(torch, w, x, fleet, mask)
    many = mask.sum(1, keepdim=True)
    mu = mu - (mu * mask).sum(1, keepdim=True) / many
    log_sigma = log_sigma.clamp(-5.0, 3.0)
    each = log_sigma + 0.5 * ((y - mu) * torch.exp(-log_sigma)) ** 2
    return ((each * mask).sum(1, keepdim=True) / many).mean()


def _network(torch: Any, w: dict[str, Any], x: Any, fleet: Any, mask: Any) -> tuple[Any, Any]:
    """The same as `network.infer`; x of shape (batch, n, INPUTS)."""
    h = torch.relu(x @ w["w1"] + w["b1"])
    pooled = (h * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
    context = torch.cat([pooled, fleet], dim=1) @ w["w3"] + w["b2"]
    k = torch.relu(h @ w["w2"] + context[:, None, :])
    out = k @ w["w4"] + w["b4"]
    return out[..., 0], out[..., 1]
