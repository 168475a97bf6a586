"""Training of the learned policy: actors simulate sites while a learner learns the capacities that were true."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qoslab.core.files import write_whole
from qoslab.core.seeds import Seed
from qoslab.domains.balancing.learned.actors import Actors
from qoslab.domains.balancing.learned.learner import Learner
from qoslab.domains.balancing.learned.lessons import Shard, blank, lessons
from qoslab.domains.balancing.learned.weights import check_training
from qoslab.learning.checkpoint import dump_weights
from qoslab.learning.session import deterministic

__all__ = ["train"]

_AHEAD = 4
"""Shards that are handed out beyond the one that the learner waits for."""


def train(
    *,
    out: Path = Path("blind_sed.safetensors"),
    shards: int = 100,
    worlds: int = 16,
    steps: int = 40,
    processes: int = 2,
    seed: int = 0,
) -> list[dict[str, object]]:
    """Train the policy `blind_sed` from nothing on simulated sites.

    Actors, each a process, run the policy on sites that they draw, a shard of them at a time, while the learner learns
    from the shards that have come. A shard is routed by weights that are four shards old: it is handed out when the
    fourth before it has been learned from. Because that age is fixed, the weights are the same bit for bit for any
    number of actors, on one platform with one version of torch.

    Args:
        out: File that the weights are written to.
        shards: How often an actor is given sites.
        worlds: Sites in a shard.
        steps: Steps of the optimiser for each shard.
        processes: Actors.
        seed: Root of all that is drawn.

    Raises:
        BadInput: The file cannot be written there, or a number is below 1.
    """
    check_training(out, shards=shards, worlds=worlds, steps=steps, processes=processes)
    report: list[dict[str, object]] = []
    weights = _learned(Seed(seed, "blind_sed", "learner", 0), shards, worlds, steps, processes, report)
    about = {"policy": "blind_sed", "shards": shards, "worlds": worlds, "steps": steps, "seed": seed}
    write_whole(out, dump_weights(weights, about))
    return report


def _learned(
    seed: Seed, shards: int, worlds: int, steps: int, processes: int, report: list[dict[str, object]]
) -> dict[str, NDArray[Any]]:
    """The network's weights after all shards; some eight times on the way a row is added to the report."""
    began, root = time.process_time(), np.random.SeedSequence(seed.generator("torch").integers(2**63))
    with deterministic(root, "balancing/blind_sed") as torch, Actors(lessons, processes) as actors:
        learner = Learner(torch, seed, shards * steps)

        def give(number: int) -> None:
            taught = number >= shards // 8 + _AHEAD
            drawn = Seed(seed.root, seed.study, f"shard {number}", 0)
            actors.give(number, Shard(learner.weights() if taught else blank(), taught, worlds, drawn))

        for number in range(min(_AHEAD, shards)):
            give(number)
        for number in range(shards):
            learner.take(actors.take(number))
            loss = learner.learn(steps)
            if number + _AHEAD < shards:
                give(number + _AHEAD)
            if (number + 1) % max(shards // 8, 1) == 0 or number + 1 == shards:
                row: dict[str, object] = {
                    "shards": number + 1,
                    "loss": loss,
                    "held_out_loss": learner.held_out(),
                }
                report.append(row | {"learner_cpu_s": time.process_time() - began})
        return learner.weights()
