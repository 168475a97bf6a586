"""SHARP-QoS: joint prediction of several QoS parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from qoslab.core.context import Context
from qoslab.core.method import method
from qoslab.domains.prediction.data import Known
from qoslab.domains.prediction.model import Prediction
from qoslab.domains.prediction.sharp.balance import Balance
from qoslab.domains.prediction.sharp.network import Architecture, Encoder
from qoslab.domains.prediction.sharp.train import Recipe, complete
from qoslab.learning.session import deterministic

__all__ = ["SharpQos"]

CITATION = """@misc{kumar2025sharpqos,
  author = {Kumar, Suraj and Kumar, Arvind and Chattopadhyay, Soumi},
  title = {{SHARP-QoS}},
  year = {2025},
  eprint = {2512.17262},
  archivePrefix = {arXiv}
}"""


@method(
    "prediction",
    "sharp_qos",
    summary="joint prediction by hyperbolic hypergraph encoders and sparse routing between tasks",
    citation=CITATION,
    extra="learn",
    origin="reference instance",
    example={"steps": 5, "rank": 4, "hidden": 8, "width": 4},
)
@dataclass(frozen=True)
class SharpQos:
    """SHARP-QoS (Kumar, Kumar and Chattopadhyay, arXiv 2512.17262), rebuilt from its description.

    NMF and autoencoded context give features; graph and hypergraph convolutions in the Poincare ball encode them, one
    encoder per parameter and one per kind of context; gated sub-networks pass context (SNR) and the other parameters'
    encodings (Cross-SNR) to each parameter; a gate fuses them with its own; heads of users and services are multiplied.
    The paper's equations and tables could not be read: what it does not state follows the forms of the works that it
    builds on, and `docs/prediction/sharp_qos.md` names these choices.

    Some switches make others idle: with `gcn` neither `curvature` nor `trainable_curvature` does anything, `beta` only
    with `ema`, `context_layers`, `context_blocks` and `contexts` only where there is context and `snr`, `task_blocks`
    only with `cross_snr` and two parameters, and `l0` and `gate_speed` only where one of the two routes.

    Attributes:
        encoder: `hhgcn` has the bipartite graph and both hypergraphs, `hygcn` the bipartite graph alone, both in the
            Poincare ball; `gcn` is Euclidean.
        snr: Whether context is routed to the tasks.
        cross_snr: Whether tasks receive from each other.
        contexts: `separate` graphs for each kind of context, one `merged` graph, or `none`. A side of which a kind says
            nothing has an unknown place.
        balance: How losses are weighted: moving averages, learned uncertainty, dynamic averages, or all equal. A
            parameter without cells to learn from weighs nothing.
        beta: Memory of the moving averages.
        l0: Weight of the expected number of open gates.
        gate_speed: Steps of the gates' locations, in steps of the other weights.
        curvature: Curvature c of the ball of radius 1 / sqrt(c); at most a million, far below where float32 ends.
        trainable_curvature: Whether c is learned.
        context_blocks: Blocks K1 of SNR.
        task_blocks: Blocks K2 of Cross-SNR, for each task that gives.
        rank: Width of the features.
        hidden: Width of the encoders and blocks.
        width: Width of the heads' outputs, which are multiplied.
        layers: Layers of a parameter's encoder.
        context_layers: Layers of a context's encoder.
        self_loops: `added` is I + D^-1/2 A D^-1/2, as in the authors' earlier code; `renormalised` is
            D~^-1/2 (A + I) D~^-1/2, which forgets who a node is: see the page.
        scaling: Values are divided by their known `mean`, or by nothing.
        steps: Steps at most, each over all known cells; counted in fives, after which the errors are looked at: what is
            left over is not run, and five are the fewest.
        learning_rate: Step size of Adam, the largest where it decays.
        decay: Whether the step size rises for a tenth of the steps and then falls to nothing along a cosine.
        weight_decay: Decoupled decay of the weights.
        dropout: Share of hidden features that a step leaves out.
        held_out: Share of the known cells that decides which step's weights are kept; with 0, or if a parameter would
            lose its last cell, all are learned from, and the weights with the least loss on them are kept.
        patience: Steps without improvement on these cells, or on the known ones, before training stops; counted in
            fives as `steps` are.
        device: `auto` takes CUDA where there is one.
    """

    encoder: Encoder = "hhgcn"
    snr: bool = True
    cross_snr: bool = True
    contexts: Literal["separate", "merged", "none"] = "separate"
    balance: Balance = "ema"
    beta: Annotated[float, Field(ge=0, lt=1)] = 0.99
    l0: Annotated[float, Field(ge=0)] = 1e-5
    gate_speed: Annotated[float, Field(gt=0)] = 1.0
    curvature: Annotated[float, Field(gt=0, le=1e6)] = 1.0
    trainable_curvature: bool = False
    context_blocks: Annotated[int, Field(ge=1)] = 4
    task_blocks: Annotated[int, Field(ge=1)] = 4
    rank: Annotated[int, Field(ge=1)] = 50
    hidden: Annotated[int, Field(ge=1)] = 128
    width: Annotated[int, Field(ge=1)] = 64
    layers: Annotated[int, Field(ge=1)] = 2
    context_layers: Annotated[int, Field(ge=1)] = 2
    self_loops: Literal["added", "renormalised"] = "added"
    scaling: Literal["mean", "none"] = "mean"
    steps: Annotated[int, Field(ge=1)] = 1000
    learning_rate: Annotated[float, Field(gt=0)] = 1e-2
    decay: bool = True
    weight_decay: Annotated[float, Field(ge=0)] = 1e-5
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.0
    patience: Annotated[int, Field(ge=1)] = 200
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def predict(self, known: Known, seed: np.random.SeedSequence, context: Context) -> Prediction:
        """Train once on all parameters together and complete their tables; logs losses, weights and gates."""
        with deterministic(seed, "prediction/sharp_qos") as torch:
            values, series = complete(torch, known, self._architecture(), self._recipe(), context)
        return Prediction(values, series=series)

    def _architecture(self) -> Architecture:
        return Architecture(
            encoder=self.encoder,
            snr=self.snr,
            cross_snr=self.cross_snr,
            rank=self.rank,
            hidden=self.hidden,
            width=self.width,
            layers=self.layers,
            context_layers=self.context_layers,
            context_blocks=self.context_blocks,
            task_blocks=self.task_blocks,
            gate_speed=self.gate_speed,
            curvature=self.curvature,
            trainable_curvature=self.trainable_curvature,
        )

    def _recipe(self) -> Recipe:
        return Recipe(
            balance=self.balance,
            beta=self.beta,
            l0=self.l0,
            scaling=self.scaling,
            context=self.contexts,
            self_loops=self.self_loops,
            steps=self.steps,
            learning_rate=self.learning_rate,
            decay=self.decay,
            weight_decay=self.weight_decay,
            dropout=self.dropout,
            held_out=self.held_out,
            patience=self.patience,
            device=self.device,
        )
