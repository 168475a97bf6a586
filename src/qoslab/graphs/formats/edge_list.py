"""Lists of links: CSV with a header, and the whitespace lists of SNAP and its like."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from qoslab.core.errors import BadInput, Problem, did_you_mean
from qoslab.graphs.formats.draft import LINK_KEYS, Draft, LinkRow, NodeRow
from qoslab.graphs.formats.files import MAX_LINKS, MAX_LIST_BYTES, read_text
from qoslab.graphs.network import LINK_FIELDS, LinkField, Network

__all__ = ["csv_text", "read_csv", "read_edge_list"]

_COLUMNS = ("source", "target", *LINK_FIELDS)


def read_edge_list(path: Path) -> Draft:
    """Read lines of `source target [weight]`, with comments behind `#` or `%`.

    Such a list cannot say whether it is directed. SNAP's state an undirected link once in each direction.
    """
    draft = Draft(path, name=path.stem)
    for line, text in enumerate(read_text(path, MAX_LIST_BYTES).splitlines(), 1):
        words = text.split("#", 1)[0].split()
        if not words or words[0].startswith("%"):
            continue
        values: dict[LinkField, float] = {}
        if len(words) not in (2, 3):
            message = f"{len(words)} words where a link is 'source target' or 'source target weight'"
            draft.wrong(line, "link", message)
        elif len(words) == 3:
            values = draft.link_values({"weight": words[2]}, line, "link")
        if len(draft.links) >= MAX_LINKS or len(draft.problems) > 50:
            raise draft.fail(line, f"stopped reading: more than {MAX_LINKS} links or 50 problems")
        if len(words) in (2, 3):
            draft.links.append(LinkRow(words[0], words[1], line, values))
    return draft


def _rows(draft: Draft, text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise draft.fail(line, f"is no CSV: {error}") from None
        cells = [cell.strip() for cell in row]
        if any(cells):
            yield line, cells


def _header(draft: Draft, line: int, cells: list[str]) -> list[str]:
    for name in cells:
        if name not in _COLUMNS and name not in LINK_KEYS:
            draft.wrong(line, name or "header", f"no such column: {name!r}", did_you_mean(name, _COLUMNS))
        if cells.count(name) > 1:
            draft.wrong(line, name, "this column stands twice")
    for name in ("source", "target"):
        if name not in cells:
            draft.wrong(line, name, "this column is missing", "the first line names the columns")
    if draft.problems:
        raise BadInput(draft.problems)
    return cells


def read_csv(path: Path) -> Draft:
    """Read a CSV file with the columns source, target and any of length_km, capacity, delay_s, weight.

    A row without target is a node without links.
    """
    draft = Draft(path, name=path.stem)
    rows = _rows(draft, read_text(path, MAX_LIST_BYTES))
    first = next(rows, None)
    if first is None:
        raise draft.fail(1, "is empty", "the first line names the columns: " + ",".join(_COLUMNS))
    header = _header(draft, *first)
    for line, cells in rows:
        if len(draft.links) >= MAX_LINKS or len(draft.problems) > 50:
            raise draft.fail(line, f"stopped reading: more than {MAX_LINKS} links or 50 problems")
        if len(cells) != len(header):
            draft.wrong(line, "row", f"{len(cells)} cells under {len(header)} columns")
            continue
        row = dict(zip(header, cells, strict=True))
        source, target = row.pop("source"), row.pop("target")
        if target:
            draft.links.append(LinkRow(source, target, line, draft.link_values(row, line, "link")))
        else:
            draft.nodes.append(NodeRow(source, line, {}))
    return draft


def csv_text(network: Network) -> str:
    """A network as CSV; it can carry nodes and links, and nothing else.

    Raises:
        BadInput: The network has positions, attributes or demands: CSV would lose them.
    """
    lost = [
        words
        for words, present in (
            ("positions", bool(np.isfinite(network.position).any())),
            ("attributes", bool(network.attributes)),
            ("demands", len(network.demands.source) > 0),
        )
        if present
    ]
    if lost:
        hint = "write .json or .graphml, or pass links_only=True"
        raise BadInput(Problem(message=f"CSV cannot carry the {' and '.join(lost)} of a network", hint=hint))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    columns = [network.column(field).tolist() for field in LINK_FIELDS]
    for k in range(network.m):
        figures = ["" if column[k] != column[k] else repr(column[k]) for column in columns]
        writer.writerow([network.nodes[network.tail[k]], network.nodes[network.head[k]], *figures])
    for v in ((network.out_degree + network.in_degree) == 0).nonzero()[0]:
        writer.writerow([network.nodes[v], "", *[""] * len(columns)])
    return out.getvalue()
