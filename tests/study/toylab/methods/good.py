from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.core.seeds import Seed
from toylab.model import Toy, log, nap


@method("toy", "plain", summary="Adds load and a draw.")
@dataclass(frozen=True)
class Plain:
    shift: Annotated[float, Field(ge=0)] = 0.0

    def score(self, scenario: Toy, seed: Seed, context: Context) -> float:
        draw = seed.generator("score").standard_normal()
        return scenario.load * scenario.servers.count + self.shift + draw


@method("toy", "slow", summary="Takes its time.")
@dataclass(frozen=True)
class Slow:
    seconds: float = 0.02

    def score(self, scenario: Toy, seed: Seed, context: Context) -> float:
        nap(self.seconds)
        return scenario.load + seed.generator("score").random()


@method("toy", "learned", summary="Adds a number that it learned.")
@dataclass(frozen=True)
class Learned:
    weights: str = "train"
    fails: bool = False

    def train(self, scenario: Toy, seed: Seed, context: Context) -> bytes:
        log("train", seed.path)
        if self.fails:
            message = "no gradient"
            raise ArithmeticError(message)
        return repr(scenario.load + seed.generator("train").random()).encode()

    def score(self, scenario: Toy, seed: Seed, context: Context) -> float:
        assert context.weights is not None
        return float(context.weights.read_text()) + seed.generator("score").random()


@method("toy", "families", summary="Reports members of a metric.")
@dataclass(frozen=True)
class Families:
    names: tuple[str, ...] = ("a",)

    def score(self, scenario: Toy, seed: Seed, context: Context) -> float:
        return 1.0
