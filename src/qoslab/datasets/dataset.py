"""The nouns of the room: a dataset, its files, and the contents a file is known to have."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import quote

from qoslab.datasets.digest import Digest

__all__ = ["DataFile", "Dataset", "Edition", "github"]

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_HEX = re.compile(r"[0-9a-f]*")


def _require(condition: bool, message: str) -> None:  # noqa: FBT001 - reads as an assertion
    if not condition:
        raise ValueError(message)


@dataclass(frozen=True, kw_only=True)
class Edition:
    """One content that a file is known to have.

    Public datasets circulate in several editions that differ in a few bytes (line ends, a corrected row);
    each that was checked is listed, and nothing else is accepted.

    Attributes:
        sha256: SHA-256 of the content, hexadecimal; None where only git's name of it is known.
        git_sha1: Git's name of the content, see `Digest.git_sha1`; None where unknown.
        bytes: Length; None where unknown.
        note: Where this edition is found, if there is more than one.
    """

    sha256: str | None = None
    git_sha1: str | None = None
    bytes: int | None = None
    note: str = ""

    def __post_init__(self) -> None:
        _require(self.sha256 is not None or self.git_sha1 is not None, "an edition needs a checksum")
        for value, length in ((self.sha256, 64), (self.git_sha1, 40)):
            known = value is None or (len(value) == length and _HEX.fullmatch(value) is not None)
            _require(known, f"{value!r} is not {length} lower-case hexadecimal digits")
        _require(self.bytes is None or self.bytes >= 0, "a length is not negative")

    def matches(self, digest: Digest) -> bool:
        """Whether a file is this edition: everything known of the edition must agree."""
        return (
            self.sha256 in (None, digest.sha256)
            and self.git_sha1 in (None, digest.git_sha1)
            and self.bytes in (None, digest.bytes)
        )


@dataclass(frozen=True, kw_only=True)
class DataFile:
    """One file of a dataset.

    Attributes:
        name: Its name in the dataset and in the cache; a plain file name.
        editions: The contents it may have, the usual one first.
        url: Where it is downloaded from; None for a file that nobody serves.
        folder_path: Where it lies in a data folder (`--data`, `QOSLAB_DATA`), with forward slashes; None where
            it lies at `DATASET/NAME` only.
        limit_bytes: A bound on the length where an edition's length is unknown.
    """

    name: str
    editions: tuple[Edition, ...]
    url: str | None = None
    folder_path: str | None = None
    limit_bytes: int | None = None

    def __post_init__(self) -> None:
        # Names become paths below the cache: nothing here may climb out of it or collide with our own files.
        _require(_NAME.fullmatch(self.name) is not None, f"{self.name!r} is not a plain file name")
        _require(not self.name.endswith(".part"), "names ending in .part belong to unfinished downloads")
        _require(bool(self.editions), f"{self.name} has no edition")
        if self.folder_path is not None:
            path = PurePosixPath(self.folder_path)
            inside = not path.is_absolute() and ".." not in path.parts
            _require(inside, f"{self.folder_path!r} leaves the data folder")
        if any(edition.bytes is None for edition in self.editions):
            _require(self.limit_bytes is not None, f"{self.name}: an unknown length needs limit_bytes")

    @classmethod
    def of(
        cls,
        name: str,
        sha256: str,
        size: int,
        *,
        url: str | None = None,
        folder_path: str | None = None,
        git_sha1: str | None = None,
    ) -> DataFile:
        """A file with a single known edition.

        Args:
            name: See `DataFile.name`.
            sha256: SHA-256 of the content, hexadecimal.
            size: Length in bytes.
            url: See `DataFile.url`.
            folder_path: See `DataFile.folder_path`.
            git_sha1: Git's name of the content, where known.

        Returns:
            The file.
        """
        edition = Edition(sha256=sha256, git_sha1=git_sha1, bytes=size)
        return cls(name=name, editions=(edition,), url=url, folder_path=folder_path)

    @property
    def sizes(self) -> frozenset[int] | None:
        """The lengths it may have; None if an edition's length is unknown."""
        known = {edition.bytes for edition in self.editions if edition.bytes is not None}
        return frozenset(known) if all(e.bytes is not None for e in self.editions) else None

    @property
    def max_bytes(self) -> int:
        """No accepted content is longer."""
        known = [edition.bytes for edition in self.editions if edition.bytes is not None]
        return max([*known, self.limit_bytes or 0])

    def edition_of(self, digest: Digest) -> Edition | None:
        """The edition that has these checksums, or None for unknown or altered bytes."""
        return next((edition for edition in self.editions if edition.matches(digest)), None)


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A named set of files with its licence and citation.

    Attributes:
        id: Lower-case words joined by hyphens, such as `azure-llm-2023`.
        summary: One line: what was measured, where and when.
        licence: SPDX name such as `CC-BY-4.0`, or `none stated`.
        licence_note: What else a user must know before passing the data on; may be empty.
        citation: BibTeX of what to cite.
        files: The files, in the order they are listed.
        redistributable: Whether the licence clearly allows to pass the files on.
        homepage: Page a person reads, and gets the files from by hand; may be empty.
        obtain: How a person comes by those files that have no URL, as a sentence; may be empty.
    """

    id: str
    summary: str
    licence: str
    citation: str
    files: tuple[DataFile, ...]
    redistributable: bool
    licence_note: str = ""
    homepage: str = ""
    obtain: str = ""

    def __post_init__(self) -> None:
        _require(_ID.fullmatch(self.id) is not None, f"{self.id!r} is not lower-case words joined by hyphens")
        _require(bool(self.files), f"{self.id} has no files")
        # Folded, since two names that differ in case only are one file on many macOS disks.
        names = {file.name.casefold() for file in self.files}
        _require(len(names) == len(self.files), f"{self.id}: two files have one name")

    @property
    def max_bytes(self) -> int:
        """Total length of the files, at most."""
        return sum(file.max_bytes for file in self.files)

    def reference(self, file: DataFile) -> str:
        """`DATASET/FILE`, the way scenarios and error messages name a file."""
        return f"{self.id}/{file.name}"


def github(repository: str, commit: str, path: str) -> str:
    """The URL of a file's bytes in a public GitHub repository at a fixed commit.

    Args:
        repository: `OWNER/NAME`.
        commit: The full commit id, so that the address can never serve other bytes.
        path: The file's path in the repository, unquoted.

    Returns:
        An https URL.
    """
    return f"https://raw.githubusercontent.com/{repository}/{commit}/{quote(path)}"
