"""Take local copies of data files into the user cache, found by their content whatever their name."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from qoslab.core.errors import BadInput
from qoslab.datasets.dataset import DataFile, Dataset
from qoslab.datasets.digest import CHUNK_BYTES, Digest, digest_of
from qoslab.datasets.errors import FetchError
from qoslab.datasets.locate import describe_editions
from qoslab.datasets.parts import open_part
from qoslab.datasets.places import cached_path
from qoslab.datasets.stamps import verified_digest

__all__ = ["Imported", "import_from"]


@dataclass(frozen=True)
class Imported:
    """What became of one wanted file.

    Attributes:
        reference: `DATASET/FILE`.
        status: `imported`; `present` if the cache had it before; `refused` if only copies with unknown or altered
            bytes, or unreadable ones, bear its name; `missing` if there was nothing.
        path: Where it lies in the cache; None for the last two.
        source: The copy that was taken or refused.
        reason: Why it was refused, or where it is missing.
    """

    reference: str
    status: Literal["imported", "present", "refused", "missing"]
    path: Path | None = None
    source: Path | None = None
    reason: str = ""


@dataclass
class _Wanted:
    dataset: Dataset
    file: DataFile
    done: Imported | None = None
    refusals: list[Imported] = field(default_factory=list)

    @property
    def reference(self) -> str:
        return self.dataset.reference(self.file)

    def may_be(self, path: Path, size: int) -> bool:
        """Whether reading a file of this length could be worth it."""
        if self.file.sizes is not None:
            return size in self.file.sizes
        # Where an edition's length is unknown, the ending keeps us from reading whole download folders.
        return size <= self.file.max_bytes and path.suffix == PurePosixPath(self.file.name).suffix

    def is_named(self, path: Path) -> bool:
        """Whether a file bears the name, here or in a data folder."""
        names = {self.file.name, PurePosixPath(self.file.folder_path or self.file.name).name}
        return path.name.casefold() in {name.casefold() for name in names}

    def refuse(self, source: Path, reason: str) -> None:
        self.refusals.append(Imported(self.reference, "refused", None, source, reason))


def import_from(folder: Path, chosen: Sequence[Dataset], *, link: bool = False) -> list[Imported]:
    """Find the files of some datasets below a folder and take them into the cache.

    Content decides: a renamed copy is found, a namesake with other bytes is refused.

    Args:
        folder: Where to search, with all folders below it; or a single file.
        chosen: The datasets.
        link: Make hard links instead of copies where the disk allows it.

    Returns:
        One row for every file of the datasets, in their order.

    Raises:
        BadInput: `folder` does not exist.
        FetchError: The cache cannot be written; files taken before stay.
    """
    if not folder.exists():
        message = f"{str(folder)!r} does not exist"
        raise BadInput(message)
    wanted = [_Wanted(dataset, file) for dataset in chosen for file in dataset.files]
    for item in wanted:
        item.done = _present(item)
    for path in _files(folder):
        open_items = [item for item in wanted if item.done is None]
        if not open_items:
            break
        _consider(path, open_items, link=link)
    return [item.done or _not_found(item, folder) for item in wanted]


def _present(item: _Wanted) -> Imported | None:
    path = cached_path(item.dataset, item.file)
    try:
        edition = item.file.edition_of(verified_digest(path))
    except OSError:
        return None
    return None if edition is None else Imported(item.reference, "present", path)


def _files(folder: Path) -> Iterator[Path]:
    if folder.is_file():
        yield folder
    for where, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(where, name)
            if path.is_file():  # No sockets, no pipes.
                yield path


def _consider(path: Path, items: Sequence[_Wanted], *, link: bool) -> None:
    try:
        size = path.stat().st_size
        digest = digest_of(path) if any(item.may_be(path, size) for item in items) else None
    except OSError as error:
        for item in items:
            if item.is_named(path):
                item.refuse(path, f"cannot be read: {error.strerror or error}")
        return
    for item in items:
        if digest is not None and item.file.edition_of(digest) is not None:
            _take(item, path, link=link)
        elif item.is_named(path):
            item.refuse(path, _difference(item.file, size, digest))


def _take(item: _Wanted, source: Path, *, link: bool) -> None:
    target = cached_path(item.dataset, item.file)
    try:
        kept = (link and _link(item.file, source, target)) or _copy(item.file, source, target)
    except OSError as error:
        message = f"cannot take {source} into {target.parent}: {error.strerror or error}"
        raise FetchError(message) from error
    if kept:
        item.done = Imported(item.reference, "imported", target, source)
    else:
        item.refuse(source, "it changed while it was copied")


def _copy(file: DataFile, source: Path, target: Path) -> bool:
    """Copy, verify the copy, and put it in place; False if the copy is not a known edition."""
    with open_part(target, resume=False) as part, source.open("rb") as stream:
        while chunk := stream.read(CHUNK_BYTES):
            part.append(chunk)
        good = file.edition_of(digest_of(part.path)) is not None
        if good:
            part.publish()
        else:
            part.discard()
    return good


def _link(file: DataFile, source: Path, target: Path) -> bool:
    """Link, verify, and put in place; False if it cannot be linked or is not a known edition."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f"{target.name}.{secrets.token_hex(4)}.link")
    try:
        os.link(source.resolve(), temporary)
        if file.edition_of(digest_of(temporary)) is None:
            return False
        os.replace(temporary, target)
    except OSError:
        return False  # Another disk, or one without links: copy.
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _difference(file: DataFile, size: int, digest: Digest | None) -> str:
    found = f"{size} bytes" if digest is None else f"{size} bytes, sha256 {digest.sha256}"
    return f"its bytes are unknown or altered: found {found}; expected {describe_editions(file)}"


def _not_found(item: _Wanted, folder: Path) -> Imported:
    if item.refusals:
        return item.refusals[0]
    return Imported(item.reference, "missing", reason=f"no copy below {folder}")
