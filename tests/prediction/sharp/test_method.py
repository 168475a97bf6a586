"""SHARP-QoS as a method: it learns, its switches change it, its log adds up, nothing known leaks."""

import time
from dataclasses import replace

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

pytest.importorskip("torch")

from qoslab.core.context import Context
from qoslab.domains.prediction.data import Known
from qoslab.domains.prediction.methods.sharp_qos import SharpQos
from qoslab.domains.prediction.sharp import structure
from qoslab.domains.prediction.sharp.balance import Balancer
from qoslab.domains.prediction.sharp.network import forward, initial_weights
from qoslab.domains.prediction.sharp.train import STEPS_PER_CHECK, Trained, _held_out, _noise, train
from qoslab.learning.session import deterministic

SMALL = {"hidden": 16, "width": 16, "rank": 8, "context_blocks": 2, "task_blocks": 2}


def _world(users: int = 30, services: int = 40, parameters: int = 2, seed: int = 0) -> Known:
    rng = np.random.default_rng(seed)
    left, right = rng.random((users, 3)), rng.random((services, 3))
    truth = np.stack([left @ right.T * (p + 1) for p in range(parameters)])
    known = np.where(rng.random((users, services)) < 0.3, truth, np.nan)
    codes = {"country": rng.integers(0, 4, users)}, {"country": rng.integers(0, 4, services)}
    return Known(tuple(f"q{p}" for p in range(parameters)), known, *codes)


def _fit(known: Known, **changes: object):
    method = SharpQos(**(SMALL | {"steps": 10} | changes))
    return method.predict(known, np.random.SeedSequence(3), Context(keep_series=True))


def test_training_brings_the_loss_of_every_parameter_down():
    series = _fit(_world(), steps=60, patience=60, learning_rate=1e-2).series["training"]
    for name in ("loss[q0]", "loss[q1]"):
        assert series[name][-3:].mean() < 0.8 * series[name][0]


@pytest.mark.parametrize(
    "changes",
    [
        {"encoder": "hygcn"},
        {"encoder": "gcn"},
        {"snr": False},
        {"cross_snr": False},
        {"snr": False, "cross_snr": False},
        {"contexts": "none"},
        {"balance": "huw"},
        {"curvature": 0.3},
        {"self_loops": "renormalised"},
        {"scaling": "none"},
        {"l0": 1.0},
        {"dropout": 0.5},
        {"held_out": 0.1},
    ],
    ids=str,
)
def test_every_switch_changes_the_predictions(changes):
    known = _world()
    base, other = _fit(known), _fit(known, **changes)
    assert np.isfinite(other.values).all()
    assert other.values.shape == known.values.shape
    assert not np.array_equal(base.values, other.values)


def test_curvatures_that_overflow_are_refused():
    """A ball's is at most a million; there, too, predictions are numbers."""
    assert np.isfinite(_fit(_world(), curvature=1e6).values).all()
    with pytest.raises(ValidationError, match="curvature"):
        TypeAdapter(SharpQos).validate_python({"curvature": 1e20})


def test_two_names_of_one_ablation_are_one():
    """Without context there is nothing for SNR to route; with one kind of it there is nothing to merge."""
    known = _world()
    tables = [_fit(known, **changes).values for changes in ({"contexts": "none"}, {"snr": False})]
    np.testing.assert_array_equal(*tables)
    np.testing.assert_array_equal(_fit(known).values, _fit(known, contexts="merged").values)


def test_constant_weights_of_losses_act_where_tasks_share(monkeypatch):
    """1.9 and .1 in place of 1 and 1: Adam's steps do not depend on a factor of all gradients that a weight gets."""
    known, moved = _world(seed=1), []
    for routed in (True, False):
        how = {"snr": routed, "cross_snr": routed, "steps": 50, "dropout": 0.0, "balance": "equal"}
        base = _fit(known, **how).values
        with monkeypatch.context() as patch:
            patch.setattr(Balancer, "_dwa", lambda *_: np.array([1.9, 0.1]))
            moved.append(np.abs(_fit(known, **how).values - base).mean() / base.mean())
    assert moved[0] > 0.02
    assert moved[1] < 0.01


def test_balance_matters_once_losses_differ():
    known = _world()
    tables = [_fit(known, balance=kind, steps=15).values for kind in ("ema", "dwa", "equal")]
    assert not np.array_equal(tables[0], tables[2])
    assert not np.array_equal(tables[1], tables[2])


def test_a_falling_step_size_is_another_training():
    known = _world()
    falling, constant = (_fit(known, decay=decay, steps=20).values for decay in (True, False))
    assert not np.array_equal(falling, constant)


