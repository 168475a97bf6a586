"""Trees answer every cell of a table as the library that grew them does, to the bit."""

from __future__ import annotations

import os
from types import SimpleNamespace

import numpy as np
import pytest

from qoslab.core.context import Context, TimeLimitExceeded
from qoslab.domains.prediction import forest
from qoslab.domains.prediction.forest import answer, everywhere, forest_of

ensemble = pytest.importorskip("sklearn.ensemble")

FEATURES = 6


def cells(rng: np.random.Generator, *shape: int, missing: float = 0.1) -> np.ndarray:
    x = rng.normal(size=shape).astype(np.float32)
    x[rng.random(shape) < missing] = np.nan
    return x


def fitted(rng: np.random.Generator, loss: str = "squared_error", *, missing: float = 0.1, count: int = 900):
    x = cells(rng, count, FEATURES, missing=missing)
    x[:, 1] = rng.integers(3, size=count)  # equal values at thresholds
    x[:, 2] *= 1e-38  # below the normal numbers of 32 bits
    y = np.nan_to_num(x[:, 0] * x[:, 3]) + x[:, 1] + rng.normal(size=count)
    return ensemble.HistGradientBoostingRegressor(
        loss=loss, max_iter=25, max_leaf_nodes=20, min_samples_leaf=5, early_stopping=False, random_state=0
    ).fit(x, y)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error"])
@pytest.mark.parametrize("missing", [0.0, 0.1, 0.6])
def test_every_cell_is_answered_to_the_bit(loss, missing):
    rng = np.random.default_rng(3)
    model = fitted(rng, loss, missing=missing)
    asked = cells(rng, FEATURES, 37, 61)
    asked[1] = rng.integers(3, size=asked[1].shape)
    asked[2] *= 1e-38
    asked[0, :2] = np.inf
    asked[0, 2:4] = -np.inf
    theirs = model.predict(asked.reshape(FEATURES, -1).T).reshape(37, 61)
    np.testing.assert_array_equal(everywhere(model, asked, Context()), theirs)


def test_parts_of_a_table_are_answered_by_their_own_features(monkeypatch):
    rng = np.random.default_rng(5)
    model = fitted(rng)
    asked = cells(rng, FEATURES, 40, 260)[:, ::2, 1:]  # not of one piece
    theirs = model.predict(asked.reshape(FEATURES, -1).T).reshape(20, 259)
    monkeypatch.setattr(forest, "_CHUNK", 2_000)
    np.testing.assert_array_equal(everywhere(model, asked, Context()), theirs)


@pytest.mark.skipif(
    "NUMBA_DISABLE_JIT" in os.environ, reason="nothing is compiled, so that the library is asked"
)
def test_the_trees_are_read_and_not_only_asked(monkeypatch):
    """Otherwise all of the above would hold of the library alone."""
    rng = np.random.default_rng(6)
    model, asked = fitted(rng), cells(rng, FEATURES, 3, 4)
    theirs = model.predict(asked.reshape(FEATURES, -1).T).reshape(3, 4)
    monkeypatch.setattr(model, "predict", None)
    np.testing.assert_array_equal(everywhere(model, asked, Context()), theirs)


def test_time_limits_end_it():
    rng = np.random.default_rng(7)
    with pytest.raises(TimeLimitExceeded):
        everywhere(fitted(rng), cells(rng, FEATURES, 3, 4), Context(time_limit_s=0.0))


def categorical(rng):
    x = cells(rng, 400, FEATURES)
    x[:, 1] = rng.integers(9, size=400)
    y = np.sin(x[:, 1] * 7) + rng.normal(size=400)
    return ensemble.HistGradientBoostingRegressor(
        categorical_features=[1], max_iter=5, early_stopping=False, random_state=0
    ).fit(x, y)


def counting(rng):
    x = cells(rng, 400, FEATURES)
    return ensemble.HistGradientBoostingRegressor(loss="poisson", max_iter=5, early_stopping=False).fit(
        x, rng.poisson(3, size=400)
    )


def disordered(rng):
    """As another version might keep its trees: leaves first."""
    model = fitted(rng)
    for (tree,) in model._predictors:
        count = len(tree.nodes)
        nodes = np.concatenate([tree.nodes[:1], tree.nodes[:0:-1]])
        for side in ("left", "right"):
            nodes[side] = np.where(nodes["is_leaf"], 0, count - nodes[side])
        tree.nodes[:] = nodes
    return model


@pytest.mark.parametrize("made", [categorical, counting, disordered])
def test_trees_of_another_kind_are_left_to_the_library(made):
    rng = np.random.default_rng(8)
    model = made(rng)
    assert forest_of(model) is None
    asked = cells(rng, FEATURES, 5, 7)
    asked[1] = rng.integers(9, size=asked[1].shape)
    theirs = model.predict(asked.reshape(FEATURES, -1).T).reshape(5, 7)
    np.testing.assert_array_equal(everywhere(model, asked, Context()), theirs)


def test_features_of_another_kind_are_left_to_the_library():
    rng = np.random.default_rng(9)
    model, asked = fitted(rng), rng.normal(size=(FEATURES, 6, 7))
    theirs = model.predict(asked.reshape(FEATURES, -1).T).reshape(6, 7)
    np.testing.assert_array_equal(everywhere(model, asked, Context()), theirs)
    with pytest.raises(ValueError, match="features"):
        everywhere(model, asked[1:].astype(np.float32), Context())


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 40])
def test_blocks_and_what_is_left_over_give_the_same(count):
    rng = np.random.default_rng(4)
    model = fitted(rng, count=200)
    asked = cells(rng, FEATURES, count)
    trees = forest_of(model)
    out = np.full(count, trees.start)
    answer(trees, asked, out, 8)  # plain Python
    theirs = model.predict(asked.T) if count else np.empty(0)
    np.testing.assert_array_equal(out, theirs)


def test_a_tree_that_could_not_split_is_its_leaf():
    x = np.zeros((30, 2), np.float32)
    y = np.arange(30.0)
    model = ensemble.HistGradientBoostingRegressor(max_iter=3, early_stopping=False).fit(x, y)
    np.testing.assert_array_equal(
        everywhere(model, np.zeros((2, 3, 4), np.float32), Context()),
        np.full((3, 4), model.predict(x[:1])[0]),
    )


def test_thresholds_beyond_32_bits_part_as_in_64():
    model = fitted(np.random.default_rng(0))
    nodes = np.zeros(3, model._predictors[0][0].nodes.dtype)
    nodes["is_leaf"] = [0, 1, 1]
    nodes["left"], nodes["right"] = [1, 0, 0], [2, 0, 0]
    nodes["value"] = [0.0, 1.0, 2.0]
    largest = np.finfo(np.float32).max
    x = np.array([-np.inf, -largest, -1.0, 0.0, 0.1, 1.0, largest, np.inf], np.float32)
    thresholds = [-np.inf, -1e300, -3.4028235e38, -largest, -0.1, -1e-320]
    thresholds += [1e-320, np.float64(np.float32(0.1)), 0.1, largest, 3.4028236e38, 1e300, np.inf]
    for threshold in thresholds:
        nodes["num_threshold"] = threshold
        model._predictors = [[SimpleNamespace(nodes=nodes)]]
        out = np.zeros(len(x))
        answer(forest_of(model), x[None], out, 4)
        np.testing.assert_array_equal(out, np.where(x.astype(np.float64) <= threshold, 1.0, 2.0))
