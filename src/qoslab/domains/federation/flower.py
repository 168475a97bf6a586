"""Our methods on the server of a Flower federation.

Flower is an extra of its own (`flower`), for an environment of its own: its pins differ from those of the other
extras. Clients are yours, as in any Flower federation: they get the weights, train and give back weights and the number
of their samples. What happens on the server is one of our methods, such as server learning. Methods that also tell
clients what to add to their gradients (FedProx, SCAFFOLD, FedDyn) cannot run so, and are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qoslab.core.errors import BadInput, MissingExtra, Problem
from qoslab.core.method import method_name
from qoslab.domains.federation.methods.server_learning import ServerLearning
from qoslab.domains.federation.network import FloatArray
from qoslab.domains.federation.strategy import Round, Strategy

__all__ = ["Arrays", "Server", "flower_strategy"]

Arrays = list[NDArray[Any]]
"""A model as Flower has it: one array per layer."""


class Server:
    """A method's server, fed with what clients give back; knows nothing of Flower.

    Args:
        method: The method.
        model: The first weights.
        learn: `learn(weights, gamma)`: the weights after the server's own steps, their size multiplied by gamma.
        rounds: How many rounds there will be; schedules go by it.
        clients: How many clients there are.

    Raises:
        BadInput: The method needs more of clients than their weights.
    """

    def __init__(
        self,
        method: Strategy,
        model: Sequence[NDArray[Any]],
        learn: Callable[[Arrays, float], Arrays],
        *,
        rounds: int,
        clients: int,
    ) -> None:
        self._method, self._learn = method, learn
        self._rounds, self._everyone = rounds, clients
        self._shapes = [array.shape for array in model]
        self._types = [array.dtype for array in model]
        self._model = self._flat(model)
        self._state = method.start(clients, len(self._model))
        needs, guide = method.needs(), method.guide(self._state, np.arange(1))
        plain = needs.clients and not needs.server_data_at_clients and not needs.pooled
        if not plain or needs.vectors_up > 1 or guide.shift is not None or guide.pull:
            message = f"{method_name(method)} needs more of clients than the weights they end with"
            hint = "fedavg, fedavg_momentum, median, trimmed_mean, krum, or server_learning on one of these"
            raise BadInput(Problem(field="method", message=message, hint=hint))

    @property
    def model(self) -> Arrays:
        """The weights now."""
        return self._arrays(self._model)

    def merge(self, number: int, answers: Sequence[tuple[int, Sequence[NDArray[Any]], int]]) -> Arrays:
        """One round.

        Args:
            number: The round, from 0.
            answers: By client: its number, the weights it ended with, and how many samples it holds.

        Raises:
            BadInput: Weights have other shapes than the model.
        """
        updates = [self._flat(weights) - self._model for _, weights, _ in answers]
        seen = Round(
            number,
            self._rounds,
            self._model,
            np.array([client for client, _, _ in answers], np.int64),
            np.array([size for _, _, size in answers], np.int64),
            np.array(updates).reshape(len(answers), len(self._model)),
            1.0,
            1,
            self._everyone,
            lambda start, gamma: start if gamma == 0 else self._flat(self._learn(self._arrays(start), gamma)),
        )
        self._model, self._state = self._method.merge(self._state, seen)
        return self.model

    def _flat(self, arrays: Sequence[NDArray[Any]]) -> FloatArray:
        shapes = [array.shape for array in arrays]
        if shapes != self._shapes:
            message = f"weights have the shapes {shapes}, and the model {self._shapes}"
            raise BadInput(Problem(field="weights", message=message))
        return np.concatenate([np.asarray(array, np.float64).ravel() for array in arrays])

    def _arrays(self, flat: FloatArray) -> Arrays:
        ends = np.cumsum([int(np.prod(shape)) for shape in self._shapes])
        parts = np.split(flat, ends[:-1])
        return [
            part.reshape(shape).astype(kind)
            for part, shape, kind in zip(parts, self._shapes, self._types, strict=True)
        ]


def flower_strategy(
    model: Sequence[NDArray[Any]],
    learn: Callable[[Arrays, float], Arrays],
    *,
    method: Strategy | None = None,
    rounds: int,
    clients: int,
    sampled: int,
    evaluate: Callable[[Arrays], tuple[float, dict[str, float]]] | None = None,
) -> Any:
    """A `flwr.server.strategy.Strategy` whose server is one of our methods.

    Args:
        model: The first weights.
        learn: The server's own training: weights and gamma in, weights out.
        method: Our method; server learning on federated averaging by default.
        rounds: How many rounds there will be.
        clients: How many clients there must be before the first.
        sampled: How many take part in a round.
        evaluate: Loss and metrics of weights on the server's test set; called after every round.

    Raises:
        MissingExtra: Flower is not installed.
        BadInput: The method needs more of clients than their weights.
    """
    flwr = _flwr()
    server = Server(method or ServerLearning(), model, learn, rounds=rounds, clients=clients)

    base: Any = flwr.server.strategy.Strategy

    class OurStrategy(base):  # type: ignore[misc]
        """Our server behind Flower's interface."""

        def __init__(self) -> None:
            self._numbers: dict[str, int] = {}

        def initialize_parameters(self, client_manager: Any) -> Any:  # noqa: ARG002
            return flwr.common.ndarrays_to_parameters(server.model)

        def configure_fit(self, server_round: int, parameters: Any, client_manager: Any) -> list[Any]:
            chosen = client_manager.sample(num_clients=sampled, min_num_clients=clients)
            return [(client, flwr.common.FitIns(parameters, {"round": server_round})) for client in chosen]

        def aggregate_fit(
            self,
            server_round: int,
            results: list[Any],
            failures: list[Any],  # noqa: ARG002
        ) -> tuple[Any, dict[str, Any]]:
            # In the order of their names: neither sums nor numbers depend on who answered first.
            answers = [
                (
                    self._numbers.setdefault(str(client.cid), len(self._numbers)),
                    flwr.common.parameters_to_ndarrays(fitted.parameters),
                    fitted.num_examples,
                )
                for client, fitted in sorted(results, key=lambda one: str(one[0].cid))
            ]
            return flwr.common.ndarrays_to_parameters(server.merge(server_round - 1, answers)), {}

        def configure_evaluate(self, server_round: int, parameters: Any, client_manager: Any) -> list[Any]:  # noqa: ARG002
            return []

        def aggregate_evaluate(self, *_: Any) -> tuple[None, dict[str, Any]]:
            return None, {}

        def evaluate(self, server_round: int, parameters: Any) -> tuple[float, dict[str, float]] | None:  # noqa: ARG002
            return None if evaluate is None else evaluate(flwr.common.parameters_to_ndarrays(parameters))

    return OurStrategy()


def _flwr() -> Any:
    try:
        import flwr
        import flwr.common
        import flwr.server.strategy
    except ImportError:
        what = "running inside Flower"
        raise MissingExtra(what, "flower") from None
    return flwr
