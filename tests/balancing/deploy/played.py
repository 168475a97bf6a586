"""A proxy that is played by a test, and half-seconds that pass in it."""

import numpy as np

from qoslab.domains.balancing.deploy.observation import Observation
from qoslab.domains.balancing.deploy.runtime import ProxyGone, ProxyRefused, Server


class Played:
    """A proxy with servers of 10, 40 and 20 answers per second; two of them unless their weights are given.

    Of each number in `loses_answers` one batch sets only so many weights, and its answer is lost.
    """

    def __init__(self, **weights):
        self.process, self.weights, self.gone, self.refuses, self.agent = (
            "1",
            weights or {"a": 1, "b": 3},
            False,
            "",
            False,
        )
        self.total, self.loses_answers = 0, []
        self.configuration = dict(self.weights)

    def reload(self, **configuration):
        """Another process with its configured weights."""
        self.process, self.total = self.process + "1", 0
        self.configuration = configuration or self.configuration
        self.weights = dict(self.configuration)

    def configured(self, backend):
        return dict(self.configuration)

    def servers(self, backend):
        if self.gone:
            raise ProxyGone("nobody listens")
        agent, each = self.agent, self.total // len(self.weights)
        rows = [Server(k, 1, each, w, w > 0, agent in (True, k)) for k, w in self.weights.items()]
        return self.process, rows

    def set_weights(self, backend, weights):
        if self.gone:
            raise ProxyGone("nobody listens")
        if self.refuses and weights:
            raise ProxyRefused(self.refuses)
        if weights and self.loses_answers:
            applied = list(weights)[: self.loses_answers.pop(0)]
            self.weights |= {name: weights[name] for name in applied}
            raise ProxyGone("the answer did not come in time")
        self.weights |= weights


def pass_time(steering, proxy, begin, end, heard=True):
    """Half-seconds in which the servers are always busy."""

    def seen(wall_s, now_s, active, up, *, complete):
        each = np.full(len(up), now_s)
        return Observation(
            now_s, active, each * np.array([10.0, 40.0, 20.0])[: len(up)], each, each, up, complete
        )

    for k in range(begin, end):
        proxy.total += 26
        if heard:
            steering.ledger.lines += 25
        steering.ledger.observe = seen
        steering.tick(1e9 + 0.5 * k, 0.5 * k)