def _trained(known: Known, **changes: object):
    import torch

    method = SharpQos(**(SMALL | {"steps": 10} | changes))
    with deterministic(np.random.SeedSequence(3)):
        return train(torch, known, method._architecture(), method._recipe(), Context())


def test_a_trainable_curvature_is_learned():
    """Adam moves it by about a step size of .01 at each of ten steps."""
    start = np.log(np.expm1(1.0))
    learned = float(_trained(_world(), trainable_curvature=True, decay=False).weights["curvature"].detach())
    assert 1e-3 < abs(learned - start) < 0.2


def test_dropout_keeps_the_mean_and_is_not_drawn_at_test():
    """Of 40,000 numbers 30 % become zero and the others grow by 1 / 0.7; five standard errors are 0.016."""
    import torch

    drop = _noise(torch, {}, 0, 0.3).drop
    with deterministic(np.random.SeedSequence(4)):
        dropped = drop(torch.ones(200, 200))
    assert set(np.round(dropped.unique().tolist(), 4)) == {0.0, 1.4286}
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.016)
    trained = _trained(_world(), dropout=0.3)
    before = torch.get_rng_state()
    first, second = trained.tables(), trained.tables()
    np.testing.assert_array_equal(first, second)
    assert torch.equal(torch.get_rng_state(), before)


def test_without_held_out_cells_the_errors_of_known_cells_are_smaller():
    """All of them are learned from, and the weights that fit them best are kept: in the mean of three worlds."""
    errors = np.zeros(2)
    for known in (_world(seed=seed) for seed in range(3)):
        cells = np.isfinite(known.values)
        for place, share in enumerate((0.0, 0.3)):
            found = _fit(known, held_out=share, steps=150, patience=150).values
            errors[place] += np.abs(found - known.values)[cells].mean()
    assert errors[0] < errors[1]


def test_merged_context_differs_from_separate_graphs():
    known = _world()
    rng = np.random.default_rng(1)
    users = {**known.user_context, "as": rng.integers(0, 9, known.users)}
    services = {**known.service_context, "as": rng.integers(0, 9, known.services)}
    both = Known(known.parameters, known.values, users, services)
    assert not np.array_equal(_fit(both).values, _fit(both, contexts="merged").values)


def test_places_of_users_alone_tell_who_a_new_user_is():
    """Four countries, of which each has its own level: the new users' are known by their places and by nothing else."""
    rng = np.random.default_rng(5)
    country = np.arange(48) % 4
    truth = (1.0 + 2 * country)[:, None] * (0.9 + 0.2 * rng.random((48, 30)))
    values = np.where((rng.random(truth.shape) < 0.5) & (np.arange(48) < 40)[:, None], truth, np.nan)[None]
    known = Known(("q0",), values, {"country": country}, {})
    how = {"steps": 100, "patience": 100}
    told, untold = (_fit(known, contexts=kind, **how).values[0, 40:] for kind in ("separate", "none"))
    assert np.abs(told - truth[40:]).mean() < 0.7 * np.abs(untold - truth[40:]).mean()


@pytest.mark.parametrize(("steps", "run"), [(1, 5), (7, 5), (10, 10)])
def test_steps_are_counted_in_fives(steps, run):
    """What is left over is not run, and five are the fewest."""
    assert _fit(_world(), steps=steps).series["training"]["step"][-1] == run


def test_the_log_has_a_row_per_check_and_weights_that_sum_to_the_tasks():
    series = _fit(_world(), steps=4 * STEPS_PER_CHECK).series["training"]
    assert list(series["step"]) == [STEPS_PER_CHECK * (k + 1) for k in range(4)]
    np.testing.assert_allclose(series["weight[q0]"] + series["weight[q1]"], 2.0)
    for name in ("open[q0]", "entropy[q1]"):
        assert ((series[name] >= 0) & (series[name] <= 1 + 1e-9)).all()


@pytest.mark.parametrize(("scaling", "factor"), [("mean", 1.0), ("none", 1000.0)])
def test_the_log_has_the_errors_in_held_out_cells_of_the_weights_that_are_kept(scaling, factor):
    """In the units of the losses, the least in units of the means: in cells that no step saw, of what is predicted."""
    import torch

    known = _world()
    known.values[1] *= factor
    result = _fit(known, steps=60, patience=60, held_out=0.2, scaling=scaling)
    with deterministic(np.random.SeedSequence(3), "prediction/sharp_qos"):
        held = _held_out(torch, known, 0.2)
    course = np.array([result.series["training"][f"held_out[q{p}]"] for p in range(2)])
    means = np.array([table[np.isfinite(table)].mean() for table in np.where(held, np.nan, known.values)])
    units = means if scaling == "mean" else np.ones(2)
    best = (course * (units / means)[:, None]).sum(axis=0).argmin()
    for p, table in enumerate(known.values):
        cells = held[p] & np.isfinite(table)
        error = np.abs(result.values[p] - table)[cells].mean()
        assert course[p][best] * units[p] == pytest.approx(error, rel=1e-4)


