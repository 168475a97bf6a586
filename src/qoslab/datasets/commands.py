"""What `qoslab data list|fetch|import|where` do; the command line only prints the rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from qoslab.core.errors import BadInput, MissingData, Problem
from qoslab.datasets.dataset import Dataset
from qoslab.datasets.errors import AlteredData, FetchError
from qoslab.datasets.fetch import Patience, Progress, fetch_file
from qoslab.datasets.importing import import_from
from qoslab.datasets.locate import locate_file
from qoslab.datasets.registry import all_datasets, get_dataset

__all__ = ["DatasetRow", "FileRow", "fetch_datasets", "import_datasets", "list_datasets", "where_datasets"]

Status = Literal["fetched", "imported", "present", "refused", "missing", "failed"]


@dataclass(frozen=True)
class DatasetRow:
    """One dataset in `qoslab data list`.

    Attributes:
        id: Its id.
        summary: One line.
        files: How many files it has.
        bytes: Their total length, at most.
        licence: SPDX name, or `none stated`.
        licence_note: What else to know before passing it on.
        redistributable: Whether the licence clearly allows that.
        downloadable: Files that `fetch` can get.
        here: Files on this machine, verified.
        altered: Files on this machine that bear a known name but unknown bytes.
        homepage: Where a person reads about it.
        citation: BibTeX.
    """

    id: str
    summary: str
    files: int
    bytes: int
    licence: str
    licence_note: str
    redistributable: bool
    downloadable: int
    here: int
    altered: int
    homepage: str
    citation: str


@dataclass(frozen=True)
class FileRow:
    """One file in `qoslab data fetch|import|where`.

    Attributes:
        reference: `DATASET/FILE`.
        status: `fetched`, `imported` or `present` for a verified file; `refused` for altered bytes; `missing`;
            `failed` for a download that broke.
        path: Where it lies, or the copy that was refused.
        origin: `--data`, `QOSLAB_DATA` or `cache`.
        reason: What went wrong and what to type.
    """

    reference: str
    status: Status
    path: str | None = None
    origin: str | None = None
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether the file can be used."""
        return self.status in ("fetched", "imported", "present")


def list_datasets(*, data: Path | None = None) -> list[DatasetRow]:
    """Every known dataset and how much of it is on this machine.

    Args:
        data: A folder to look in first (`--data`).

    Returns:
        One row for each, by id.
    """
    return [_dataset_row(each, data) for each in all_datasets()]


def fetch_datasets(
    ids: Iterable[str],
    *,
    progress: Progress | None = None,
    patience: Patience | None = None,
) -> list[FileRow]:
    """Download datasets into the user cache; one file's failure does not stop the others.

    Args:
        ids: Datasets, at least one.
        progress: Called after every piece of a download.
        patience: Limits on time and attempts.

    Returns:
        One row for each file; the command failed where one of them is not `ok`.

    Raises:
        BadInput: An id is unknown, or there is none.
    """
    chosen = _chosen(ids)
    if not chosen:
        message = "say which datasets to fetch: qoslab data fetch ID ...; `qoslab data list` shows them"
        raise BadInput(message)
    rows: list[FileRow] = []
    for each in chosen:
        for file in each.files:
            reference = each.reference(file)
            try:
                fetched = fetch_file(each, file, progress=progress, patience=patience)
            except (MissingData, AlteredData, FetchError) as error:
                rows.append(FileRow(reference, _failure(error), reason=str(error)))
            else:
                rows.append(FileRow(reference, fetched.status, str(fetched.path), "cache"))
    return rows


def import_datasets(folder: Path, ids: Iterable[str] = (), *, link: bool = False) -> list[FileRow]:
    """Take local copies into the user cache (`qoslab data import ID ... --from DIR`).

    Args:
        folder: Where to search.
        ids: Datasets; none for all that are known.
        link: Make hard links where the disk allows it.

    Returns:
        One row for each file.

    Raises:
        BadInput: An id is unknown, or the folder does not exist.
        FetchError: The cache cannot be written.
    """
    chosen = _chosen(ids) or all_datasets()
    rows: list[FileRow] = []
    for row in import_from(folder.expanduser().absolute(), chosen, link=link):
        at = row.path or row.source
        origin = "cache" if row.path is not None else None
        rows.append(FileRow(row.reference, row.status, None if at is None else str(at), origin, row.reason))
    return rows


def where_datasets(ids: Iterable[str] = (), *, data: Path | None = None) -> list[FileRow]:
    """Where each file lies, as a study started now would find it.

    Args:
        ids: Datasets; none for all that are known.
        data: A folder to look in first (`--data`).

    Returns:
        One row for each file.

    Raises:
        BadInput: An id is unknown, or a named folder does not exist.
    """
    chosen = _chosen(ids) or all_datasets()
    return [row for each in chosen for row in _file_rows(each, data)]


def _chosen(ids: Iterable[str]) -> list[Dataset]:
    found: dict[str, Dataset] = {}
    problems: list[Problem] = []
    for name in ids:
        try:
            found[name] = get_dataset(name)
        except BadInput as error:
            problems.extend(error.problems)
    if problems:
        raise BadInput(problems)
    return list(found.values())


def _failure(error: Exception) -> Status:
    if isinstance(error, AlteredData):
        return "refused"
    return "missing" if isinstance(error, MissingData) else "failed"


def _file_rows(each: Dataset, data: Path | None) -> list[FileRow]:
    rows: list[FileRow] = []
    for file in each.files:
        reference = each.reference(file)
        try:
            at = locate_file(each, file, data=data)
        except (MissingData, AlteredData) as error:
            rows.append(FileRow(reference, _failure(error), reason=str(error)))
        else:
            rows.append(FileRow(reference, "present", str(at.path), at.origin))
    return rows


def _dataset_row(each: Dataset, data: Path | None) -> DatasetRow:
    statuses = [row.status for row in _file_rows(each, data)]
    return DatasetRow(
        id=each.id,
        summary=each.summary,
        files=len(each.files),
        bytes=each.max_bytes,
        licence=each.licence,
        licence_note=each.licence_note,
        redistributable=each.redistributable,
        downloadable=sum(file.url is not None for file in each.files),
        here=statuses.count("present"),
        altered=statuses.count("refused"),
        homepage=each.homepage,
        citation=each.citation,
    )
