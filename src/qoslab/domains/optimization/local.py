"""What an agent of this domain knows by itself, and the gradients it measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from qoslab.agents.message import FloatArray
from qoslab.core.errors import BadInput, Problem
from qoslab.domains.optimization.problems.costs import Costs
from qoslab.domains.optimization.problems.coupled import Coupled

__all__ = ["Change", "Known", "Measurements", "Terms"]

_BLOCK = 256


class Measurements:
    """Gaussian noise on what each agent measures, from a stream of its own: alike in any grouping of agents.

    Args:
        std: Standard deviation.
        streams: One generator per row.
        dimension: Numbers per measurement.

    Attributes:
        drawn: Draws so far.
    """

    def __init__(self, std: float, streams: list[np.random.Generator], dimension: int) -> None:
        self._std, self._streams, self._dimension = std, streams, dimension
        self._block, self._next = np.zeros((0, len(streams), dimension)), 0
        self.drawn = 0

    def rows(self, agents: Sequence[int]) -> Measurements:
        """The noise of some agents alone, from its beginning; nothing may have been drawn yet."""
        assert self.drawn == 0
        return Measurements(self._std, [self._streams[i] for i in agents], self._dimension)

    def draw(self) -> FloatArray:
        """One draw for every agent, shape (rows, dimension)."""
        self.drawn += 1
        if self._next == len(self._block):
            shape = (_BLOCK, self._dimension)
            self._block = self._std * np.stack([one.standard_normal(shape) for one in self._streams], axis=1)
            self._next = 0
        self._next += 1
        return np.asarray(self._block[self._next - 1])


@dataclass(frozen=True, eq=False)
class Terms:
    """What is agreed about the shared constraints before anything is negotiated.

    Attributes:
        goals: What each allows altogether, shape (m,).
        parties: How many agents it involves, shape (m,).
        leads: Whether an agent is the first of them, shape (rows, m).
    """

    goals: FloatArray
    parties: FloatArray
    leads: NDArray[np.bool_]

    @classmethod
    def of(cls, coupled: Coupled) -> Terms:
        """The terms of all agents' constraints."""
        involved = (coupled.share != 0).any(axis=2)
        leads = np.arange(len(involved))[:, None] == involved.argmax(axis=0)
        return cls(coupled.offset.sum(axis=0), involved.sum(axis=0).astype(np.float64), leads)

    def rows(self, agents: Sequence[int]) -> Terms:
        """What some agents know of them."""
        return replace(self, leads=self.leads[list(agents)])


@dataclass(frozen=True, eq=False)
class Change:
    """Costs that hold from a round on.

    Attributes:
        round: From which round.
        costs: Costs of the shared decision from then on.
        coupled: The part of a coupled problem from then on; its shared constraints are the old ones.
    """

    round: int
    costs: Costs
    coupled: Coupled | None

    def rows(self, agents: Sequence[int]) -> Change:
        """What some agents will come to know."""
        at = list(agents)
        return Change(
            self.round, self.costs.rows(at), None if self.coupled is None else self.coupled.rows(at)
        )


@dataclass(frozen=True, eq=False)
class Known:
    """The data of a group of agents.

    Attributes:
        agents: Which agents, shape (rows,).
        costs: Their private costs of the shared decision; of a coupled problem, its dual.
        coupled: Their part of a coupled problem; None where the decision is shared.
        start: Where they start, shape (rows, p) or (rows, d).
        perron: pi_i of the row-stochastic weights, for methods that may know it, shape (rows,).
        smoothness: The largest Lipschitz constant of any agent's gradient, which everybody knows.
        convexity: The least constant of strong convexity of any agent's cost.
        measurements: The noise of gradient measurements; None for exact ones.
        own_smoothness: The largest second derivative of any own cost at equal parts of the shared constraints' goals.
        row_step: What row-stochastic tracking takes for its step, which everybody knows.
        share_norm: The largest norm of any agent's share of the constraints.
        terms: The terms of the shared constraints; None where the decision is shared.
        change: What becomes of the costs in mid-run; None where they stay.
        steady: Whether the weights stay and every message arrives at once and unchanged.
    """

    agents: NDArray[np.int64]
    costs: Costs
    coupled: Coupled | None
    start: FloatArray
    perron: FloatArray
    smoothness: float
    convexity: float = 0.0
    measurements: Measurements | None = None
    own_smoothness: float = 1.0
    share_norm: float = 1.0
    row_step: float = 0.1
    steady: bool = True
    terms: Terms | None = None
    change: Change | None = None

    def rows(self, agents: Sequence[int]) -> Known:
        """What some agents know, with nothing of the others' data."""
        at = list(agents)
        return replace(
            self,
            agents=self.agents[at],
            costs=self.costs.rows(at),
            coupled=None if self.coupled is None else self.coupled.rows(at),
            start=self.start[at],
            perron=self.perron[at],
            measurements=None if self.measurements is None else self.measurements.rows(at),
            terms=None if self.terms is None else self.terms.rows(at),
            change=None if self.change is None else self.change.rows(at),
        )

    def costs_in(self, k: int) -> Costs:
        """The costs of the shared decision in round k."""
        costs = self.costs if self.change is None or k < self.change.round else self.change.costs
        return costs.when(f"round {k}")

    def coupled_in(self, k: int) -> Coupled | None:
        """The part of a coupled problem in round k."""
        coupled = self.coupled if self.change is None or k < self.change.round else self.change.coupled
        return None if coupled is None else coupled.when(f"round {k}")

    def drawn(self) -> int:
        """Noisy measurements so far."""
        return 0 if self.measurements is None else self.measurements.drawn

    def seek(self, drawn: int) -> None:
        """Go on after so many noisy measurements, in a process that takes up a lost agent's work."""
        while self.measurements is not None and self.measurements.drawn < drawn:
            self.measurements.draw()

    def gradient(self, x: FloatArray, k: int) -> FloatArray:
        """Measured (sub)gradients of the shared decision's costs, shape (rows, p).

        Raises:
            BadInput: A cost gave what is no number; names round and agent.
        """
        return self._measured(self.costs_in(k).gradient(x), x, k)

    def own_gradient(self, x: FloatArray, k: int) -> FloatArray:
        """Measured gradients of the agents' own decisions, shape (rows, d).

        Raises:
            BadInput: A cost gave what is no number; names round and agent.
        """
        coupled = self.coupled_in(k)
        assert coupled is not None
        return self._measured(coupled.own.gradient(x), x, k)

    def own_values(self, x: FloatArray, k: int) -> FloatArray:
        """Measured costs of the agents' own decisions, entry by entry, shape (rows, d).

        Raises:
            BadInput: A cost gave what is no number; names round and agent.
        """
        coupled = self.coupled_in(k)
        assert coupled is not None
        return self._measured(coupled.own.value(x), x, k, "cost")

    def _measured(self, exact: FloatArray, x: FloatArray, k: int, what: str = "gradient") -> FloatArray:
        wrong = ~np.isfinite(exact).all(axis=1) & np.isfinite(x).all(axis=1)
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            said = f"the {what} at {x[row].tolist()} is {exact[row].tolist()}"
            message = f"round {k}, agent {self.agents[row]}: {said}"
            raise BadInput(Problem(field="scenario.problem", message=message))
        return exact if self.measurements is None else exact + self.measurements.draw()
