"""Learned baselines: their parts by hand, and what they must learn that means cannot."""

import sys

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.errors import MissingExtra
from qoslab.domains.prediction.data import Known
from qoslab.domains.prediction.methods.gradient_boosting import GradientBoosting, statistics
from qoslab.domains.prediction.methods.item_mean import ItemMean
from qoslab.domains.prediction.methods.ldcf import LDCF
from qoslab.domains.prediction.methods.lightgcn import LightGCN, layer_mean, symmetric_adjacency
from qoslab.domains.prediction.methods.mmoe import MMoE, mixture
from qoslab.domains.prediction.methods.shared_bottom import SharedBottom
from qoslab.domains.prediction.methods.surprise_knn import SurpriseKNN
from qoslab.domains.prediction.methods.surprise_svd import SurpriseSVD
from qoslab.domains.prediction.methods.user_mean import UserMean
from qoslab.domains.prediction.surprise_adapter import each_side, trainset
from qoslab.learning.training import DivergedTraining

SEED = np.random.SeedSequence(3)


def product_world(users=40, services=80, share=0.4, seed=0):
    """Two parameters that are products of one user and one service factor, the second the inverse of the first."""
    rng = np.random.default_rng(seed)
    first = np.exp(rng.standard_normal((users, 1)) * rng.standard_normal(services))
    truth = np.stack([first, 1 / first])
    return truth, np.where(rng.random(first.shape) < share, truth, np.nan)


def nmae(method, truth, known):
    found = method.predict(known, SEED, Context())
    values = getattr(found, "values", found)
    hidden = ~np.isfinite(known.values)
    return np.abs(values - truth)[hidden].mean() / truth[hidden].mean()


@pytest.mark.parametrize(
    "method",
    [
        SharedBottom(batch=128, learning_rate=0.02, epochs=20),
        MMoE(batch=128, learning_rate=0.02, epochs=20),
        LDCF(batch=128, learning_rate=0.02, factors=8, layers=2, epochs=20),
        LightGCN(width=8, layers=1, learning_rate=0.05),
    ],
    ids=lambda method: type(method).__name__,
)
def test_networks_learn_what_means_cannot(method):
    pytest.importorskip("torch", reason="needs the extra 'learn'")
    truth, values = product_world()
    known = Known(("a", "b"), values)
    assert nmae(method, truth, known) < 0.75 * min(nmae(m, truth, known) for m in (ItemMean(), UserMean()))


def test_a_mixture_by_hand():
    torch = pytest.importorskip("torch", reason="needs the extra 'learn'")
    experts = torch.tensor([[[1.0, 0.0], [0.0, 4.0]]])
    found = mixture(torch.log(torch.tensor([[3.0, 1.0]])), experts)
    assert found[0].tolist() == pytest.approx([0.75, 1.0])


def test_one_tower_per_parameter_shares_what_is_below():
    """A parameter with few cells gains from a related one with many, against being learned alone."""
    pytest.importorskip("torch", reason="needs the extra 'learn'")
    truth, values = product_world(share=0.5)
    rare = np.random.default_rng(1).random(values[1].shape) < 0.1
    values[1] = np.where(rare, values[1], np.nan)
    method = SharedBottom(batch=64, learning_rate=0.01)
    hidden = ~np.isfinite(values[1])
    both = method.predict(Known(("a", "b"), values), SEED, Context()).values[1]
    alone = method.predict(Known(("b",), values[1:]), SEED, Context()).values[0]
    with_help, without = (np.abs(x - truth[1])[hidden].mean() for x in (both, alone))
    assert with_help < 0.9 * without


def test_the_adjacency_and_its_layers_are_the_dense_ones():
    torch = pytest.importorskip("torch", reason="needs the extra 'learn'")
    users, services = np.array([0, 0, 1]), np.array([0, 2, 2])
    graph = symmetric_adjacency(users, services, (2, 3), torch.zeros(1, dtype=torch.float64))
    dense = np.zeros((5, 5))
    dense[users, services + 2] = dense[services + 2, users] = 1.0
    degree = np.maximum(dense.sum(axis=1), 1)
    dense /= np.sqrt(degree[:, None] * degree)
    x = np.random.default_rng(0).standard_normal((5, 3))
    found = layer_mean(torch.from_numpy(x), graph, 2).numpy()
    np.testing.assert_allclose(found, (x + dense @ x + dense @ dense @ x) / 3)


def test_places_tell_of_services_that_nobody_asked():
    """Values hang on the countries of both sides alone; services without data are predicted from theirs."""
    pytest.importorskip("torch", reason="needs the extra 'learn'")
    rng = np.random.default_rng(5)
    here, there = rng.integers(3, size=40), rng.integers(3, size=90)
    truth = np.exp(rng.standard_normal((3, 3)))[here][:, there][None]
    values = truth.copy()
    values[:, :, 60:] = np.nan
    method = LDCF(factors=4, layers=2, batch=128, learning_rate=0.02, epochs=20)
    placed = method.predict(Known(("q",), values, {"country": here}, {"country": there}), SEED, Context())
    blind = method.predict(Known(("q",), values), SEED, Context())
    errors = [np.abs(x.values - truth)[:, :, 60:].mean() for x in (placed, blind)]
    assert errors[0] < 0.3 * errors[1]


