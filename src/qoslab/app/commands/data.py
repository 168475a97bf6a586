"""`qoslab data`: list, fetch, import and find data files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from qoslab.app.output import print_json, print_table
from qoslab.datasets import commands

__all__ = ["app"]

app = App(name="data", help="List, fetch, import or find datasets.", result_action="return_value")

Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")]
Data = Annotated[Path | None, Parameter(help="Folder of data files to look in first.")]


@app.command(name="list")
def list_(*, data: Data = None, json: Json = False) -> int:
    """Every known dataset, its licence, and how much of it is on this machine.

    Args:
        data: Folder of data files to look in first.
        json: Print JSON.
    """
    rows = [asdict(row) for row in commands.list_datasets(data=data)]
    if json:
        print_json(rows)
        return 0
    shown = [row | {"here": f"{row['here']}/{row['files']}", "MB": row["bytes"] / 1e6} for row in rows]
    print_table(shown, ["id", "here", "MB", "licence", "summary"])
    return 0


@app.command
def fetch(*dataset: str, json: Json = False) -> int:
    """Download datasets into the cache, with resume and verification.

    Args:
        dataset: Their ids.
        json: Print JSON.
    """
    from qoslab.app.progress import download_progress

    with download_progress() as progress:
        return _ended(commands.fetch_datasets(dataset, progress=progress), json=json)


@app.command(name="import")
def import_(
    *dataset: str,
    folder: Annotated[Path, Parameter(name="--from", help="Where to search.")],
    link: Annotated[bool, Parameter(negative="", help="Link instead of copying.")] = False,
    json: Json = False,
) -> int:
    """Take local copies into the cache; unknown or altered bytes are refused.

    Args:
        dataset: Their ids; all that are known by default.
        folder: Where to search.
        link: Make hard links where the disk allows it.
        json: Print JSON.
    """
    return _ended(commands.import_datasets(folder, dataset, link=link), json=json)


@app.command
def where(*dataset: str, data: Data = None, json: Json = False) -> int:
    """Where each file lies, as a study would find it.

    Args:
        dataset: Their ids; all by default.
        data: Folder of data files to look in first.
        json: Print JSON.

    Returns:
        1 where a file is missing or altered, else 0.
    """
    return _ended(commands.where_datasets(dataset, data=data), json=json)


def _ended(rows: Sequence[commands.FileRow], *, json: bool) -> int:
    _print_files(rows, json=json)
    return int(any(not row.ok for row in rows))


def _print_files(rows: Sequence[commands.FileRow], *, json: bool) -> None:
    found: list[dict[str, Any]] = [asdict(row) for row in rows]
    if json:
        print_json(found)
        return
    for row in found:
        reason = str(row["reason"] or "").split("\n", maxsplit=1)[0]
        row["where"] = ": ".join(str(part) for part in (row["path"], reason) if part)
    print_table(found, ["reference", "status", "where"])
