"""One file that holds a study's results and all that a row needs to be run again elsewhere."""

from __future__ import annotations

import json
import shutil
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from qoslab.core.errors import BadInput, Problem
from qoslab.study.closure import digest_of
from qoslab.study.files import replacing
from qoslab.study.journal import encode
from qoslab.study.keep import STUDY, kept_input, weights_file
from qoslab.study.results import Results
from qoslab.study.table import TABLE

__all__ = ["archive", "unpack"]

MOST_BYTES = 8 * 2**30
"""Size of an archive's content that is still unpacked."""

MOST_FILES = 500_000

_FOLDERS = frozenset({"files", "weights", "series"})
_FILES = frozenset({STUDY, TABLE, "journal.archive", "provenance.json"})
_BLOCK = 1 << 20
_EPOCH = (1980, 1, 1, 0, 0, 0)


def archive(results: Path, out: Path) -> Path:
    """Pack results: the study file, users' method files, input files, rows, weights, series, provenance.

    Args:
        results: The results folder.
        out: The archive to write, `.zip`; datasets are named in it, not contained.

    Returns:
        The archive.

    Raises:
        BadInput: There are no results, or an input file has changed since they were made.
        DiskFull: There was no room.
    """
    opened = Results.open(results)
    with replacing(out) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(_entry("journal.archive"), _journal(opened))
        packed.writestr(_entry("provenance.json"), _provenance(opened))
        for name, path in _contents(opened):
            entry = _entry(name)
            entry.file_size = path.stat().st_size  # tells whether the entry needs the form for large files
            with path.open("rb") as source, packed.open(entry, "w") as sink:
                shutil.copyfileobj(source, sink, _BLOCK)
    return out


def unpack(packed: Path, folder: Path) -> Path:
    """Unpack an archive into an empty folder; nothing outside of it can be written.

    Args:
        packed: The archive.
        folder: Where to.

    Returns:
        The results folder.

    Raises:
        BadInput: It is no archive of results, or its content is too large or names places outside.
    """
    try:
        with zipfile.ZipFile(packed) as opened:
            entries = [entry for entry in opened.infolist() if not entry.is_dir()]
            _judge(packed, entries)
            for entry in entries:
                target = folder / entry.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(entry) as source, target.open("xb") as sink:
                    # Reading stops at the size that was judged, whatever the compressed data would give.
                    shutil.copyfileobj(source, sink)
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError, EOFError, ValueError) as error:
        raise BadInput(Problem(message=f"this is no archive of results: {error}", path=packed)) from None
    return folder


def _contents(opened: Results) -> Iterator[tuple[str, Path]]:
    folder, plan = opened.path, opened.plan
    for path in (folder / STUDY, folder / TABLE):
        if path.is_file():
            yield path.name, path
    for method in plan["methods"]:
        if method.get("content"):
            home = folder / "files" / method["content"][:16]
            for path in sorted(home.rglob("*")):
                if path.is_file():
                    yield path.relative_to(folder).as_posix(), path
    yield from _inputs(opened)
    for fingerprint in opened.trainings():
        if (path := weights_file(folder, fingerprint)).is_file():
            yield path.relative_to(folder).as_posix(), path
    names = {record["fingerprint"] for record, _, _ in opened.records()}
    for path in sorted((folder / "series").rglob("*.parquet")):
        if path.stem in names:
            yield path.relative_to(folder).as_posix(), path


def _inputs(opened: Results) -> Iterator[tuple[str, Path]]:
    """The files that scenarios and methods name, by their content."""
    inputs: dict[str, str] = {}
    for case in (*opened.plan["scenarios"], *opened.plan["methods"]):
        inputs |= case["inputs"]
    done = set()
    for name, content in inputs.items():
        path = Path(name)
        if not path.is_file() or digest_of(path) != content:
            message = "a file that the study names has changed or gone since its results were made"
            raise BadInput(Problem(message=message, path=path, hint="run the study again, then export it"))
        if content not in done:
            done.add(content)
            yield kept_input(Path(), content).as_posix(), path


def _journal(opened: Results) -> bytes:
    """One journal of what the table rests on, instead of all that ever was."""
    rows = [record for record, _, _ in opened.records()]
    runs = {record["run"] for record in rows}
    kept = [opened.run_record(name) for name in sorted(runs)]
    return b"".join(encode(record) for record in [*kept, opened.plan, *opened.trainings().values(), *rows])


def _provenance(opened: Results) -> str:
    runs = {record["run"] for record, _, _ in opened.records()}
    found = {
        "study": opened.study.name,
        "domain": opened.study.domain,
        "digest": opened.digest(),
        "runs": [opened.run_record(name) for name in sorted(runs)],
        "scenarios": {case["label"]: case["parts"] for case in opened.plan["scenarios"]},
        "methods": {case["label"]: case["parts"] for case in opened.plan["methods"]},
        "datasets": sorted({name for case in opened.plan["scenarios"] for name in case["datasets"]}),
    }
    return json.dumps(found, indent=2)


def _entry(name: str) -> zipfile.ZipInfo:
    """An entry without the time it was packed: equal results give equal archives."""
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    return entry


def _judge(packed: Path, entries: list[zipfile.ZipInfo]) -> None:
    """Refuse an archive before anything of it is written."""
    names = [entry.filename for entry in entries]
    wrong = next((name for name in names if not _is_ours(name)), None)
    if wrong is not None:
        shown = ascii(wrong)[:100]
        raise BadInput(
            Problem(message=f"the archive holds {shown}, which no archive of results does", path=packed)
        )
    if len(set(names)) != len(names) or any(stat.S_ISLNK(entry.external_attr >> 16) for entry in entries):
        raise BadInput(Problem(message="the archive holds a file twice, or a link", path=packed))
    if len(entries) > MOST_FILES or sum(entry.file_size for entry in entries) > MOST_BYTES:
        raise BadInput(Problem(message="the archive's content is too large", path=packed))
    if "journal.archive" not in names:
        raise BadInput(Problem(message="this is no archive of results", path=packed))


def _is_ours(name: str) -> bool:
    if "\\" in name or "\0" in name or ":" in name or name.startswith("/"):
        return False
    parts = PurePosixPath(name).parts
    if not parts or ".." in parts:
        return False
    return name in _FILES if len(parts) == 1 else parts[0] in _FOLDERS
