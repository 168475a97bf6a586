"""What boosted trees say of every cell of a table.

The library that grows the trees sends one cell after the other down each of them, and guesses wrong at half of the
branches. Here the cells of a block are parted at each node, all of them before the next node: the same sums to the
bit in a fifth to a tenth of the time, which for large tables was more than half of a training.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from qoslab.core.context import Context
from qoslab.domains.prediction.data import BoolArray, FloatArray
from qoslab.engine.kernel import compiled, kernel

__all__ = ["Forest", "answer", "everywhere", "forest_of"]

_CHUNK = 100_000
"""Cells between two looks at the clock."""

_BLOCK = 1024
"""Cells that are parted together; their features stay in the processor's cache."""

_PLAIN_LOSSES = frozenset({"squared_error", "absolute_error"})
"""Losses whose predictions are the sum of what the trees say."""

Float32Array = NDArray[np.float32]


class Forest(NamedTuple):
    """Trees one after the other, each from its root on, every node before its children.

    Attributes:
        start: What is predicted before the first tree.
        roots: First node of each tree and, last, the number of nodes, shape (trees + 1,).
        feature: Feature that a node asks, -1 for a leaf; shape (nodes,), as all that follow.
        threshold: Largest value that goes left.
        missing_left: Whether cells without the feature go left.
        left: Node of those who go left, counted from the root.
        right: Node of the others.
        value: What a leaf adds.
    """

    start: float
    roots: NDArray[np.int64]
    feature: NDArray[np.int64]
    threshold: Float32Array
    missing_left: BoolArray
    left: NDArray[np.int64]
    right: NDArray[np.int64]
    value: FloatArray


def everywhere(model: Any, asked: Float32Array, context: Context) -> FloatArray:
    """What a model says of every cell, bit for bit what its `predict` does.

    Args:
        model: A fitted `HistGradientBoostingRegressor`.
        asked: Features, shape (features, users, services), NaN where there is none.
        context: Its time limit is kept.

    Returns:
        Shape (users, services).
    """
    cells = asked.reshape(len(asked), -1)
    out = np.empty(cells.shape[1])
    forest, fast = forest_of(model), compiled(answer, wraparound=False)
    fits = asked.dtype == np.float32 and len(asked) == model.n_features_in_
    for start in range(0, len(out), _CHUNK):
        context.check_time()
        part = slice(start, start + _CHUNK)
        # Where nothing is compiled (NUMBA_DISABLE_JIT=1), the library is the faster one by far.
        if forest is None or fast is answer or not fits:
            out[part] = model.predict(np.ascontiguousarray(cells[:, part].T))
        else:
            out[part] = forest.start
            fast(forest, cells[:, part], out[part], _BLOCK)
    return out.reshape(asked.shape[1:])


def forest_of(model: Any) -> Forest | None:
    """The trees of a fitted `HistGradientBoostingRegressor` for `answer`; None where they are not such as it reads.

    scikit-learn keeps them to itself, so that another version may keep them otherwise. It reads trees whose sum is
    the prediction (squared or absolute error), of numbers alone, every node before its children.
    """
    try:
        trees = [tree.nodes for (tree,) in model._predictors]
        start = float(np.ravel(model._baseline_prediction)[0])
        return _joined(trees, start) if model.loss in _PLAIN_LOSSES else None
    except (AttributeError, IndexError, TypeError, ValueError):
        return None


def _joined(trees: list[NDArray[Any]], start: float) -> Forest | None:
    """Trees one after the other; a threshold of 64 bits becomes the largest of 32 bits that is not above it.

    Features have 32 bits, and are parted alike by both.
    """
    nodes = np.concatenate(trees)
    leaf = nodes["is_leaf"].astype(bool)
    left, right = nodes["left"].astype(np.int64), nodes["right"].astype(np.int64)
    here = np.concatenate([np.arange(len(tree)) for tree in trees])
    size = np.repeat([len(tree) for tree in trees], [len(tree) for tree in trees])
    later = (np.minimum(left, right) > here) & (np.maximum(left, right) < size)
    if nodes["is_categorical"].any() or not (leaf | later).all():
        return None
    exact = nodes["num_threshold"]
    with np.errstate(over="ignore"):  # beyond 32 bits lies infinity, on both sides
        near = exact.astype(np.float32)
        threshold = np.where(near > exact, np.nextafter(near, np.float32(-np.inf)), near)
    return Forest(
        start=start,
        roots=np.cumsum([0, *map(len, trees)]).astype(np.int64),
        feature=np.where(leaf, -1, nodes["feature_idx"]).astype(np.int64),
        threshold=threshold,
        missing_left=nodes["missing_go_to_left"].astype(bool),
        left=left,
        right=right,
        value=nodes["value"].astype(np.float64),
    )


@kernel
def answer(forest: Forest, cells: Float32Array, out: FloatArray, block: int) -> None:
    """Add to each cell what each tree says of it, tree by tree.

    Args:
        forest: The trees.
        cells: Features, shape (features, n).
        out: Shape (n,), changed in place.
        block: Cells that are parted together.
    """
    largest = 0
    for tree in range(len(forest.roots) - 1):
        largest = max(largest, forest.roots[tree + 1] - forest.roots[tree])
    # Of each node where its cells begin and end in `order`.
    begin, end = np.empty(largest, np.int64), np.empty(largest, np.int64)
    order, others = np.empty(block, np.int32), np.empty(block, np.int32)
    near = np.empty((cells.shape[0], block), np.float32)
    for start in range(0, len(out), block):
        count = min(block, len(out) - start)
        for feature in range(cells.shape[0]):
            for i in range(count):
                near[feature, i] = cells[feature, start + i]
        for tree in range(len(forest.roots) - 1):
            root = forest.roots[tree]
            for i in range(count):
                order[i] = i
            begin[0], end[0] = 0, count
            for node in range(root, forest.roots[tree + 1]):
                first, last = begin[node - root], end[node - root]
                feature = forest.feature[node]
                if feature < 0:
                    value = forest.value[node]
                    for j in range(first, last):
                        out[start + order[j]] += value
                    continue
                threshold, missing_left = forest.threshold[node], forest.missing_left[node]
                # Each cell is written to both sides, and only one of them moves on: nothing to guess.
                middle, rest = first, 0
                for j in range(first, last):
                    cell = order[j]
                    x = near[feature, cell]
                    goes_left = (x <= threshold) | ((x != x) & missing_left)
                    order[middle] = cell
                    others[rest] = cell
                    middle += int(goes_left)
                    rest += 1 - int(goes_left)
                for j in range(rest):
                    order[middle + j] = others[j]
                left, right = forest.left[node], forest.right[node]
                begin[left], end[left] = first, middle
                begin[right], end[right] = middle, last
