"""GML (Himsolt 1997), the keys of nodes and edges; with the line of every one."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from qoslab.graphs.formats.draft import LINK_KEYS, Draft, LinkRow
from qoslab.graphs.formats.files import MAX_TREE_BYTES, read_text
from qoslab.graphs.formats.nodes import node_row

__all__ = ["read_gml"]

_MAX_DEPTH = 50

_TOKEN = re.compile(
    r"""(?P<blank>[ \t\r\n]+|\#[^\n]*)
      | (?P<key>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<real>[+-]?(?:[0-9]*\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[Ee]))(?:[Ee][+-]?[0-9]+)?)
      | (?P<int>[+-]?[0-9]+)
      | (?P<text>"[^"]*")
      | (?P<open>\[) | (?P<close>\])""",
    re.VERBOSE,
)


class _Token(NamedTuple):
    kind: str
    text: str
    line: int


class _Item(NamedTuple):
    key: str
    value: Any
    line: int


def _tokens(draft: Draft, text: str) -> Iterator[_Token]:
    at, line = 0, 1
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise draft.fail(line, f"is no GML: nothing begins with {text[at : at + 10]!r}")
        kind = match.lastgroup or ""
        if kind != "blank":
            yield _Token(kind, match.group(), line)
        line += match.group().count("\n")
        at = match.end()
    yield _Token("end", "the end of the file", line)


def _scalar(draft: Draft, token: _Token) -> Any:
    if token.kind == "text":
        return html.unescape(token.text[1:-1])
    if token.kind == "real":
        return float(token.text)
    if token.kind == "int":
        if len(token.text) > 40:
            raise draft.fail(token.line, "holds a whole number of more than 40 digits")
        return int(token.text)
    raise draft.fail(token.line, f"is no GML: {token.text} where a value should stand")


def _items(draft: Draft, tokens: Iterator[_Token], depth: int) -> list[_Item]:
    if depth > _MAX_DEPTH:
        raise draft.fail(next(tokens).line, f"nests deeper than {_MAX_DEPTH} levels")
    found: list[_Item] = []
    for token in tokens:
        if token.kind == ("close" if depth else "end"):
            return found
        if token.kind != "key":
            raise draft.fail(token.line, f"is no GML: {token.text} where a key should stand")
        value = next(tokens)
        is_list = value.kind == "open"
        found.append(
            _Item(
                token.text, _items(draft, tokens, depth + 1) if is_list else _scalar(draft, value), token.line
            )
        )
    return found


def _values(items: list[_Item]) -> dict[str, Any]:
    found = {item.key: item.value for item in items if not isinstance(item.value, list)}
    graphics = next(
        (item.value for item in items if item.key == "graphics" and isinstance(item.value, list)), []
    )
    return {item.key: item.value for item in graphics if item.key in ("x", "y")} | found


def _end(draft: Draft, values: dict[str, Any], key: str, line: int, where: str) -> str | None:
    if key not in values:
        draft.wrong(line, f"{where}.{key}", "is missing")
        return None
    return str(values[key])


def read_gml(path: Path) -> Draft:
    """Read GML, as networkx and the Internet Topology Zoo write it."""
    draft = Draft(path, name=path.stem, lists_nodes=True, directed=False)
    outer = _items(draft, _tokens(draft, read_text(path, MAX_TREE_BYTES)), 0)
    graphs = [item for item in outer if item.key == "graph" and isinstance(item.value, list)]
    if len(graphs) != 1:
        raise draft.fail(None, f"holds {len(graphs)} graphs, not one")
    items = graphs[0].value
    said = _values(items)
    draft.directed, draft.multigraph = said.get("directed") == 1, said.get("multigraph") == 1
    draft.name = str(said.get("Network", said.get("name", draft.name)))
    for item in items:
        if item.key in ("node", "edge") and not isinstance(item.value, list):
            draft.wrong(item.line, item.key, "holds no list of keys")
        elif item.key == "node":
            values = _values(item.value)
            name = _end(draft, values, "id", item.line, "node")
            if name is not None:
                draft.nodes.append(node_row(draft, name, item.line, values, f"node {name}"))
        elif item.key == "edge":
            values = _values(item.value)
            source, target = (_end(draft, values, key, item.line, "edge") for key in ("source", "target"))
            known = {key: value for key, value in values.items() if key in LINK_KEYS}
            if source is not None and target is not None:
                row = LinkRow(source, target, item.line, draft.link_values(known, item.line, "edge"))
                draft.links.append(row)
    return draft
