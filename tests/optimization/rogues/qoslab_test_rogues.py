"""Agents that misbehave."""

import os
from dataclasses import dataclass

import numpy as np

from qoslab.domains.optimization.methods.dgd import Dgd
from qoslab.domains.optimization.problems.smooth import Quadratic


@dataclass(frozen=True)
class Chatty(Dgd):
    """Says its gradient too, which it has not declared, from round 20 on."""

    def say(self, state, own):
        said = super().say(state, own)
        return {**said, "gradient": state["x"]} if state["k"][0] >= 20 else said

    def start(self, own):
        return {**super().start(own), "k": np.zeros(len(own.agents))}

    def hear(self, state, heard, own, k):
        return {**super().hear(state, heard, own, k), "k": state["k"] + 1}


@dataclass(frozen=True, eq=False)
class Broken(Quadratic):
    """Its first agent's gradient is no number far from 0."""

    def gradient(self, x):
        return np.where((self.curvature < 0.6)[:, None] & (np.abs(x) > 0.1), np.nan, super().gradient(x))


@dataclass(frozen=True)
class Dying(Dgd):
    """One agent's process ends without a word in round 5, whenever it comes there."""

    def hear(self, state, heard, own, k):
        if k == 5 and own.agents[0] == 2:
            os._exit(3)
        return super().hear(state, heard, own, k)
