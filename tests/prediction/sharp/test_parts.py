"""The parts of SHARP-QoS: features, gates, balancing, and one pass of the network with its gradient."""

import numpy as np
import pytest

from qoslab.core.context import Context, TimeLimitExceeded
from qoslab.domains.prediction.data import Known
from qoslab.domains.prediction.sharp import features
from qoslab.domains.prediction.sharp.balance import Balancer
from qoslab.domains.prediction.sharp.features import autoencoded, nmf_features
from qoslab.domains.prediction.sharp.network import Architecture, forward, initial_weights
from qoslab.domains.prediction.sharp.routing import gate, open_probability, route
from qoslab.domains.prediction.sharp.structure import Structure, make_structure
from qoslab.learning.session import deterministic

torch = pytest.importorskip("torch", reason="needs the extra 'learn'")


def known():
    rng = np.random.default_rng(0)
    values = np.where(rng.random((2, 8, 12)) < 0.5, rng.random((2, 8, 12)), np.nan)
    codes = {"country": np.arange(8) % 3, "as": np.arange(8) % 4}
    return Known(("a", "b"), values, codes, {"country": np.arange(12) % 3, "as": np.arange(12) % 4 - 1})


def test_factors_rebuild_a_full_table_of_their_rank():
    rng = np.random.default_rng(1)
    table = rng.random((10, 2)) @ rng.random((2, 14))
    found = nmf_features(table, 2)
    product = found[:10] @ found[10:].T
    assert np.corrcoef(product.ravel(), table.ravel())[0, 1] > 0.99


def test_codes_of_context_tell_all_groups_apart():
    """Small groups too: codes at right angles, of the length that all have in the mean, would be sqrt(2) apart."""
    rng = np.random.default_rng(0)
    groups = np.arange(60)
    users = np.concatenate(
        [groups, rng.choice(groups, 240, p=1 / (1.0 + groups) / (1 / (1.0 + groups)).sum())]
    )
    services = np.concatenate([groups[:20] - 1, np.full(80, 3)])
    with deterministic(np.random.SeedSequence(5)):
        codes = autoencoded(torch, users, services, 50, Context()).double().numpy()
    for side, found in ((users, codes[:300]), (services, codes[300:])):
        np.testing.assert_allclose(found.mean(axis=0), 0.0, atol=1e-6)
        assert np.square(found).sum(axis=1).mean() == pytest.approx(1.0, rel=1e-5)
        of = np.stack([found[side == group][0] for group in np.unique(side)])
        apart = np.sqrt(np.square(of[:, None] - of).sum(axis=2))[~np.eye(len(of), dtype=bool)]
        assert apart.min() > 0.7


def test_one_group_for_all_tells_nothing():
    with deterministic(np.random.SeedSequence(5)):
        assert not autoencoded(torch, np.zeros(7, np.int64), np.full(5, -1), 4, Context()).any()


def test_factors_are_found_on_one_thread(monkeypatch):
    """Outside of a study's workers, too, where libraries take all cores."""
    from sklearn.decomposition import NMF
    from threadpoolctl import threadpool_info, threadpool_limits

    seen = []

    class Watched(NMF):
        def fit_transform(self, *args, **options):
            seen.extend(library["num_threads"] for library in threadpool_info())
            return super().fit_transform(*args, **options)

    monkeypatch.setattr("sklearn.decomposition.NMF", Watched)
    with threadpool_limits(2):
        outside = [library["num_threads"] for library in threadpool_info()]
        nmf_features(known().values[0], 3)
    assert max(outside) == 2
    assert set(seen) == {1}


def test_features_keep_the_time_limit(monkeypatch):
    """An hour has gone by: no table is factorised any more; nor does an autoencoder go on to its next epoch."""
    late = Context(time_limit_s=1.0, started=-3600.0)
    monkeypatch.setattr(features, "_EPOCHS", 1)
    with deterministic(np.random.SeedSequence(5)):
        with pytest.raises(TimeLimitExceeded):
            autoencoded(torch, np.arange(4), np.arange(5), 3, late)
        how = {"renormalised": False, "merged": False, "contexts": False, "device": "cpu"}
        with pytest.raises(TimeLimitExceeded):
            make_structure(torch, known(), 3, **how, context=late)


def test_gates_open_as_often_as_the_penalty_says():
    alpha = torch.full((200_000,), -0.5)
    share = float(
        (gate(alpha, torch.rand(alpha.shape, generator=torch.Generator().manual_seed(1))) > 0).float().mean()
    )
    assert share == pytest.approx(float(open_probability(alpha[0])), abs=0.006)  # 5 standard errors


