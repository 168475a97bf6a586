"""What a method of this domain is: how clients are guided, and how the server makes one model of their updates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from qoslab.domains.federation.network import FloatArray, IntArray

__all__ = ["Guide", "Needs", "Plain", "Round", "State", "Strategy", "floor_share", "weighted_mean"]

State = dict[str, FloatArray]
"""What the server (and, for SCAFFOLD and FedDyn, the clients) remember between rounds."""


@dataclass(frozen=True)
class Needs:
    """What a method asks of the world.

    Attributes:
        clients: Whether clients train at all.
        server_data_at_clients: Whether every client gets a copy of the server's samples before the first round.
        pooled: Whether the server learns from everybody's samples, sent to it before the first round.
        vectors_down: Vectors of the model's length that a client receives per round.
        vectors_up: Vectors of the model's length that a client sends per round.
    """

    clients: bool = True
    server_data_at_clients: bool = False
    pooled: bool = False
    vectors_down: int = 1
    vectors_up: int = 1


@dataclass(frozen=True)
class Guide:
    """What is added to a client's gradient at its model x_i, when it started from x: shift_i + pull (x_i - x).

    Attributes:
        shift: Shape (S, P), or None for zero.
        pull: A number, not negative.
    """

    shift: FloatArray | None = None
    pull: float = 0.0


@dataclass(frozen=True)
class Round:
    """What the server sees of a round.

    Attributes:
        number: The round's number t, from 0.
        rounds: How many rounds there are, T.
        model: The model x that the clients started from, shape (P,).
        clients: Who answered, shape (R,), R may be 0.
        sizes: How many samples each of them holds, shape (R,).
        updates: Delta_i = x_i - x as reported, shape (R, P).
        rate: The clients' step size eta_l in this round.
        steps: Their number of steps K.
        everyone: Number of clients N.
        learn: `learn(model, gamma)`: the model after the server's steps of size gamma eta_0 on its own samples.
    """

    number: int
    rounds: int
    model: FloatArray
    clients: IntArray
    sizes: IntArray
    updates: FloatArray
    rate: float
    steps: int
    everyone: int
    learn: Callable[[FloatArray, float], FloatArray]


class Strategy(Protocol):
    """What a method of this domain offers."""

    def needs(self) -> Needs:
        """What the method asks of the world."""
        ...

    def start(self, clients: int, parameters: int) -> State:
        """The memory before the first round."""
        ...

    def guide(self, state: State, clients: IntArray) -> Guide:
        """What the clients of a round, shape (S,), add to their gradients."""
        ...

    def merge(self, state: State, seen: Round) -> tuple[FloatArray, State]:
        """The next model, shape (P,), and memory; `state` may be changed in place, `seen` not."""
        ...


class Plain:
    """A strategy without memory that leaves clients' gradients alone; methods override what they change."""

    def needs(self) -> Needs:
        """One vector down, one up."""
        return Needs()

    def start(self, clients: int, parameters: int) -> State:  # noqa: ARG002
        """Nothing is remembered."""
        return {}

    def guide(self, state: State, clients: IntArray) -> Guide:  # noqa: ARG002
        """Plain gradient descent."""
        return Guide()


def weighted_mean(seen: Round) -> FloatArray:
    """Sum of p_i Delta_i with p_i proportional to the clients' numbers of samples; zero where these sum to 0."""
    if not seen.sizes.any():
        return np.zeros_like(seen.model)
    return np.asarray(seen.sizes / seen.sizes.sum() @ seen.updates)


def floor_share(share: float, count: int) -> int:
    """floor(share count) of the numbers as they are written: 0.29 of 100 is 29, though their product rounds below.

    Args:
        share: In [0, 1].
        count: How many there are.
    """
    return int(share * count * (1.0 + 1e-12))
