"""Random numbers by name: every stream's seed follows from words, never from the order of work.

A trial's seed is a `Seed`: the study's root number and the names of study, scenario and replication. A run
asks it for one stream per purpose (`seed.stream("arrivals")`), so that every method of a scenario meets the
same arrivals (common random numbers) and adding a method, a scenario or a worker changes nothing elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np

__all__ = ["Seed", "sequence"]


def sequence(root: int, *names: str | int) -> np.random.SeedSequence:
    """The seed sequence of a path of names.

    Args:
        root: Non-negative root seed.
        *names: The path; `("a", "b")` and `("ab",)` differ.

    Returns:
        A `numpy.random.SeedSequence` that depends on root and names alone.
    """
    words: list[int] = []
    for name in names:
        kind = b"i" if isinstance(name, int) else b"s"
        digest = blake2b(kind + str(name).encode(), digest_size=8).digest()
        words += [int.from_bytes(digest[:4], "little"), int.from_bytes(digest[4:], "little")]
    return np.random.SeedSequence(root, spawn_key=words)


@dataclass(frozen=True)
class Seed:
    """The seed of one trial.

    Attributes:
        root: The study's `seed`.
        study: The study's name.
        scenario: The scenario's label within its study; empty where no grid varies it.
        replication: 0-based number of the replication.
    """

    root: int = 0
    study: str = ""
    scenario: str = ""
    replication: int = 0

    @property
    def path(self) -> str:
        """The seed in words, as it stands in every row of results."""
        return f"{self.root}/{self.study}/{self.scenario}/{self.replication}"

    def stream(self, *names: str | int) -> np.random.SeedSequence:
        """The seed sequence of one named purpose within this trial."""
        return sequence(self.root, self.study, self.scenario, self.replication, *names)

    def generator(self, *names: str | int) -> np.random.Generator:
        """A NumPy generator for one named purpose within this trial."""
        return np.random.default_rng(self.stream(*names))
