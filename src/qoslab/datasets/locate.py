"""From the name of a data file to its verified bytes on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from qoslab.core.errors import BadInput, MissingData
from qoslab.datasets.dataset import DataFile, Dataset, Edition
from qoslab.datasets.digest import Digest
from qoslab.datasets.errors import AlteredData
from qoslab.datasets.places import Origin, cached_path, data_folders
from qoslab.datasets.registry import resolve
from qoslab.datasets.stamps import verified_digest

__all__ = ["Located", "how_to_get", "locate", "locate_file", "resolver"]


@dataclass(frozen=True)
class Located:
    """A data file on this machine, with known content.

    Attributes:
        reference: `DATASET/FILE`.
        path: Where it lies.
        origin: Whether an explicit folder, `QOSLAB_DATA` or the cache gave it.
        sha256: SHA-256 of its bytes, for fingerprints; also where the registry knows git's name of them only.
        edition: Which of the known contents it has.
    """

    reference: str
    path: Path
    origin: Origin
    sha256: str
    edition: Edition


def locate(reference: str, *, data: Path | None = None) -> Located:
    """Find a data file: in an explicit folder, then in `QOSLAB_DATA`, then in the user cache.

    Args:
        reference: `DATASET/FILE`, or `DATASET` alone where it has a single file.
        data: A folder to look in first (`--data`).

    Returns:
        The first copy found, verified.

    Raises:
        MissingData: It is nowhere; the message names the command that gets it.
        AlteredData: The first copy found has other bytes than any known edition.
        BadInput: There is no such dataset or file, or a named folder does not exist.
    """
    dataset, file = resolve(reference)
    return locate_file(dataset, file, data=data)


def locate_file(dataset: Dataset, file: DataFile, *, data: Path | None = None) -> Located:
    """`locate` for a file at hand; the same errors."""
    for origin, path in _candidates(dataset, file, data):
        # An altered copy is an error even where another place has a good one: it was put there to be used.
        if path.is_file():
            digest, edition = verify(dataset, file, path, origin=origin)
            return Located(dataset.reference(file), path, origin, digest.sha256, edition)
    raise MissingData(how_to_get(dataset, file))


def resolver(data: Path | None = None) -> Callable[[str], Path]:
    """The function `Context.dataset`: from `DATASET/FILE` to a verified path.

    Args:
        data: A folder to look in first (`--data`).

    Returns:
        A function that raises what `locate` raises.
    """

    def path_of(reference: str) -> Path:
        return locate(reference, data=data).path

    return path_of


def verify(dataset: Dataset, file: DataFile, path: Path, *, origin: Origin) -> tuple[Digest, Edition]:
    """Check that a file has one of its known contents.

    Raises:
        AlteredData: It has not.
        BadInput: It cannot be read.
    """
    try:
        digest = verified_digest(path)
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror or error}"
        raise BadInput(message) from error
    edition = file.edition_of(digest)
    if edition is None:
        raise AlteredData(_altered(dataset, file, path, digest, origin))
    return digest, edition


def describe_editions(file: DataFile) -> str:
    """The known contents in words, for messages."""
    known = []
    for edition in file.editions:
        size = "" if edition.bytes is None else f"{edition.bytes} bytes, "
        sum_ = f"sha256 {edition.sha256}" if edition.sha256 else f"git blob {edition.git_sha1}"
        known.append(size + sum_)
    return " or ".join(known)


def how_to_get(dataset: Dataset, file: DataFile) -> str:
    """What to type, or to do, to have a file that is not on this machine."""
    lines = [f"the data file {dataset.reference(file)} is not on this machine"]
    if file.url is not None:
        lines.append(f"  download it:        qoslab data fetch {dataset.id}")
    else:
        by_hand = dataset.obtain or f"nobody serves this file; see {dataset.homepage or 'its publication'}"
        lines.append(f"  get it by hand:     {by_hand}")
    lines.append(f"  take a copy you have: qoslab data import {dataset.id} --from DIR")
    if file.folder_path is not None:
        lines.append(f"  or name a data folder that has {file.folder_path}: --data DIR, or QOSLAB_DATA=DIR")
    return "\n".join(lines)


def _candidates(dataset: Dataset, file: DataFile, data: Path | None) -> Iterator[tuple[Origin, Path]]:
    for origin, folder in data_folders(data):
        if file.folder_path is not None:
            yield origin, folder / file.folder_path
        yield origin, folder / dataset.id / file.name
    yield "cache", cached_path(dataset, file)


def _altered(dataset: Dataset, file: DataFile, path: Path, digest: Digest, origin: Origin) -> str:
    if origin == "cache":
        again = "fetch" if file.url is not None else "import"
        cure = f"qoslab data {again} {dataset.id}" + ("" if file.url is not None else " --from DIR")
    else:
        cure = f"put the published bytes there, or point {origin} elsewhere"
    return (
        f"{path} is not {dataset.reference(file)}: its bytes are unknown or altered, so it is not used\n"
        f"  found:    {digest.bytes} bytes, sha256 {digest.sha256}\n"
        f"  expected: {describe_editions(file)}\n"
        f"  cure:     {cure}"
    )
