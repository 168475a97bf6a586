"""A kept model as an ONNX graph for small machines: factors of its table, in float32 or in eight bits."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qoslab.core.errors import BadInput, MissingExtra, Problem
from qoslab.core.files import write_whole
from qoslab.domains.prediction.data import FloatArray
from qoslab.domains.prediction.deploy.kept import KeptModel
from qoslab.domains.prediction.deploy.live import Live
from qoslab.domains.prediction.intervals import LEAST_SPREAD, Intervals

__all__ = ["Factored", "export_model", "factored", "graph", "latency_us", "open_graph", "predict"]

_WHAT = "exporting predictions"
_ROUNDING = 1e-5
"""Share of a value by which ends of intervals are rounded outwards: sums in float32 err by about as much."""

_OPSET = 17
_IR = 8
"""Versions that ONNX Runtime of 2022 and later reads."""


@dataclass(frozen=True)
class Factored:
    """Truncated singular value decomposition of the logarithms of a completed table, with what intervals need.

    Attributes:
        left: Shape (users, P, rank).
        right: Shape (services, rank).
        mean: Mean logarithm of each user and parameter, shape (users, P).
        strange_user: How much more variance the intervals of a user without measurements have, as a share of a known
            one's, that of the mean width over services, shape (users, P); zero for users with measurements.
        strange_service: The same for services, over users, shape (services, P).
        intervals: Spread, ends and scores of the model.
        level: Probability that intervals promise.
    """

    left: FloatArray
    right: FloatArray
    mean: FloatArray
    strange_user: FloatArray
    strange_service: FloatArray
    intervals: Intervals
    level: float

    def values(self) -> FloatArray:
        """The table that the factors give, shape (P, users, services)."""
        logs = (self.left @ self.right.T + self.mean[:, :, None]).transpose(1, 0, 2)
        flat = self.intervals.raw(logs.reshape(len(logs), -1))
        return flat.reshape(logs.shape)


def factored(model: KeptModel, rank: int) -> Factored:
    """Factors of a model's table.

    Args:
        model: The model.
        rank: Factors kept; the rank of the table itself loses nothing.

    Raises:
        BadInput: The rank is below one.
    """
    if rank < 1:
        raise BadInput(Problem(message="must be at least 1", field="rank"))
    arrays = model.arrays
    live = Live(model)
    intervals = live.intervals
    logs, strange = _with_strangers(live, intervals.logs(arrays["values"]))
    tasks, users, services = logs.shape
    mean = logs.mean(axis=2)
    table = (logs - mean[:, :, None]).reshape(tasks * users, services)
    u, s, v = np.linalg.svd(table, full_matrices=False)
    root = np.sqrt(s[:rank])
    left = (u[:, :rank] * root).reshape(tasks, users, -1).transpose(1, 0, 2)
    return Factored(left, (v[:rank].T * root), mean.T, *strange, intervals, model.about.level)


def _with_strangers(live: Live, logs: FloatArray) -> tuple[FloatArray, tuple[FloatArray, FloatArray]]:
    """The table with the model's answers about users and services that nobody measured, and their added variance."""
    known = live.known
    logs, names = logs.copy(), (list(live.users), list(live.services))
    added = [np.zeros((len(side), len(logs))) for side in names]
    for user in np.flatnonzero(~known[0]):
        logs[:, user], more = live.expected(names[0][user], names[1])
        added[0][user] = _usual(more[:, known[1]]) if known[1].any() else 0.0
    new = np.flatnonzero(~known[1])
    users = np.flatnonzero(known[0])
    if len(new) and len(users):
        found = [live.expected(names[0][user], [names[1][place] for place in new]) for user in users]
        logs[:, users[:, None], new] = np.stack([one for one, _ in found], axis=1)
        added[1][new] = _usual(np.stack([more for _, more in found], axis=-1)).T
    return logs, (added[0], added[1])


def _usual(added: FloatArray) -> FloatArray:
    """The added variance that gives the mean of several widths, over the last axis."""
    return np.asarray(np.sqrt(1 + added).mean(axis=-1) ** 2 - 1)