def test_statistics_by_hand():
    values = np.array([[[1.0, np.nan], [3.0, 8.0], [5.0, np.nan]]])
    places = {"country": np.array([4, 5, 6])}
    found = statistics(Known(("q",), values, places, {"country": np.array([7, -1])}))
    assert found[:6, 0, 0] == pytest.approx([3.0, 3.0, np.sqrt(8 / 3), 1.0, 5.0, 3.0])
    assert found[6:12, 1, 0] == pytest.approx([5.5, 5.5, 2.5, 3.0, 8.0, 2.0])
    assert found[12:, 2, 1].tolist() == [6.0, -1.0]


def test_boosting_statistics_do_not_hold_the_cells_own_fold():
    pytest.importorskip("sklearn", reason="needs the extra 'learn'")
    _, values = product_world(users=10, services=20)
    known = Known(("a", "b"), values)
    users, services, _ = known.cells(0)
    changed = known.copy()
    changed.values[:, users[4], services[4]] *= 100
    method = GradientBoosting()
    first, second = (
        method._out_of_fold(k, users, services, np.random.default_rng(0), Context()) for k in (known, changed)
    )
    folds = np.random.default_rng(0).permutation(len(users)) % method.folds
    same = folds == folds[4]
    np.testing.assert_array_equal(first[same], second[same])
    assert not np.array_equal(first[~same], second[~same], equal_nan=True)


def test_boosting_beats_both_means_on_a_step():
    pytest.importorskip("sklearn", reason="needs the extra 'learn'")
    rng = np.random.default_rng(6)
    up = rng.standard_normal((40, 1)) + rng.standard_normal(150) > 0
    truth = np.where(up, 10.0, 1.0)[None]
    known = Known(("q",), np.where(rng.random(truth.shape) < 0.3, truth, np.nan))
    best = min(nmae(m, truth, known) for m in (ItemMean(), UserMean()))
    assert nmae(GradientBoosting(trees=60), truth, known) < 0.5 * best


def test_svd_is_what_surprise_says():
    surprise = pytest.importorskip("surprise", reason="needs the extra 'bench'")
    _, values = product_world()
    table = values[0] / np.nanmean(values[0])
    found = SurpriseSVD(factors=4, epochs=5).predict(Known(("a",), values[:1]), SEED, Context())[0]
    child = np.random.SeedSequence(SEED.entropy, spawn_key=SEED.spawn_key).spawn(1)[0]
    model = surprise.SVD(
        n_factors=4,
        n_epochs=5,
        lr_all=0.001,
        reg_all=0.1,
        random_state=int(child.generate_state(1)[0]) % 2**31,
    ).fit(trainset(table, "test"))
    expected = [model.predict(u, s).est * np.nanmean(values[0]) for u in range(40) for s in range(0, 80, 7)]
    assert found[:, ::7].reshape(-1) == pytest.approx(expected)


def test_a_diverging_svd_says_so():
    pytest.importorskip("surprise", reason="needs the extra 'bench'")
    values = np.exp(4 * np.random.default_rng(0).standard_normal((1, 10, 20)))
    with pytest.raises(DivergedTraining, match="lower its rate"), np.errstate(all="ignore"):
        SurpriseSVD(rate=1.0, epochs=30).predict(Known(("q",), values), SEED, Context())


def test_knn_is_what_surprise_says():
    surprise = pytest.importorskip("surprise", reason="needs the extra 'bench'")
    _, values = product_world()
    table = values[0] / np.nanmean(values[0])
    options = {"name": "pearson_baseline", "user_based": True, "shrinkage": 100.0}
    model = surprise.KNNBaseline(k=5, sim_options=options, bsl_options={"method": "als"}, verbose=False).fit(
        trainset(table, "test")
    )
    expected = [model.predict(u, s).est * np.nanmean(values[0]) for u in range(40) for s in range(0, 80, 7)]
    found = SurpriseKNN(neighbours=5).predict(Known(("a",), values[:1]), SEED, Context())[0]
    assert found[:, ::7].reshape(-1) == pytest.approx(expected)


def test_surprises_numbers_are_found_again():
    pytest.importorskip("surprise", reason="needs the extra 'bench'")
    table = np.array([[np.nan, np.nan, np.nan], [np.nan, 2.0, np.nan], [3.0, np.nan, np.nan]])
    users, services = each_side(trainset(table, "test"), table.shape)
    assert users.tolist() == [-1, 0, 1]
    assert services.tolist() == [1, 0, -1]


def test_without_surprise_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "surprise", None)
    with pytest.raises(MissingExtra, match=r"prediction/surprise_svd needs .* pip install 'qoslab\[bench\]'"):
        SurpriseSVD().predict(Known(("q",), np.ones((1, 2, 2))), SEED, Context())
