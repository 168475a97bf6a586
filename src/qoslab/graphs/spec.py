"""What may stand in `[scenario.network]`, and the network it makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from qoslab.core.errors import BadInput, MissingData, Problem
from qoslab.core.scenario import DatasetName, InputFile, Part
from qoslab.core.seeds import sequence
from qoslab.graphs.formats.assemble import Parallel, Positions, Reading, SelfLoops, assemble
from qoslab.graphs.formats.draft import Draft, LinkRow
from qoslab.graphs.models import Generator
from qoslab.graphs.network import LINK_FIELDS, Network
from qoslab.graphs.readers import FORMATS, read_network
from qoslab.graphs.topologies import from_topohub
from qoslab.graphs.transform import complete_links, connected, keep_component

__all__ = ["InlineLink", "NetworkTable", "build"]

_SOURCES = ("file", "topohub", "generate", "dataset", "links")
_DRAWS = 100


class InlineLink(Part):
    """A link written out in the study file."""

    source: str = Field(description="identifier of one end")
    target: str = Field(description="identifier of the other end")
    length_km: float | None = Field(None, ge=0, description="length")
    capacity: float | None = Field(None, ge=0, description="capacity, in the unit of the demands")
    delay_s: float | None = Field(None, ge=0, description="propagation delay")
    weight: float | None = Field(None, description="weight; 1 by default")


class NetworkTable(Part):
    """The network of a scenario: one source, and what its file leaves open.

    Exactly one of `file`, `topohub`, `generate`, `dataset` and `links` is given.
    """

    file: InputFile | None = Field(None, description="network file: " + ", ".join(FORMATS))
    topohub: str | None = Field(None, description="name of a topology, such as 'topozoo/Abilene'")
    generate: Generator | None = Field(None, description="a model and its parameters")
    dataset: DatasetName | None = Field(
        None, description="network file of the dataset registry, DATASET/FILE"
    )
    links: tuple[InlineLink, ...] | None = Field(None, min_length=1, description="the links, written out")

    directed: bool | None = Field(None, description="overrides what the file says; lists are undirected")
    self_loops: SelfLoops = Field("refuse", description="links from a node to itself")
    parallel: Parallel = Field("refuse", description="several links between the same nodes")
    positions: Positions = Field("auto", description="whether positions are longitude, latitude or km")
    component: Literal["all", "largest", "largest_strong"] = Field("all", description="what to keep of it")
    connected: Literal["any", "weakly", "strongly"] = Field("any", description="refuse a network that is not")
    seed: int | None = Field(None, ge=0, description="draw the same network in every replication")

    lengths: Literal["given", "missing", "positions"] = Field(
        "given", description="take lengths from positions never, where unknown, or always"
    )
    length_factor: float = Field(1.0, gt=0, description="multiplies every length but default_length_km")
    default_length_km: float | None = Field(None, ge=0, description="length of links that have none")
    default_capacity: float | None = Field(None, ge=0, description="capacity of links that have none")
    default_delay_s: float | None = Field(None, ge=0, description="delay of links that have none")
    propagation_speed_km_per_s: float | None = Field(
        None, gt=0, description="delay of links that have none: length / speed; 200000 in fibre"
    )

    @field_validator("file")
    @classmethod
    def _known_format(cls, value: str | None) -> str | None:
        if value is not None and Path(value).suffix.lower() not in FORMATS:
            message = f"no format of a network file has this extension; known: {', '.join(FORMATS)}"
            raise ValueError(message)
        return value

    @model_validator(mode="after")
    def _one_source(self) -> NetworkTable:
        given = [name for name in _SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            what = " and ".join(given) if given else "none"
            message = f"a network has exactly one of {', '.join(_SOURCES)}; given: {what}"
            raise ValueError(message)
        if self.default_delay_s is not None and self.propagation_speed_km_per_s is not None:
            message = "give either default_delay_s or propagation_speed_km_per_s"
            raise ValueError(message)
        if self.generate is not None and self.directed is not None:
            message = "a generated network is directed where its model says so: generate = { directed = ... }"
            raise ValueError(message)
        return self

    @property
    def reading(self) -> Reading:
        """How the source is read."""
        return Reading(
            directed=self.directed,
            self_loops=self.self_loops,
            parallel=self.parallel,
            positions=self.positions,
        )

    @property
    def random(self) -> bool:
        """Whether every replication may draw another network."""
        return self.generate is not None and self.seed is None


def _inline(links: Sequence[InlineLink], reading: Reading) -> Network:
    draft = Draft(None, name="inline")
    for link in links:
        values = {field: value for field in LINK_FIELDS if (value := getattr(link, field)) is not None}
        draft.links.append(LinkRow(link.source.strip(), link.target.strip(), None, values))
    return assemble(draft, reading)


def _source(table: NetworkTable, rng: np.random.Generator, dataset: Callable[[str], Path] | None) -> Network:
    if table.generate is not None:
        return table.generate.draw(rng)
    if table.topohub is not None:
        return from_topohub(table.topohub, table.reading)
    if table.links is not None:
        return _inline(table.links, table.reading)
    if table.dataset is not None:
        if dataset is None:
            message = f"network dataset {table.dataset!r} was asked for, but no data folder was given"
            raise MissingData(message)
        return read_network(dataset(table.dataset), table.reading)
    return read_network(table.file or "", table.reading)


def _finish(table: NetworkTable, network: Network) -> Network:
    if table.component != "all":
        network = keep_component(network, strong=table.component == "largest_strong")
    return complete_links(
        network,
        lengths=table.lengths,
        length_factor=table.length_factor,
        default_length_km=table.default_length_km,
        default_capacity=table.default_capacity,
        default_delay_s=table.default_delay_s,
        speed_km_per_s=table.propagation_speed_km_per_s,
    )


def build(
    table: NetworkTable, rng: np.random.Generator, *, dataset: Callable[[str], Path] | None = None
) -> Network:
    """The network that a table describes.

    Args:
        table: The table; its file was resolved against the study's folder when it was validated.
        rng: Source of randomness, as from `seed.generator("network")`; not used where the table has a seed.
        dataset: Gives the local path of a registered file: `Context.dataset`.

    Returns:
        The network. A model that is asked to be connected is drawn again until it is, 100 times at most.

    Raises:
        BadInput: The file is wrong, there is no such topology, or the network is not connected as asked.
        MissingData: The table names a dataset, and `dataset` is not given or does not have it.
    """
    if table.seed is not None:
        rng = np.random.default_rng(sequence(table.seed, "network"))
    draws = _DRAWS if table.generate is not None else 1
    for _ in range(draws):
        network = _finish(table, _source(table, rng, dataset))
        if table.connected == "any" or connected(network, strong=table.connected == "strongly"):
            return network
    message = f"network {network.name!r} is not {table.connected} connected"
    if draws > 1:
        message += f" in any of {draws} draws"
    hint = "component = 'largest' or 'largest_strong' keeps the largest part; or choose a denser model"
    raise BadInput(Problem(message=message, field="network.connected", hint=hint))