def graph(model: Factored, *, int8: bool) -> bytes:
    """An ONNX graph: `user` and `service` (int64, shape (n,)) to `value`, `lower`, `upper` (float32, shape (n, P)).

    Args:
        model: The factors.
        int8: Factors are stored in eight bits with one scale per user and parameter, or service.

    Raises:
        MissingExtra: onnx is not installed.
    """
    onnx = _onnx()
    book = _Book(onnx)
    user, service = book.number("user", len(model.left)), book.number("service", len(model.right))
    left = book.rows("left", model.left, user, int8=int8)
    right = book.rows("right", model.right[:, None], service, int8=int8)
    product = book.node("ReduceSum", book.node("Mul", left, right), book.whole("last", [2]), keepdims=0)
    logs = book.node("Add", product, book.rows("mean", model.mean, user, int8=False))
    intervals, spread = model.intervals, model.intervals.spread
    above = book.node(
        "Cast",
        book.node(
            "Greater",
            book.node("Unsqueeze", logs, book.whole("last", [2])),
            book.table("edges", spread.edges[None]),
        ),
        to=onnx.TensorProto.FLOAT,
    )
    rises = book.node("Mul", above, book.table("rises", np.diff(spread.steps, axis=1)[None]))
    step = book.node(
        "Add",
        book.node("ReduceSum", rises, book.whole("last", [2]), keepdims=0),
        book.table("first", spread.steps[:, 0]),
    )
    sides = (("user", user, spread.user), ("service", service, spread.service))
    for side, by, factors in sides:
        step = book.node("Mul", step, book.rows(f"spread_{side}", factors.T, by, int8=False))
    step = book.node("Max", step, book.table("least", np.full(1, LEAST_SPREAD)))
    step = book.node("Min", step, book.table("most", spread.most))
    if model.strange_user.any() or model.strange_service.any():
        added = book.node(
            "Add",
            book.rows("strange_user", model.strange_user, user, int8=False),
            book.rows("strange_service", model.strange_service, service, int8=False),
        )
        wider = book.node("Sqrt", book.node("Add", added, book.table("one", np.ones(1))))
        step = book.node("Mul", step, wider)
    scores = intervals.quantiles(model.level)
    outputs = {"value": logs}
    for name, score, outwards in zip(("lower", "upper"), scores, (-_ROUNDING, _ROUNDING), strict=True):
        missed = book.node("Mul", step, book.table(f"{name}_score", score))
        missed = book.node("Add", missed, book.table(f"{name}_rounding", np.full(1, outwards)))
        outputs[name] = book.node("Add", logs, missed)
    ends = {name: book.raw(at, intervals, name) for name, at in outputs.items()}
    book.node("Min", ends["lower"], ends["value"], out="lower")
    book.node("Max", ends["upper"], ends["value"], out="upper")
    book.node("Identity", ends["value"], out="value")
    return book.whole_model(len(spread.most))


class _Book:
    """Nodes and tables of a graph that is being written."""

    def __init__(self, onnx: Any) -> None:
        self._onnx = onnx
        self._nodes: list[Any] = []
        self._tables: dict[str, Any] = {}

    def node(self, kind: str, *inputs: str, out: str = "", **attributes: Any) -> str:
        name = out or f"{kind.lower()}_{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def table(self, name: str, values: NDArray[Any]) -> str:
        """A constant; float64 becomes float32."""
        small = values.astype(np.float32) if values.dtype.kind == "f" else values
        self._tables[name] = self._onnx.numpy_helper.from_array(np.ascontiguousarray(small), name)
        return name

    def whole(self, name: str, values: list[int]) -> str:
        return self.table(name, np.array(values, np.int64))

    def number(self, side: str, count: int) -> str:
        """An input's numbers, negative ones beyond the tables' ends: ONNX would count them from the end."""
        negative = self.node("Less", side, self.whole(f"{side}_first", [0]))
        return self.node("Where", negative, self.whole(f"{side}_count", [count]), side)

    def rows(self, name: str, values: FloatArray, by: str, *, int8: bool) -> str:
        """The rows of a table that the numbers `by` name, as float32."""
        if not int8:
            return self.node("Gather", self.table(name, values), by)
        scale = np.maximum(np.abs(values).max(axis=-1, keepdims=True), 1e-12) / 127
        bits = np.clip(np.round(values / scale), -127, 127).astype(np.int8)
        chosen = self.node("Gather", self.table(name, bits), by)
        real = self.node("Cast", chosen, to=self._onnx.TensorProto.FLOAT)
        return self.node("Mul", real, self.node("Gather", self.table(f"{name}_scale", scale), by))

    def raw(self, logs: str, intervals: Intervals, output: str) -> str:
        """Logarithms to values within what was seen, whose ends are met exactly, in intervals not from inside."""
        ends = [end.astype(np.float32) for end in (intervals.lowest, intervals.highest)]
        for end, real, away in zip(
            ends, (intervals.lowest, intervals.highest), (-np.inf, np.inf), strict=True
        ):
            inside = (end - real) * np.sign(away) < 0
            if output != "value":
                end[inside] = np.nextafter(end[inside], np.float32(away))
        lowest, highest = (
            self.table(f"{output}_{name}", end) for name, end in zip(("lowest", "highest"), ends, strict=True)
        )
        low, high = (
            self.table(name, intervals.logs(end))
            for name, end in (("low", intervals.lowest), ("high", intervals.highest))
        )
        bounded = self.node("Exp", self.node("Min", self.node("Max", logs, low), high))
        raised = self.node("Sub", bounded, self.table("offset", intervals.offset))
        values = self.node("Min", self.node("Max", raised, lowest), highest)
        below = self.node("Where", self.node("Greater", logs, low), values, lowest)
        return self.node("Where", self.node("GreaterOrEqual", logs, high), highest, below)

    def whole_model(self, tasks: int) -> bytes:
        helper, kinds = self._onnx.helper, self._onnx.TensorProto
        inputs = [helper.make_tensor_value_info(name, kinds.INT64, ["n"]) for name in ("user", "service")]
        outputs = [
            helper.make_tensor_value_info(name, kinds.FLOAT, ["n", tasks])
            for name in ("value", "lower", "upper")
        ]
        drawn = helper.make_graph(self._nodes, "qos_prediction", inputs, outputs, list(self._tables.values()))
        opset = [helper.make_opsetid("", _OPSET)]
        model = helper.make_model(drawn, opset_imports=opset, ir_version=_IR, producer_name="qoslab")
        self._onnx.checker.check_model(model)
        return bytes(model.SerializeToString())


