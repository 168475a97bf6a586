"""Sessions repeat themselves, the loop keeps its best weights, checkpoints execute nothing."""

import os
import pickle
import time
from itertools import pairwise

import numpy as np
import pytest

from qoslab.core.context import Context, TimeLimitExceeded
from qoslab.core.errors import BadInput
from qoslab.learning.checkpoint import dump_weights, load_weights
from qoslab.learning.session import deterministic
from qoslab.learning.training import DivergedTraining, Schedule, fit

torch = pytest.importorskip("torch", reason="needs the extra 'learn'")

SEED = np.random.SeedSequence(1)


def regression(schedule, context=None, rate=None):
    """Least squares on 200 points with known weights; the history and the fitted module."""
    with deterministic(SEED):
        x = torch.randn(200, 3)
        y = x @ torch.tensor([[1.0], [-2.0], [0.5]])
        model = torch.nn.Linear(3, 1)
        history = fit(
            model,
            lambda i: ((model(x[i]) - y[i]) ** 2).mean(),
            150,
            lambda: float(((model(x[150:]) - y[150:]) ** 2).mean()),
            schedule,
            context or Context(),
        )
        return history, model.weight.detach().numpy().copy(), model


def test_the_loop_finds_the_least_squares_solution():
    _, weights, _ = regression(Schedule(epochs=200, batch=32, learning_rate=0.05))
    assert weights == pytest.approx(np.array([[1.0, -2.0, 0.5]]), abs=1e-2)


def test_the_same_seed_gives_the_same_bits():
    first = regression(Schedule(epochs=5, batch=32, learning_rate=0.05))
    torch.manual_seed(99)
    second = regression(Schedule(epochs=5, batch=32, learning_rate=0.05))
    assert first[1].tobytes() == second[1].tobytes()
    assert first[0] == second[0]


def test_the_session_leaves_torch_as_it_found_it():
    torch.manual_seed(5)
    expected = torch.rand(3).tolist()
    threads = torch.get_num_threads()
    torch.manual_seed(5)
    with deterministic(SEED):
        torch.rand(7)
        assert torch.get_num_threads() == 1
    assert torch.rand(3).tolist() == expected
    assert torch.get_num_threads() == threads
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.parametrize(("before", "after"), [(None, ":4096:8"), (":16:8", ":16:8")])
def test_products_on_cuda_have_a_workspace_of_fixed_size(monkeypatch, before, after):
    """The variable is torch's own condition for strict products; one that the user set stays."""
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", before or "")
    if before is None:
        monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    with deterministic(SEED):
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == after


def test_the_best_epoch_is_kept_and_patience_ends_training():
    losses = iter([3.0, 1.0, 2.0, 2.0, 2.0, 2.0])
    with deterministic(SEED):
        model = torch.nn.Linear(1, 1)
        seen = []
        x = torch.ones(4, 1)

        def validation():
            seen.append(model.weight.item())
            return next(losses)

        history = fit(
            model, lambda i: model(x[i]).mean(), 4, validation, Schedule(99, 4, 0.1, patience=3), Context()
        )
    assert history.best == 1
    assert len(history.validation) == 5
    assert model.weight.item() == seen[1]


def test_divergence_names_the_epoch():
    with deterministic(SEED):
        model = torch.nn.Linear(1, 1)
        with pytest.raises(DivergedTraining, match="epoch 1"):
            fit(
                model,
                lambda i: model(torch.full((len(i), 1), float("nan"))).mean(),
                4,
                lambda: 0.0,
                Schedule(3, 4, 0.1),
                Context(),
            )


def test_the_time_limit_is_kept():
    late = Context(time_limit_s=0.0, started=time.monotonic() - 1)
    with pytest.raises(TimeLimitExceeded):
        regression(Schedule(epochs=5, batch=32, learning_rate=0.05), late)


def test_weights_come_back_with_their_description(tmp_path):
    tensors = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([1, 2])}
    path = tmp_path / "w.safetensors"
    path.write_bytes(dump_weights(tensors, {"layers": [3, 2]}))
    back, about = load_weights(path)
    assert about == {"layers": [3, 2]}
    assert all(np.array_equal(back[name], tensors[name]) for name in tensors)


class Bomb:
    def __reduce__(self):
        return exec, ("raise SystemExit('executed')",)


@pytest.mark.parametrize("content", [pickle.dumps(Bomb()), b"", b"\xff" * 100, b"\x08\0\0\0\0\0\0\0{}      "])
def test_anything_but_our_weights_is_refused_unexecuted(tmp_path, content):
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="these are no weights"):
        load_weights(path)


def test_the_step_size_rises_then_falls_to_nothing():
    schedule = Schedule(100, 8, 0.4, decay=True)
    sizes = [schedule.step_size(epoch) for epoch in range(101)]
    assert sizes[:10] == pytest.approx([0.04 * k for k in range(1, 11)])
    assert sizes[10] == pytest.approx(0.4)
    assert sizes[55] == pytest.approx(0.2)  # half-way down
    assert sizes[100] == pytest.approx(0.0)
    assert all(late < early for early, late in pairwise(sizes[10:]))
    assert Schedule(100, 8, 0.4).step_size(77) == 0.4


def test_the_loop_takes_steps_of_that_size():
    """Adam moves a weight with a steady gradient by one step size, so that the way is the sum of all sizes."""
    schedule = Schedule(20, 4, 0.1, patience=20, decay=True)
    with deterministic(SEED):
        model, x = torch.nn.Linear(1, 1, bias=False), torch.ones(4, 1)
        start = model.weight.item()
        losses = iter(range(20, 0, -1))
        fit(model, lambda i: model(x[i]).mean(), 4, lambda: next(losses), schedule, Context())
    way = sum(schedule.step_size(epoch) for epoch in range(20))
    assert start - model.weight.item() == pytest.approx(way, rel=1e-4)
