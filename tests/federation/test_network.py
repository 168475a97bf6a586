"""Gradients against finite differences of the loss and, where torch is installed, its autograd."""

from itertools import pairwise

import numpy as np
import pytest

from qoslab.domains.federation.network import Perceptron


def sample(sizes, stack=(3,), samples=5):
    network, rng = Perceptron(sizes), np.random.default_rng(1)
    parameters = rng.standard_normal((*stack, network.count))
    x = rng.standard_normal((*stack, samples, sizes[0]))
    return network, parameters, x, rng.integers(0, sizes[-1], (*stack, samples))


@pytest.mark.parametrize("sizes", [(4, 3), (4, 6, 3), (4, 5, 6, 2)])
def test_gradients_are_slopes_of_the_loss(sizes):
    network, parameters, x, y = sample(sizes)
    found = network.gradients(parameters, x, y)
    step = 1e-6
    for k in range(network.count):
        up, down = parameters.copy(), parameters.copy()
        up[:, k] += step
        down[:, k] -= step
        slope = (network.loss(up, x, y) - network.loss(down, x, y)) / (2 * step)
        assert np.allclose(found[:, k], slope, atol=1e-7)


@pytest.mark.parametrize("sizes", [(4, 3), (4, 6, 3)])
def test_gradients_are_those_of_autograd(sizes):
    torch = pytest.importorskip("torch")
    network, parameters, x, y = sample(sizes)
    found = network.gradients(parameters, x, y)
    for row in range(len(parameters)):
        leaf = torch.tensor(parameters[row], requires_grad=True)
        at, out = 0, torch.tensor(x[row])
        for k, (before, after) in enumerate(pairwise(sizes)):
            weights = leaf[at : at + before * after].reshape(before, after)
            at += before * after
            out = out @ weights + leaf[at : at + after]
            at += after
            out = torch.relu(out) if k + 2 < len(sizes) else out
        torch.nn.functional.cross_entropy(out, torch.tensor(y[row])).backward()
        assert np.allclose(found[row], leaf.grad.numpy(), rtol=1e-12, atol=1e-14)


def test_a_stack_is_many_single_networks():
    network, parameters, x, y = sample((4, 6, 3))
    found = network.gradients(parameters, x, y)
    for row in range(len(parameters)):
        assert np.allclose(found[row], network.gradients(parameters[row], x[row], y[row]), rtol=1e-13)


def test_count_and_start():
    network = Perceptron((64, 64, 10))
    start = network.start(np.random.default_rng(0))
    assert network.count == 64 * 64 + 64 + 64 * 10 + 10 == len(start)
    # 4,096 weights: the sample's deviation is within 5 % of sqrt(2 / 64) but for a chance of 1e-5
    assert abs(start[:4096].std() / np.sqrt(2 / 64) - 1) < 0.05
    assert not start[4096 : 4096 + 64].any()


def test_loss_of_equal_scores_is_the_log_of_the_classes():
    network = Perceptron((4, 3))
    x, y = np.ones((7, 4)), np.arange(7) % 3
    assert np.isclose(network.loss(np.zeros(network.count), x, y), np.log(3))
