"""Control of the mean field of delayed information: a rule for two queues that depends on the law of all queues.

The world is `delayed.Epochs`. What is learned is a function from the law nu of queue lengths at the start of an epoch,
the arrival rate in it and its length to a rule for the epoch: s(z, y) = -s(y, z), and of two queues shown at lengths z
and y the first is picked with probability 1 / (1 + exp(-s(z, y))). The rules RND, JSQ(2) and softmin are of that form.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qoslab.core.files import write_whole
from qoslab.domains.balancing import delayed
from qoslab.domains.balancing.learned.weights import check_training, laid_out
from qoslab.engine.kernel import kernel

__all__ = [
    "LENGTHS",
    "LOADS",
    "LONGEST",
    "PAIRS",
    "SHAPES",
    "SIZE",
    "controlled_drops",
    "flat",
    "place_of",
    "rule_of",
    "train",
    "train_delayed",
]

Reals = NDArray[np.float64]

LENGTHS = 6
"""Queue lengths that are told apart: 0 to 5; longer ones count as 5."""
PAIRS = LENGTHS * (LENGTHS - 1) // 2
WIDTH = 24
LOADS = (0.6, 0.9)
"""Least and greatest arrival rate per queue that it is trained on."""
LONGEST = 10.0
"""Longest epoch that it is trained on, in mean service times. A rule is the network's output times (LONGEST / epoch)^2:
the older the reports, the less a difference in length counts, and all epochs ask for outputs of about one size."""
SHAPES = {"w1": (LENGTHS + 2, WIDTH), "b1": (WIDTH,), "w2": (WIDTH, PAIRS), "b2": (PAIRS,)}
"""Names and shapes of the weights, in the order in which `flat` lays them out."""
EPOCH_ROW, LOAD_ROW = LENGTHS, LENGTHS + 1
"""Rows of `w1` behind those of the law."""
B1 = (LENGTHS + 2) * WIDTH
W2 = B1 + WIDTH
B2 = W2 + WIDTH * PAIRS
SIZE = B2 + PAIRS


def flat(weights: Mapping[str, NDArray[Any]]) -> Reals:
    """The weights one after the other, shape (SIZE,).

    Raises:
        BadInput: They are not those of this network.
    """
    return laid_out(weights, SHAPES)


@kernel
def rule_of(weights: Reals, law: Reals, log_epoch: float, load: float, rule: Reals) -> None:
    """The rule for an epoch.

    Args:
        weights: From `flat`.
        law: Shares of queues at lengths 0 to 5, shape (6,).
        log_epoch: Logarithm of the epoch's length in mean service times.
        load: Arrivals per queue and mean service time; taken for the nearest of `LOADS`.
        rule: Overwritten with s(z, y) for z < y, in the order (0, 1), (0, 2), ..., (4, 5), shape (15,).
    """
    load = min(max(load, LOADS[0]), LOADS[1])
    for k in range(PAIRS):
        rule[k] = weights[B2 + k]
    for o in range(WIDTH):
        hidden = (
            weights[B1 + o]
            + weights[EPOCH_ROW * WIDTH + o] * log_epoch
            + weights[LOAD_ROW * WIDTH + o] * load
        )
        for z in range(LENGTHS):
            hidden += weights[z * WIDTH + o] * law[z]
        if hidden > 0.0:
            for k in range(PAIRS):
                rule[k] += weights[W2 + o * PAIRS + k] * hidden
    sharpness = LONGEST * LONGEST * math.exp(-2.0 * log_epoch)
    for k in range(PAIRS):
        rule[k] *= sharpness


@kernel(inline=True)
def place_of(z: int, y: int) -> int:
    """Place of the pair z < y in a rule."""
    return z * LENGTHS - z * (z + 1) // 2 + y - z - 1


def controlled_drops(world: delayed.Epochs, weights: Reals, rates: Reals) -> float:
    """Dropped requests per queue over a run of the mean field that starts empty, under the learned control.

    Args:
        world: The world; it has 5 places.
        weights: From `flat`.
        rates: Arrival rate per queue in each epoch.
    """
    law, total, rule = np.eye(LENGTHS)[0], 0.0, np.zeros(PAIRS)
    for rate in rates:
        rule_of(weights, law, math.log(world.dt), float(rate), rule)
        law, lost = delayed.epoch(world, law, rate * 2.0 * (_chances(rule) @ law))
        total += lost
    return total


def _chances(rule: Reals) -> Reals:
    """h(z, y), shape (6, 6)."""
    s = np.zeros((LENGTHS, LENGTHS))
    s[np.triu_indices(LENGTHS, 1)] = rule
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(s - s.T, -60.0, 60.0))))


def train_delayed(
    *, out: Path = Path("mean_field_control.safetensors"), steps: int = 250, seed: int = 0
) -> dict[str, object]:
    """Train the policy `mean_field_control` from nothing.

    Args:
        out: File that the weights are written to.
        steps: Steps of the optimiser.
        seed: Root of all that is drawn.

    Raises:
        BadInput: The file cannot be written there, or there is no step.
    """
    from qoslab.learning.checkpoint import dump_weights

    check_training(out, steps=steps)
    began = time.process_time()
    weights = train(steps=steps, seed=seed)
    about = {"policy": "mean_field_control", "steps": steps, "seed": seed}
    write_whole(out, dump_weights(weights, about))
    return {"file": str(out), "cpu_s": time.process_time() - began}


def train(*, steps: int = 250, epochs: int = 30, batch: int = 20, seed: int = 0) -> dict[str, NDArray[Any]]:
    """Learn the control by the exact gradient of drops through the discretised mean field.

    Args:
        steps: Steps of Adam.
        epochs: Epochs of a run.
        batch: Runs in a step, with epochs of 1 to 10 mean service times in turn.
        seed: Root of all that is drawn.
    """
    from qoslab.core.seeds import sequence
    from qoslab.learning.session import deterministic

    rng = np.random.default_rng(sequence(seed, "mean_field_control", "rates"))
    dts: Reals = (1.0 + np.arange(batch) % 10).astype(np.float64)
    with deterministic(sequence(seed, "mean_field_control"), "balancing/mean_field_control") as torch:
        w = {name: torch.nn.Parameter(_first(torch, name)) for name in SHAPES}
        optimiser = torch.optim.Adam(w.values(), lr=2e-2)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-2, total_steps=steps)
        for _ in range(steps):
            rates = np.stack(
                [delayed.epoch_rates(delayed.Epochs(dt, horizon=epochs * dt), rng)[:epochs] for dt in dts]
            )
            optimiser.zero_grad()
            _mean_drops(torch, w, dts, rates.astype(np.float64)).backward()
            optimiser.step()
            schedule.step()
        return {name: value.detach().numpy().astype(np.float32) for name, value in w.items()}


def _first(torch: Any, name: str) -> Any:
    if name == "b2":  # softmin with beta 2 for epochs of one service time, 0.02 for those of ten
        z, y = np.triu_indices(LENGTHS, 1)
        return torch.from_numpy(0.02 * (y - z).astype(np.float64))
    shape = SHAPES[name]
    if len(shape) == 1:
        return torch.zeros(shape, dtype=torch.float64)
    return torch.randn(shape, dtype=torch.float64) * (0.5 if name == "w1" else 0.05)


def _mean_drops(torch: Any, w: dict[str, Any], dts: Reals, rates: Reals) -> Any:
    """Drops per unit of time, each run's relative to what a tuned softmin drops at that length of epochs."""
    size, runs = LENGTHS, len(dts)
    z, y = np.triu_indices(size, 1)
    dt, lam = torch.from_numpy(dts), torch.from_numpy(rates)
    scale = torch.from_numpy(np.interp(dts, [1, 3, 5, 7, 10], [2.5, 17.7, 28.3, 33.3, 37.7]) / 500.0)
    sharpness, (up, down) = (LONGEST / dt)[:, None] ** 2, _steps(torch)
    law = torch.zeros(runs, size, dtype=torch.float64)
    law[:, 0] = 1.0
    total = torch.zeros(runs, dtype=torch.float64)
    for k in range(lam.shape[1]):
        hidden = torch.relu(torch.cat([law, dt.log()[:, None], lam[:, k, None]], 1) @ w["w1"] + w["b1"])
        rule = (hidden @ w["w2"] + w["b2"]) * sharpness
        s = torch.zeros(runs, size, size, dtype=torch.float64)
        s[:, z, y], s[:, y, z] = rule, -rule
        arrivals = lam[:, k, None] * 2.0 * torch.einsum("rzy,ry->rz", torch.sigmoid(s), law)
        chains = (arrivals[:, :, None, None] * up + down) * dt[:, None, None, None]
        grown = torch.linalg.matrix_exp(chains)[:, torch.arange(size), :, torch.arange(size)].transpose(0, 1)
        after = torch.einsum("rz,rzk->rk", law, grown)
        law, total = after[:, :size], total + after[:, size]
    return (total / (dt * lam.shape[1]) / scale).mean()


def _steps(torch: Any) -> tuple[Any, Any]:
    """What an arrival at rate 1 and a service at rate 1 do to the chain; the last row counts drops."""
    up, down = np.zeros((LENGTHS + 1, LENGTHS + 1)), np.zeros((LENGTHS + 1, LENGTHS + 1))
    for z in range(LENGTHS):
        up[z + 1, z] = 1.0
        up[z, z] -= 1.0 if z + 1 < LENGTHS else 0.0
        if z > 0:
            down[z - 1, z], down[z, z] = 1.0, -1.0
    return torch.from_numpy(up), torch.from_numpy(down)
