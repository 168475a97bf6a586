"""A Flower server that runs our server learning: ADDRESS ROUNDS FILE; writes the last weights to FILE."""

import sys

import flwr
import numpy as np

from qoslab.domains.federation.flower import flower_strategy


def learn(weights, gamma):
    """The server's own samples pull towards 1."""
    return [array + gamma * 0.1 * (1.0 - array) for array in weights]


def main(address, rounds, file):
    kept = {}

    def evaluate(weights):
        kept["last"] = weights
        return float(sum(np.abs(array).sum() for array in weights)), {}

    start = [np.zeros((2, 3)), np.zeros(4)]
    strategy = flower_strategy(start, learn, rounds=rounds, clients=2, sampled=2, evaluate=evaluate)
    config = flwr.server.ServerConfig(num_rounds=rounds, round_timeout=60)
    flwr.server.start_server(server_address=address, config=config, strategy=strategy)
    np.savez(file, *kept["last"])


main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
