"""A Flower client that moves half-way to its own number and holds 10 times as many samples: ADDRESS NUMBER."""

import sys

import flwr


class Client(flwr.client.NumPyClient):
    def __init__(self, number):
        self.number = number

    def get_parameters(self, config):
        return []

    def fit(self, parameters, config):
        return [array + 0.5 * (self.number - array) for array in parameters], 10 * self.number, {}


flwr.client.start_client(
    server_address=sys.argv[1], client=Client(int(sys.argv[2])).to_client(), insecure=True
)
