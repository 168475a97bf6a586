"""Node-link JSON, as networkx writes it and topohub publishes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qoslab.graphs.formats.draft import LINK_KEYS, DemandRow, Draft, LinkRow, number
from qoslab.graphs.formats.files import MAX_TREE_BYTES, read_text
from qoslab.graphs.formats.json_lines import JsonError, Located, parse_object
from qoslab.graphs.formats.nodes import node_row
from qoslab.graphs.network import LINK_FIELDS, Network

__all__ = ["draft_of", "json_text", "read_node_link"]

_ARRAYS = ("nodes", "edges", "links")


def read_node_link(path: Path) -> Draft:
    """Read node-link JSON; the links may stand under `edges` or `links`."""
    try:
        data = parse_object(read_text(path, MAX_TREE_BYTES), _ARRAYS)
    except JsonError as error:
        raise Draft(path).fail(error.line, f"is no node-link JSON: {error}") from None
    return draft_of(data, path, name=path.stem)


def draft_of(data: Mapping[str, Any], path: Path | None, *, name: str) -> Draft:
    """The draft of a node-link object, from a file or from a package."""
    draft = Draft(path, name=name, lists_nodes=True)
    graph = data.get("graph", {})
    if not isinstance(graph, dict):
        draft.wrong(None, "graph", "is no object")
        graph = {}
    draft.directed = _flag(draft, data.get("directed", False), "directed")
    draft.multigraph = _flag(draft, data.get("multigraph", False), "multigraph")
    if "geographic" in graph:
        draft.geographic = _flag(draft, graph["geographic"], "graph.geographic")
    if isinstance(graph.get("name"), str):
        draft.name = graph["name"]
    _read_nodes(draft, data)
    _read_links(draft, data)
    _read_demands(draft, graph.get("demands", {}))
    return draft


def _flag(draft: Draft, value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        draft.wrong(None, where, f"{value!r} is neither true nor false")
    return value is True


def _elements(
    draft: Draft, data: Mapping[str, Any], key: str
) -> list[tuple[int | None, str, dict[str, Any]]]:
    array = data.get(key)
    if not isinstance(array, list):
        what = "this array is missing" if array is None else "is no array"
        draft.wrong(None, key, what, "node-link JSON holds the arrays nodes and edges")
        return []
    lines: list[int | None] = list(array.lines) if isinstance(array, Located) else [None] * len(array)
    found = []
    for k, (line, element) in enumerate(zip(lines, array, strict=True)):
        if isinstance(element, dict):
            found.append((line, f"{key}[{k}]", element))
        else:
            draft.wrong(line, f"{key}[{k}]", "is no object")
    return found


def _identifier(draft: Draft, value: Any, line: int | None, where: str) -> str | None:
    if isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
        return str(value)
    draft.wrong(line, where, "is missing" if value is None else f"{value!r} is neither text nor whole number")
    return None


def _read_nodes(draft: Draft, data: Mapping[str, Any]) -> None:
    for line, where, element in _elements(draft, data, "nodes"):
        values = dict(element)
        name = _identifier(draft, values.pop("id", None), line, f"{where}.id")
        if name is not None:
            draft.nodes.append(node_row(draft, name, line, values, where))


def _read_links(draft: Draft, data: Mapping[str, Any]) -> None:
    key = "links" if "edges" not in data and "links" in data else "edges"
    for line, where, element in _elements(draft, data, key):
        source = _identifier(draft, element.get("source"), line, f"{where}.source")
        target = _identifier(draft, element.get("target"), line, f"{where}.target")
        known = {key: value for key, value in element.items() if key in LINK_KEYS}
        if source is not None and target is not None:
            draft.links.append(LinkRow(source, target, line, draft.link_values(known, line, where)))


def _read_demands(draft: Draft, demands: Any) -> None:
    if not isinstance(demands, dict):
        draft.wrong(None, "graph.demands", "is no object of the form {source: {target: volume}}")
        return
    for source, row in demands.items():
        if not isinstance(row, dict):
            draft.wrong(None, f"graph.demands.{source}", "is no object of the form {target: volume}")
            continue
        for target, value in row.items():
            volume = number(value)
            if volume is None:
                draft.wrong(None, f"graph.demands.{source}.{target}", f"{value!r} is no finite number")
            else:
                draft.demands.append(DemandRow(str(source), str(target), volume, None))


def _node_object(network: Network, v: int) -> dict[str, Any]:
    found: dict[str, Any] = {"id": network.nodes[v]}
    position = network.position[v].tolist()
    if all(x == x for x in position):
        found["pos"] = position
    return found | {name: column[v] for name, column in network.attributes.items() if column[v] is not None}


def _link_object(network: Network, k: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "source": network.nodes[network.tail[k]],
        "target": network.nodes[network.head[k]],
    }
    figures = {field: float(network.column(field)[k]) for field in LINK_FIELDS}
    return found | {field: figure for field, figure in figures.items() if figure == figure}


def json_text(network: Network) -> str:
    """A network as node-link JSON, one node and one link a line; nothing is lost."""
    demands: dict[str, dict[str, float]] = {}
    for a, b, volume in zip(*(array.tolist() for array in network.demands), strict=True):
        demands.setdefault(network.nodes[a], {})[network.nodes[b]] = volume
    graph = {"name": network.name, "geographic": network.geographic, "demands": demands}
    parts = {
        "directed": json.dumps(network.directed),
        "multigraph": "false",
        "graph": json.dumps(graph, ensure_ascii=False),
        "nodes": _array(_node_object(network, v) for v in range(network.n)),
        "edges": _array(_link_object(network, k) for k in range(network.m)),
    }
    return "{\n" + ",\n".join(f'"{key}": {text}' for key, text in parts.items()) + "\n}\n"


def _array(elements: Any) -> str:
    lines = ",\n".join("  " + json.dumps(element, ensure_ascii=False) for element in elements)
    return f"[\n{lines}\n]" if lines else "[]"
