"""GraphML, read by a parser that expands nothing: a file with a document type is refused before it can."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from qoslab.graphs.formats.draft import DemandRow, Draft, LinkRow, number
from qoslab.graphs.formats.files import MAX_TREE_BYTES, read_text
from qoslab.graphs.formats.nodes import node_row
from qoslab.graphs.network import LINK_FIELDS, Attribute, Network

__all__ = ["graphml_text", "read_graphml"]

_KINDS = ("graph", "node", "edge")
_DEMANDS = "demands"
_Convert = Callable[[str], Attribute]


def _truth(text: str) -> bool:
    words = {"true": True, "1": True, "false": False, "0": False}
    if text.lower() not in words:
        raise ValueError(text)
    return words[text.lower()]


_TYPES: dict[str, _Convert] = {
    "boolean": _truth,
    "int": int,
    "long": int,
    "float": float,
    "double": float,
    "string": str,
}


class _Reader:
    """Handles the events of one file; whatever it does not know it skips."""

    def __init__(self, draft: Draft) -> None:
        self.draft = draft
        self.parser = expat.ParserCreate("utf-8", " ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.characters
        self.parser.StartDoctypeDeclHandler = self.doctype
        self.keys: dict[str, tuple[str, str, _Convert]] = {}
        self.defaults: dict[str, dict[str, Attribute]] = {kind: {} for kind in _KINDS}
        self.open: list[str] = []
        self.element: dict[str, str] = {}
        self.values: dict[str, dict[str, Attribute]] = {kind: {} for kind in _KINDS}
        self.line = 0
        self.key = ""
        self.text: list[str] = []
        self.graphs = 0

    def doctype(self, *_: Any) -> None:
        message = "holds a document type (DOCTYPE); such a file may expand without bound and is refused"
        raise self.draft.fail(self.parser.CurrentLineNumber, message, "remove the line")

    def wrong(self, where: str, message: str, hint: str | None = None) -> None:
        self.draft.wrong(self.parser.CurrentLineNumber, where, message, hint)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(" ")[2]
        self.open.append(name)
        if len(self.open) == 1 and name != "graphml":
            raise self.draft.fail(self.parser.CurrentLineNumber, f"begins with <{name}>, not with <graphml>")
        handler = {"key": self.start_key, "graph": self.start_graph, "data": self.start_data}.get(name)
        if handler:
            handler(attributes)
        elif name in ("node", "edge"):
            self.element, self.line = attributes, self.parser.CurrentLineNumber
            self.values[name] = dict(self.defaults[name])
        elif name in ("hyperedge", "port"):
            self.wrong(name, f"<{name}> cannot be read: a link has two nodes as its ends")
        elif name == "default":
            self.text = []

    def start_key(self, attributes: dict[str, str]) -> None:
        kind = attributes.get("attr.type", "string")
        if kind not in _TYPES:
            self.wrong("key", f"{kind!r} is no GraphML type", "known: " + ", ".join(_TYPES))
        self.key = attributes.get("id", "")
        name = attributes.get("attr.name", self.key)
        self.keys[self.key] = (attributes.get("for", "all"), name, _TYPES.get(kind, str))

    def start_graph(self, attributes: dict[str, str]) -> None:
        self.graphs += 1
        if self.graphs > 1:
            raise self.draft.fail(self.parser.CurrentLineNumber, "holds a second or nested graph")
        self.draft.directed = attributes.get("edgedefault", "undirected") == "directed"
        self.values["graph"] = dict(self.defaults["graph"])
        self.draft.name = attributes.get("id", self.draft.name)

    def start_data(self, attributes: dict[str, str]) -> None:
        self.text, self.key = [], attributes.get("key", "")
        if self.key not in self.keys:
            self.wrong("data", f"there is no <key> with the id {self.key!r}")

    def characters(self, text: str) -> None:
        if self.open[-1] in ("data", "default"):
            self.text.append(text)

    def value(self) -> tuple[str, Attribute]:
        _, name, convert = self.keys.get(self.key, ("all", self.key, str))
        text = "".join(self.text)
        try:
            return name, text if convert is str else convert(text.strip())
        except ValueError:
            self.wrong(name, f"{text.strip()!r} is not of the type that its key declares")
            return name, None

    def end(self, tag: str) -> None:
        name = tag.rpartition(" ")[2]
        self.open.pop()
        if name == "data" and self.open[-1] in _KINDS:
            key, value = self.value()
            self.values[self.open[-1]][key] = value
        elif name == "default" and self.open[-1] == "key":
            key, value = self.value()
            kind = self.keys[self.key][0]
            for one in _KINDS if kind == "all" else (kind,):
                self.defaults.get(one, {})[key] = value
        elif name == "node":
            self.end_node()
        elif name == "edge":
            self.end_edge()
        elif name == "graph":
            self.end_graph()

    def end_node(self) -> None:
        if "id" not in self.element:
            self.draft.wrong(self.line, "node.id", "this node has no id")
            return
        name = self.element["id"]
        self.draft.nodes.append(
            node_row(self.draft, name, self.line, dict(self.values["node"]), f"node {name!r}")
        )

    def end_edge(self) -> None:
        ends = self.element.get("source"), self.element.get("target")
        if ends[0] is None or ends[1] is None:
            self.draft.wrong(self.line, "edge", "an edge needs both source and target")
            return
        opposite = {True: "false", False: "true"}[bool(self.draft.directed)]
        if self.element.get("directed") == opposite:
            self.draft.wrong(self.line, "edge.directed", "differs from the graph's edgedefault")
        values = self.draft.link_values(self.values["edge"], self.line, "edge")
        self.draft.links.append(LinkRow(ends[0], ends[1], self.line, values))

    def end_graph(self) -> None:
        values, line = self.values["graph"], self.parser.CurrentLineNumber
        if isinstance(values.get("geographic"), bool):
            self.draft.geographic = values["geographic"] is True
        name = values.get("name", values.get("Network"))
        if isinstance(name, str):
            self.draft.name = name
        if _DEMANDS in values:
            self.demands(str(values[_DEMANDS]), line)

    def demands(self, text: str, line: int) -> None:
        try:
            rows = [(str(a), str(b), number(volume)) for a, b, volume in json.loads(text)]
        except (ValueError, TypeError, RecursionError):
            self.draft.wrong(line, _DEMANDS, "is no list of the form [[source, target, volume], ...]")
            return
        for a, b, volume in rows:
            if volume is None:
                self.draft.wrong(line, _DEMANDS, f"{a!r} -> {b!r} has a volume that is no finite number")
            else:
                self.draft.demands.append(DemandRow(a, b, volume, line))


def read_graphml(path: Path) -> Draft:
    """Read GraphML; nested graphs, hyperedges, ports and documents with a DOCTYPE are refused."""
    draft = Draft(path, name=path.stem, lists_nodes=True)
    reader = _Reader(draft)
    try:
        reader.parser.Parse(read_text(path, MAX_TREE_BYTES).encode())
        reader.parser.Parse(b"", True)  # noqa: FBT003 - the end; expat knows no keywords
    except expat.ExpatError as error:
        raise draft.fail(error.lineno, f"is no XML: {expat.ErrorString(error.code)}") from None
    except (LookupError, RecursionError) as error:
        raise draft.fail(reader.parser.CurrentLineNumber, f"cannot be read: {error}") from None
    if not reader.graphs:
        raise draft.fail(None, "holds no <graph>")
    return draft


def _type(value: Attribute) -> str:
    names = {bool: "boolean", int: "long", float: "double", str: "string"}
    return names[type(value)]


def _key(kind: str, name: str, type_name: str) -> str:
    return f"{kind}.{type_name}.{name}"


def _data(kind: str, values: Iterable[tuple[str, Attribute]]) -> str:
    parts = []
    for name, value in values:
        text = (
            str(value).lower()
            if isinstance(value, bool)
            else value
            if isinstance(value, str)
            else repr(value)
        )
        # A carriage return would come back as a line feed.
        body = escape(text, {"\r": "&#13;"})
        parts.append(f"<data key={quoteattr(_key(kind, name, _type(value)))}>{body}</data>")
    return "".join(parts)


def _node_values(network: Network, v: int) -> list[tuple[str, Attribute]]:
    x, y = network.position[v].tolist()
    names = ("lon", "lat") if network.geographic else ("x", "y")
    found: list[tuple[str, Attribute]] = [(names[0], x), (names[1], y)] if x == x else []
    columns = network.attributes.items()
    return found + [(name, column[v]) for name, column in columns if column[v] is not None]


def _link_values(network: Network, k: int) -> list[tuple[str, Attribute]]:
    figures = [(field, float(network.column(field)[k])) for field in LINK_FIELDS]
    return [(field, figure) for field, figure in figures if figure == figure]


def _graph_values(network: Network) -> list[tuple[str, Attribute]]:
    found: list[tuple[str, Attribute]] = [("name", network.name), ("geographic", network.geographic)]
    columns = (array.tolist() for array in network.demands)
    rows = [[network.nodes[a], network.nodes[b], volume] for a, b, volume in zip(*columns, strict=True)]
    return [*found, (_DEMANDS, json.dumps(rows, ensure_ascii=False))] if rows else found


def graphml_text(network: Network) -> str:
    """A network as GraphML; nothing is lost.

    Demands stand in one JSON text, for GraphML has no place for them.
    """
    graph = _graph_values(network)
    nodes = [(network.nodes[v], _node_values(network, v)) for v in range(network.n)]
    links = [_link_values(network, k) for k in range(network.m)]
    used = {("graph", name, _type(value)) for name, value in graph}
    used |= {("node", name, _type(value)) for _, values in nodes for name, value in values}
    used |= {("edge", name, _type(value)) for values in links for name, value in values}
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">',
    ]
    for kind, name, type_name in sorted(used):
        names = f"id={quoteattr(_key(kind, name, type_name))} attr.name={quoteattr(name)}"
        lines.append(f'<key {names} for="{kind}" attr.type="{type_name}"/>')
    lines.append(f'<graph edgedefault="{"directed" if network.directed else "undirected"}">')
    lines.append(_data("graph", graph))
    lines += [f"<node id={quoteattr(name)}>{_data('node', values)}</node>" for name, values in nodes]
    for k, values in enumerate(links):
        ends = [quoteattr(network.nodes[end[k]]) for end in (network.tail, network.head)]
        lines.append(f"<edge source={ends[0]} target={ends[1]}>{_data('edge', values)}</edge>")
    return "\n".join([*lines, "</graph>", "</graphml>", ""])
