"""Agents on a network, what each wants, and what disturbs them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from qoslab.agents.weights import Doubly, Rules
from qoslab.core.scenario import Part, Scenario
from qoslab.domains.optimization.adversaries import gaussian_noise
from qoslab.domains.optimization.tables import ProblemTable
from qoslab.graphs.mixing import Shares
from qoslab.graphs.spec import NetworkTable

__all__ = ["ChannelTable", "Eavesdropper", "OptimizationScenario", "Privacy", "WeightsTable", "example"]


class ChannelTable(Part):
    """What happens to messages on their way."""

    noise: float = Field(0.0, ge=0, description="standard deviation of noise on every number that is heard")
    loss: float = Field(
        0.0, ge=0, lt=1, description="probability that a message is lost; the last one is kept"
    )
    delay: int = Field(0, ge=0, description="rounds between saying and hearing")


class WeightsTable(Part):
    """How agents weigh what they hear."""

    row: Shares = Field("uniform", description="row weights: equal, by the links' weights, or at random")
    column: Shares = Field(
        "uniform", description="column weights: equal, by the links' weights, or at random"
    )
    doubly: Doubly = Field(
        "metropolis", description="doubly stochastic weights; all but sinkhorn need an undirected network"
    )
    self_weight: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="what an agent keeps of its row and column weights; by their rule if not given",
    )

    @model_validator(mode="after")
    def _kept(self) -> WeightsTable:
        if "weight" in (self.row, self.column) and self.self_weight is None:
            message = (
                "shares by the links' weights need self_weight: nothing would be left for the agent itself"
            )
            raise ValueError(message)
        return self

    def rules(self, seed: int) -> Rules:
        """How the matrices are made; `seed` is for random weights."""
        return Rules(self.row, self.column, self.doubly, self.self_weight, seed)


class Eavesdropper(Part):
    """Somebody who intercepts the messages of one agent."""

    agent: int = Field(0, ge=0, description="whose messages")
    interception: float = Field(0.5, gt=0, le=1, description="probability that a message is intercepted")
    knows: Literal["nothing", "all but the targets"] = Field(
        "nothing",
        description="the method, its steps, weights and curvatures too, of quadratic costs; or none of it",
    )


class Privacy(Part):
    """Noise that every agent adds to its target, position or wish before it says anything."""

    mechanism: Literal["gaussian", "none"] = Field("gaussian", description="the noise; none to compare with")
    epsilon: float = Field(0.5, gt=0, lt=1, description="privacy loss; the mechanism's bound holds below 1")
    delta: float = Field(1e-5, gt=0, lt=1, description="probability with which the promise may fail")
    reach: float = Field(
        1.0,
        gt=0,
        description="how far apart two values of a number may be that nobody shall tell from each other",
    )

    @property
    def noise(self) -> float:
        """Standard deviation."""
        if self.mechanism == "none":
            return 0.0
        return gaussian_noise(self.epsilon, self.delta, self.reach)


class OptimizationScenario(Scenario):
    """A network of agents with private costs who are to find what is best for all."""

    network: NetworkTable = Field(description="who can say something to whom: an arc i -> j lets j hear i")
    problem: ProblemTable = Field(description="private costs, and what is to be decided")
    start: float | Literal["own"] = Field(
        0.0, description="first value of every entry, or 'own': what each agent would want alone"
    )
    rounds: int = Field(1000, ge=1, description="rounds of messages")
    tolerance: float = Field(1e-6, gt=0, description="error at which a run counts as arrived")
    measurement_noise: float = Field(
        0.0, ge=0, description="standard deviation of noise on every measured derivative"
    )
    link_up: float = Field(
        1.0, gt=0, le=1, description="probability that a link is up in a round; weights follow"
    )
    weights: WeightsTable = Field(WeightsTable(), description="how agents weigh what they hear")
    channel: ChannelTable = Field(ChannelTable(), description="noise, loss and delay of messages")
    unstable: Literal["refuse", "run"] = Field(
        "refuse", description="a step size past the predicted limit: refused, or run all the same"
    )
    judge_steps: bool = Field(
        default=False,
        description="whether a run also tells its step, the stability limit and the certified step",
    )
    agents: Literal["arrays", "local", "ray"] = Field(
        "arrays",
        description="all in one process on arrays, or each on its own: a process with sockets, or a Ray actor",
    )
    eavesdropper: Eavesdropper | None = Field(
        None, description="whose messages are tapped; nobody's by default"
    )
    oracle: Literal["own", "cvxpy"] = Field(
        "own",
        description="cvxpy: the central optimum is found once more by Clarabel or HiGHS, and told as cost_oracle",
    )
    privacy: Privacy | None = Field(
        None, description="differential privacy by noise on what agents hold; none by default"
    )

    @model_validator(mode="after")
    def _known(self) -> OptimizationScenario:
        if self.eavesdropper is None or self.eavesdropper.knows == "nothing":
            return self
        table = self.channel
        disturbed = table.noise > 0 or table.loss > 0 or table.delay > 0 or self.link_up < 1
        if disturbed or self.measurement_noise > 0 or self.start == "own":
            message = "an eavesdropper that knows all but the targets needs a start that is a number, links that are"
            message += " always up, and neither a channel nor measurement noise: else messages are not forms it knows"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _formula(self) -> OptimizationScenario:
        if self.oracle == "cvxpy" and getattr(self.problem, "file", None) is not None:
            message = "oracle = 'cvxpy' needs a formula that it knows: costs from a file have none"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _steady(self) -> OptimizationScenario:
        if self.link_up < 1 and self.weights.doubly in ("best_constant", "sinkhorn"):
            message = f"{self.weights.doubly} weights need all links: link_up below 1 may cut some agent off"
            raise ValueError(message)
        return self


def example() -> OptimizationScenario:
    """A small world for contract tests: six generators share a demand."""
    return OptimizationScenario.model_validate(
        {
            "network": {"generate": {"model": "erdos_renyi", "nodes": 6, "p": 0.5}, "connected": "strongly"},
            "problem": {"kind": "dispatch"},
            "rounds": 40,
        }
    )