def test_routing_is_the_sum_over_blocks():
    z, t = torch.rand(3), torch.randn(3, 4, 4)
    blocks = [torch.randn(5, 4) for _ in range(3)]
    expected = sum(z[k] * blocks[k] @ t[k] for k in range(3))
    assert torch.allclose(route(z, blocks, t), expected, atol=1e-5)
    beside = [torch.cat(blocks[:2], dim=1), blocks[2]]
    assert torch.allclose(route(z, beside, t), expected, atol=1e-5)


def test_moving_averages_weigh_by_the_inverse_loss():
    balancer = Balancer("ema", 2, beta=0.5)
    balancer.total(torch.tensor([1.0, 3.0]))
    assert balancer.weights == pytest.approx([1.5, 0.5])
    balancer.total(torch.tensor([3.0, 3.0]))  # averages 2 and 3
    assert balancer.weights == pytest.approx([1.2, 0.8])


def test_dynamic_averages_weigh_by_how_little_a_loss_fell():
    """Losses 1 and 2, then 2 and 2: ratios 2 and 1, halves of them 1 and 1/2, twice the softmax of these."""
    balancer = Balancer("dwa", 2)
    for losses in ([1.0, 2.0], [2.0, 2.0]):
        assert float(balancer.total(torch.tensor(losses))) == pytest.approx(sum(losses))
        assert balancer.weights == pytest.approx([1.0, 1.0])
    larger = 2 * np.e / (np.e + np.e**0.5)
    total = balancer.total(torch.tensor([5.0, 7.0]))
    assert balancer.weights == pytest.approx([larger, 2 - larger])
    assert float(total) == pytest.approx(5 * larger + 7 * (2 - larger))


def test_uncertainties_weigh_by_their_inverse_and_cost_themselves():
    """s of 0 and log 2 with losses 3 and 4: 3 + 0 + 4 / 2 + log 2, whose slopes in s are 1 - 3 and 1 - 4 / 2."""
    s = torch.tensor([0.0, np.log(2.0)], requires_grad=True)
    balancer = Balancer("huw", 2, log_variance=s)
    total = balancer.total(torch.tensor([3.0, 4.0]))
    total.backward()
    assert float(total.detach()) == pytest.approx(5 + np.log(2.0))
    assert balancer.weights == pytest.approx([1.0, 0.5])
    assert s.grad.tolist() == pytest.approx([-2.0, -1.0])


@pytest.mark.parametrize("kind", ["ema", "dwa", "huw", "equal"])
def test_a_task_without_cells_leaves_the_weights_to_the_others(kind):
    """Its loss is zero at every step; the two others have the weights that they had without it, and cost as much."""
    s = torch.tensor([0.0, 0.7, 0.0])
    three = Balancer(kind, 3, learned=np.array([True, False, True]), log_variance=s)
    two = Balancer(kind, 2, log_variance=torch.zeros(2))
    for losses in ([1.0, 3.0], [2.0, 3.0], [4.0, 1.0]):
        with_it = three.total(torch.tensor([losses[0], 0.0, losses[1]]))
        assert float(with_it) == pytest.approx(float(two.total(torch.tensor(losses))))
        assert three.weights[[0, 2]] == pytest.approx(two.weights)
        assert three.weights[1] == 0.0


@pytest.mark.parametrize("curvature", [1e-6, 0.3, 1.0, 100.0, 1e6])
def test_a_trainable_curvature_starts_where_it_is_said_to(curvature):
    a = Architecture(rank=2, hidden=2, width=2, curvature=curvature, trainable_curvature=True)
    with deterministic(np.random.SeedSequence(2)):
        start = initial_weights(torch, a, Structure((1, 1), (), ()))["curvature"]
    assert float(torch.nn.functional.softplus(start.detach())) == pytest.approx(curvature, rel=1e-5)


@pytest.mark.parametrize("encoder", ["hhgcn", "hygcn", "gcn"])
@pytest.mark.parametrize("merged", [False, True])
def test_every_weight_gets_a_gradient(encoder, merged):
    a = Architecture(encoder=encoder, rank=4, hidden=6, width=3, trainable_curvature=encoder != "gcn")
    with deterministic(np.random.SeedSequence(2)):
        how = {
            "renormalised": True,
            "merged": merged,
            "contexts": True,
            "device": "cpu",
            "context": Context(),
        }
        s = make_structure(torch, known(), 4, **how)
        weights = initial_weights(torch, a, s)
        out = forward(weights, a, s)
        (sum((q**2).sum() for q in out.predictions) + out.l0).backward()
    assert [tuple(q.shape) for q in out.predictions] == [(8, 12)] * 2
    assert all(
        w.grad is not None and w.grad.isfinite().all() and w.grad.abs().sum() > 0 for w in weights.values()
    )