@pytest.mark.parametrize("scaling", ["mean", "none"])
def test_no_feature_and_no_graph_knows_a_held_out_cell(scaling):
    """Other values there change neither, nor the scales; nor would it if these cells had never been measured."""
    import torch

    known = _world()
    with deterministic(np.random.SeedSequence(3)):
        held = _held_out(torch, known, 0.3) & np.isfinite(known.values)
    other = replace(known, values=np.where(held, 50 - known.values, known.values))
    without = replace(known, values=np.where(held, np.nan, known.values))
    how = {"scaling": scaling, "patience": 10}
    base, changed = (_trained(one, held_out=0.3, **how) for one in (known, other))
    expected = _trained(without, contexts="none", **how)
    assert held.any()
    assert base.scales == changed.scales == expected.scales
    for found in (base, changed):
        _assert_equal(found.structure.tasks, expected.structure.tasks)
    _assert_equal(changed.structure.contexts, base.structure.contexts)
    np.testing.assert_array_equal(changed.series["loss[q1]"], base.series["loss[q1]"])
    assert not np.array_equal(changed.series["held_out[q1]"], base.series["held_out[q1]"])


def _assert_equal(graphs, others):
    """Features are, and operators as dense matrices."""
    import torch

    for one, other in zip(graphs, others, strict=True):
        assert torch.equal(one.features, other.features)
        for name in vars(one).keys() - {"features"}:
            nodes = {"users": 30, "services": 40}.get(name, 70)
            found, expected = (getattr(graph, name)(torch.eye(nodes)) for graph in (one, other))
            assert torch.equal(found, expected), name


def test_held_out_cells_leave_some_to_learn_from():
    """Never all, though the share of few cells rounds up to them; without routing nothing else would have a slope."""
    known = _world(users=4, services=5)
    result = _fit(known, held_out=0.9999, snr=False, cross_snr=False)
    assert np.isfinite(result.values).all()
    assert (result.series["training"]["loss[q0]"] > 0).all()
    assert (result.series["training"]["held_out[q0]"] > 0).all()


@pytest.mark.parametrize("balance", ["ema", "huw", "dwa", "equal"])
def test_no_cell_is_held_out_where_a_parameter_would_lose_its_last(balance):
    """Of three cells half are held out at a time: in some of eight draws all. Then none is, and the log says so."""
    known = _world(users=8, services=10)
    few = known.copy()
    few.values[1] = np.nan
    for user, service in np.argwhere(np.isfinite(known.values[1]))[:3]:
        few.values[1, user, service] = known.values[1, user, service]
    method = SharpQos(**SMALL, steps=5, held_out=0.5, contexts="none", balance=balance)
    kinds = set()
    for seed in range(8):
        series = method.predict(few, np.random.SeedSequence(seed), Context()).series["training"]
        kinds |= {
            name for name in series if name.endswith("[q1]") and name.startswith(("held_out", "fitted"))
        }
        assert (series["loss[q1]"] > 0).all()
        assert (series["weight[q1]"] > 0.1).all()
    assert kinds == {"held_out[q1]", "fitted[q1]"}


@pytest.mark.parametrize("balance", ["ema", "huw", "dwa", "equal"])
def test_a_parameter_without_cells_takes_nothing_from_the_others(balance):
    """Its predictions are numbers, its loss weighs nothing, and held-out cells are held out all the same."""
    known = _world()
    known.values[1] = np.nan
    result = _fit(known, balance=balance, held_out=0.2)
    series = result.series["training"]
    assert np.isfinite(result.values).all()
    assert (series["weight[q1]"] == 0.0).all()
    assert (series["weight[q0]"] > 0.5).all()
    assert "held_out[q0]" in series


