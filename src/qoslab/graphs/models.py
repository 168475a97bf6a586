"""Generators of networks as they stand in a study file: `generate = { model = "erdos_renyi", nodes = 100, ... }`."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from qoslab.core.scenario import Part
from qoslab.graphs import random_graphs, shapes, spatial
from qoslab.graphs.network import Network

__all__ = ["Generator", "Model"]

_MAX_NODES = 1_000_000
_Count = Annotated[int, Field(ge=1, le=_MAX_NODES)]
_Probability = Annotated[float, Field(ge=0, le=1)]


class Model(Part):
    """A generator with its parameters."""

    def draw(self, rng: np.random.Generator) -> Network:
        """A network of this model; those without chance leave `rng` alone."""
        raise NotImplementedError


class ErdosRenyi(Model):
    """Every link is there with the same probability; `p` or `mean_degree`."""

    model: Literal["erdos_renyi"]
    nodes: _Count = Field(description="number of nodes")
    p: _Probability | None = Field(None, description="probability of each link (each arc, where directed)")
    mean_degree: float | None = Field(None, ge=0, description="mean degree (out-degree), instead of p")
    directed: bool = Field(default=False, description="draw each direction by itself")

    @model_validator(mode="after")
    def _one(self) -> ErdosRenyi:
        if (self.p is None) == (self.mean_degree is None):
            message = "give either p or mean_degree"
            raise ValueError(message)
        if self.mean_degree is not None and self.mean_degree > self.nodes - 1:
            message = f"mean_degree = {self.mean_degree:g} needs more than {self.nodes} nodes"
            raise ValueError(message)
        return self

    def draw(self, rng: np.random.Generator) -> Network:
        p = self.p if self.p is not None else (self.mean_degree or 0.0) / max(self.nodes - 1, 1)
        return random_graphs.erdos_renyi(self.nodes, p, rng, directed=self.directed)


class WattsStrogatz(Model):
    """A ring of neighbours with some links moved: high clustering, short paths."""

    model: Literal["watts_strogatz"]
    nodes: _Count = Field(description="number of nodes")
    neighbours: int = Field(4, ge=2, multiple_of=2, description="degree before links are moved, even")
    p: _Probability = Field(0.1, description="probability that a link is moved")

    @model_validator(mode="after")
    def _fits(self) -> WattsStrogatz:
        if self.neighbours >= self.nodes:
            message = "neighbours must be below nodes"
            raise ValueError(message)
        return self

    def draw(self, rng: np.random.Generator) -> Network:
        return random_graphs.watts_strogatz(self.nodes, self.neighbours, self.p, rng)


class BarabasiAlbert(Model):
    """Growth by preferential attachment."""

    model: Literal["barabasi_albert"]
    nodes: _Count = Field(description="number of nodes")
    links: int = Field(2, ge=1, description="links that each new node brings")

    @model_validator(mode="after")
    def _fits(self) -> BarabasiAlbert:
        if self.links >= self.nodes:
            message = "links must be below nodes"
            raise ValueError(message)
        return self

    def draw(self, rng: np.random.Generator) -> Network:
        return random_graphs.barabasi_albert(self.nodes, self.links, rng)


class ScaleFree(Model):
    """Directed preferential attachment."""

    model: Literal["scale_free"]
    nodes: int = Field(ge=3, le=_MAX_NODES, description="number of nodes")
    alpha: float = Field(
        0.41, ge=0, le=1, description="share of steps in which a new node points to an old one"
    )
    beta: float = Field(0.54, ge=0, lt=1, description="share of steps that join two old nodes")
    delta_in: float = Field(0.2, ge=0, description="added to in-degrees in the choice")
    delta_out: float = Field(0.0, ge=0, description="added to out-degrees in the choice")

    @model_validator(mode="after")
    def _grows(self) -> ScaleFree:
        if self.alpha + self.beta > 1:
            message = "alpha + beta must be at most 1"
            raise ValueError(message)
        return self

    def draw(self, rng: np.random.Generator) -> Network:
        deltas = {"delta_in": self.delta_in, "delta_out": self.delta_out}
        return random_graphs.scale_free(self.nodes, rng, alpha=self.alpha, beta=self.beta, **deltas)


class PowerLaw(Model):
    """Configuration model with power-law degrees."""

    model: Literal["power_law"]
    nodes: _Count = Field(description="number of nodes")
    exponent: float = Field(2.5, gt=0, description="P(degree = k) falls as k^-exponent")
    min_degree: int = Field(2, ge=1, description="least degree")
    max_degree: int | None = Field(None, ge=1, description="largest degree; ceil(3 ln nodes) by default")

    def draw(self, rng: np.random.Generator) -> Network:
        limits = {"min_degree": self.min_degree, "max_degree": self.max_degree}
        return random_graphs.power_law(self.nodes, self.exponent, rng, **limits)  # type: ignore[arg-type]


class RandomRegular(Model):
    """The same degree at every node."""

    model: Literal["random_regular"]
    nodes: _Count = Field(description="number of nodes")
    degree: int = Field(3, ge=0, description="degree of each node")

    @model_validator(mode="after")
    def _fits(self) -> RandomRegular:
        if self.degree >= self.nodes or self.nodes * self.degree % 2:
            message = "degree must be below nodes, and nodes * degree even"
            raise ValueError(message)
        return self

    def draw(self, rng: np.random.Generator) -> Network:
        return random_graphs.random_regular(self.nodes, self.degree, rng)


class RandomTree(Model):
    """A uniformly random tree and further random links."""

    model: Literal["random_tree"]
    nodes: _Count = Field(description="number of nodes")
    extra_links: int = Field(0, ge=0, description="random links beside those of the tree")

    def draw(self, rng: np.random.Generator) -> Network:
        return random_graphs.random_tree(self.nodes, rng, extra_links=self.extra_links)


class KIn(Model):
    """A digraph in which every node hears the same number of others."""

    model: Literal["k_in"]
    nodes: int = Field(ge=2, le=_MAX_NODES, description="number of nodes")
    in_degree: int = Field(4, ge=1, description="arcs into each node")
    ring: bool = Field(default=True, description="one of them comes from the node before: strongly connected")

    @model_validator(mode="after")
    def _fits(self) -> KIn:
        if self.in_degree >= self.nodes:
            message = "in_degree must be below nodes"
            raise ValueError(message)
        return self

    def draw(self, rng: np.random.Generator) -> Network:
        return random_graphs.k_in(self.nodes, self.in_degree, rng, ring=self.ring)


class RandomGeometric(Model):
    """Nodes in a square, linked where they are near."""

    model: Literal["random_geometric"]
    nodes: _Count = Field(description="number of nodes")
    radius_km: float = Field(gt=0, description="largest distance of linked nodes")
    side_km: float = Field(1.0, gt=0, description="side of the square")

    def draw(self, rng: np.random.Generator) -> Network:
        return spatial.random_geometric(self.nodes, self.radius_km, rng, side_km=self.side_km)


class Waxman(Model):
    """Nodes in a square, linked with a probability that falls with distance: alpha exp(-d / (beta L))."""

    model: Literal["waxman"]
    nodes: _Count = Field(description="number of nodes")
    alpha: float = Field(0.4, gt=0, le=1, description="probability of a link between nodes at one place")
    beta: float = Field(0.1, gt=0, description="reach, as a share of the largest distance")
    side_km: float = Field(1.0, gt=0, description="side of the square")

    def draw(self, rng: np.random.Generator) -> Network:
        return spatial.waxman(self.nodes, rng, alpha=self.alpha, beta=self.beta, side_km=self.side_km)


class Path(Model):
    """Nodes in a line."""

    model: Literal["path"]
    nodes: _Count = Field(description="number of nodes")

    def draw(self, rng: np.random.Generator) -> Network:  # noqa: ARG002
        return shapes.path(self.nodes)


class Ring(Model):
    """A cycle, with links to the next `neighbours` nodes."""

    model: Literal["ring"]
    nodes: int = Field(ge=3, le=_MAX_NODES, description="number of nodes")
    neighbours: int = Field(1, ge=1, description="reach of the links")
    directed: bool = Field(default=False, description="links point ahead only")

    @model_validator(mode="after")
    def _fits(self) -> Ring:
        if self.neighbours * (1 if self.directed else 2) >= self.nodes:
            message = "the links reach around the ring: fewer neighbours, or more nodes"
            raise ValueError(message)
        return self

    def draw(self, rng: np.random.Generator) -> Network:  # noqa: ARG002
        return shapes.ring(self.nodes, self.neighbours, directed=self.directed)


class Star(Model):
    """One node in the middle of others."""

    model: Literal["star"]
    leaves: _Count = Field(description="nodes around the middle")

    def draw(self, rng: np.random.Generator) -> Network:  # noqa: ARG002
        return shapes.star(self.leaves)


class Complete(Model):
    """A link between any two nodes."""

    model: Literal["complete"]
    nodes: int = Field(ge=1, le=3000, description="number of nodes")
    directed: bool = Field(default=False, description="an arc each way instead of a link")

    def draw(self, rng: np.random.Generator) -> Network:  # noqa: ARG002
        return shapes.complete(self.nodes, directed=self.directed)


class Grid(Model):
    """A rectangular grid, or a torus."""

    model: Literal["grid"]
    rows: int = Field(ge=1, le=1000, description="rows")
    columns: int = Field(ge=1, le=1000, description="columns")
    wrap: bool = Field(default=False, description="join opposite sides: a torus")
    spacing_km: float = Field(1.0, gt=0, description="length of each link")

    @model_validator(mode="after")
    def _fits(self) -> Grid:
        if self.wrap and min(self.rows, self.columns) < 3:
            message = "a torus needs at least 3 rows and 3 columns"
            raise ValueError(message)
        return self

    def draw(self, rng: np.random.Generator) -> Network:  # noqa: ARG002
        return shapes.grid(self.rows, self.columns, wrap=self.wrap, spacing_km=self.spacing_km)


class Tree(Model):
    """A balanced tree."""

    model: Literal["tree"]
    branching: int = Field(2, ge=1, le=1000, description="children of each node above the last level")
    depth: int = Field(3, ge=0, le=1000, description="levels below the root")

    @model_validator(mode="after")
    def _fits(self) -> Tree:
        if self.depth * np.log(self.branching) > np.log(_MAX_NODES):
            message = f"this tree has more than {_MAX_NODES} nodes"
            raise ValueError(message)
        return self

    def draw(self, rng: np.random.Generator) -> Network:  # noqa: ARG002
        return shapes.tree(self.branching, self.depth)


class Dumbbell(Model):
    """Hosts on both ends of a shared chain of routers."""

    model: Literal["dumbbell"]
    senders: _Count = Field(description="hosts s0, s1, ... on the first router")
    receivers: int | None = Field(None, ge=1, description="hosts d0, d1, ... on the last; as many as senders")
    routers: int = Field(2, ge=2, le=_MAX_NODES, description="routers r0, r1, ... in the chain")

    def draw(self, rng: np.random.Generator) -> Network:  # noqa: ARG002
        return shapes.dumbbell(self.senders, self.receivers, self.routers)


class Hypercube(Model):
    """Nodes whose numbers differ in one bit are linked."""

    model: Literal["hypercube"]
    dimension: int = Field(ge=1, le=16, description="there are 2^dimension nodes")

    def draw(self, rng: np.random.Generator) -> Network:  # noqa: ARG002
        return shapes.hypercube(self.dimension)


class Lollipop(Model):
    """A complete graph with a tail."""

    model: Literal["lollipop"]
    clique: int = Field(ge=2, le=3000, description="nodes of the complete graph")
    tail: int = Field(ge=0, le=_MAX_NODES, description="nodes of the tail")

    def draw(self, rng: np.random.Generator) -> Network:  # noqa: ARG002
        return shapes.lollipop(self.clique, self.tail)


class Margulis(Model):
    """The Margulis-Gabber-Galil expander."""

    model: Literal["margulis"]
    side: int = Field(ge=2, le=1000, description="there are side * side nodes")

    def draw(self, rng: np.random.Generator) -> Network:  # noqa: ARG002
        return shapes.margulis(self.side)


class Karate(Model):
    """Zachary's karate club."""

    model: Literal["karate"]

    def draw(self, rng: np.random.Generator) -> Network:  # noqa: ARG002
        return shapes.karate()


Generator = Annotated[
    ErdosRenyi
    | WattsStrogatz
    | BarabasiAlbert
    | ScaleFree
    | PowerLaw
    | RandomRegular
    | RandomTree
    | KIn
    | RandomGeometric
    | Waxman
    | Path
    | Ring
    | Star
    | Complete
    | Grid
    | Tree
    | Dumbbell
    | Hypercube
    | Lollipop
    | Margulis
    | Karate,
    Field(discriminator="model"),
]
"""The table `generate = { model = ..., ... }`."""