def open_graph(data: bytes) -> Any:
    """A session of ONNX Runtime on one core.

    Raises:
        MissingExtra: ONNX Runtime is not installed.
    """
    try:
        import onnxruntime  # type: ignore[import-untyped]
    except ImportError:
        raise MissingExtra(_WHAT, "edge") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def predict(session: Any, users: NDArray[np.int64], services: NDArray[np.int64]) -> list[FloatArray]:
    """Values, lower and upper ends of cells, each of shape (P, n)."""
    found = session.run(["value", "lower", "upper"], {"user": users, "service": services})
    return [np.asarray(part, np.float64).T for part in found]


def latency_us(session: Any, users: int, services: int, batch: int, times: int) -> tuple[float, float]:
    """Median times of a question for `batch` cells, microseconds: of the wall clock, and of the calling thread's CPU.

    Other processes lengthen the first; a session on one core computes in the calling thread, so that the second has
    all of its work.
    """
    rng = np.random.default_rng(0)
    spent = []
    for _ in range(times + 10):
        cells = {"user": rng.integers(users, size=batch), "service": rng.integers(services, size=batch)}
        begun = time.perf_counter(), time.thread_time()
        session.run(None, cells)
        spent.append((time.perf_counter() - begun[0], time.thread_time() - begun[1]))
    wall, cpu = np.median(spent[10:], axis=0) * 1e6
    return float(wall), float(cpu)


def export_model(model: KeptModel, to: Path, rank: int) -> dict[str, bytes]:
    """Write `float32.onnx`, `int8.onnx` and `ids.json` into a new folder, whole or not at all.

    Args:
        model: The model.
        to: The folder; must not exist.
        rank: Factors kept.

    Returns:
        The graphs by name.

    Raises:
        BadInput: The folder exists, or the rank is below one.
        MissingExtra: onnx is not installed.
    """
    if to.exists():
        raise BadInput(Problem(message=f"{str(to)!r} exists already", field="to", hint="name a new folder"))
    small = factored(model, rank)
    graphs = {name: graph(small, int8=name == "int8") for name in ("float32", "int8")}
    ids = {side: list(getattr(model.about, side)) for side in ("parameters", "users", "services")}
    beside = to.with_name(f".{to.name}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        for name, data in graphs.items():
            write_whole(beside / f"{name}.onnx", data)
        write_whole(beside / "ids.json", json.dumps(ids).encode())
        beside.rename(to)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return graphs


def _onnx() -> Any:
    try:
        import onnx
    except ImportError:
        raise MissingExtra(_WHAT, "edge") from None
    return onnx