def test_without_held_out_cells_the_log_says_how_closely_the_known_ones_are_fitted():
    """Errors of what is predicted in the cells that were learned from; none are called held out."""
    known = _world()
    result = _fit(known, steps=20, held_out=0.0)
    series = result.series["training"]
    assert not [name for name in series if name.startswith("held_out")]
    course = [series[f"fitted[q{p}]"] for p in range(2)]
    best = np.argmin(np.sum(course, axis=0))
    for p, table in enumerate(known.values):
        cells = np.isfinite(table)
        error = np.abs(result.values[p] - table)[cells].mean() / np.abs(table[cells]).mean()
        assert course[p][best] == pytest.approx(error, rel=1e-4)


def test_a_strong_l0_shuts_gates():
    """100 steps of 0.05 lead from 2 beyond -2.4, where a gate shuts."""
    how = {"steps": 100, "learning_rate": 0.05, "decay": False, "patience": 100}
    strong = _fit(_world(), l0=10.0, **how).series["training"]
    assert strong["open[q0]"][-1] < strong["open[q0]"][0]


def test_a_gates_speed_decides_how_many_steps_it_takes_to_shut():
    """Adam moves a location by its step size: 80 steps of 0.003 from 2 do not reach -2.4, whatever the penalty."""
    known = _world(users=12, services=15)
    few = {"encoder": "gcn", "steps": 80, "learning_rate": 3e-3, "decay": False, "patience": 80, "l0": 100.0}
    for speed, still_open in ((1.0, 1.0), (30.0, 0.0)):
        training = _fit(known, gate_speed=speed, **few).series["training"]
        assert training["open[q0]"][-1] == still_open


def test_cold_users_and_services_are_predicted():
    known = _world()
    known.values[:, 0, :] = np.nan
    known.values[:, :, 0] = np.nan
    assert np.isfinite(_fit(known).values).all()


def test_one_parameter_alone():
    assert _fit(_world(parameters=1)).values.shape == (1, 30, 40)


def test_predictions_are_not_below_zero_where_nothing_known_is():
    """The network's own product is, in some cells of a world where half of the values are zero."""
    known = _world()
    middle = np.nanmedian(known.values, axis=(1, 2), keepdims=True)
    trained = _trained(replace(known, values=np.maximum(known.values - middle, 0.0)), steps=40)
    unbounded = replace(trained, floor=[-np.inf, -np.inf]).tables()
    assert unbounded.min() < 0.0
    np.testing.assert_array_equal(trained.tables(), np.maximum(unbounded, 0.0))


def test_cuda_is_used_where_it_is():
    import torch

    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    known = _world()
    on_cpu, on_gpu = (_fit(known, device=name).values for name in ("cpu", "cuda"))
    np.testing.assert_allclose(on_gpu, on_cpu, rtol=0.05, atol=0.05)


def test_a_trained_network_reads_out_the_same_tables_again_and_again():
    """Each cell is the product of one pass, in raw units, not below the floor; nothing is drawn and nothing learned."""
    known = _world()
    method = SharpQos(**SMALL, steps=10)
    with deterministic(np.random.SeedSequence(3)) as torch:
        trained = train(torch, known, method._architecture(), method._recipe(), Context())
        once, twice = trained.tables(), trained.tables()
        routed = forward(trained.weights, trained.architecture, trained.structure)
    tables = [table.detach().double().numpy() for table in routed.predictions]
    raw = np.stack([table * scale for table, scale in zip(tables, trained.scales, strict=True)])
    np.testing.assert_array_equal(once, np.maximum(raw, 0.0))
    np.testing.assert_array_equal(once, twice)
    np.testing.assert_array_equal(once, _fit(known).values)


def test_every_cell_of_339_by_5825_by_2_is_predicted_within_a_cpu_second(monkeypatch):
    """The default network on one thread; weights and features are drawn, for a pass costs the same with any."""
    rng = np.random.default_rng(0)
    mask = rng.random((339, 5825)) < 0.05
    known = Known(("rt", "tp"), np.where(mask, 1.0, np.nan) * np.ones((2, 1, 1)))
    monkeypatch.setattr(structure, "nmf_features", lambda t, rank: rng.standard_normal((sum(t.shape), rank)))
    shape = SharpQos()._architecture()
    with deterministic(np.random.SeedSequence(0)) as torch:
        options = {"renormalised": False, "merged": False, "contexts": False, "device": torch.device("cpu")}
        graphs = structure.make_structure(torch, known, shape.rank, **options, context=Context())
        trained = Trained(initial_weights(torch, shape, graphs), shape, graphs, [1.0, 1.0], [0.0, 0.0], {})
        spent = []
        for _ in range(3):
            begun = time.process_time()
            assert trained.tables().shape == (2, 339, 5825)
            spent.append(time.process_time() - begun)
    assert min(spent) < 1.0
