"""Where data files lie: the data folders a person names, and the user cache."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from qoslab.core.errors import BadInput
from qoslab.datasets.dataset import DataFile, Dataset

__all__ = ["Origin", "cache_root", "cached_path", "data_folders"]

Origin = Literal["--data", "QOSLAB_DATA", "cache"]


def cache_root() -> Path:
    """The folder of downloaded and imported data.

    `$QOSLAB_CACHE/datasets` where that variable is set, else `datasets` in the platform's user cache. The
    folder need not exist.
    """
    chosen = os.environ.get("QOSLAB_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute() / "datasets"
    import platformdirs

    return platformdirs.user_cache_path("qoslab", appauthor=False) / "datasets"


def cached_path(dataset: Dataset, file: DataFile) -> Path:
    """Where the cache keeps a file."""
    return cache_root() / dataset.id / file.name


def data_folders(data: Path | None) -> list[tuple[Origin, Path]]:
    """The data folders to look in before the cache, first the explicit one.

    Args:
        data: What `--data` names, or None.

    Returns:
        Pairs of origin and folder.

    Raises:
        BadInput: A named folder does not exist: looking elsewhere would hide the slip.
    """
    named: list[tuple[Origin, str | Path | None]] = [
        ("--data", data),
        ("QOSLAB_DATA", os.environ.get("QOSLAB_DATA")),
    ]
    folders: list[tuple[Origin, Path]] = []
    for origin, place in named:
        if not place:
            continue
        folder = Path(place).expanduser().absolute()
        if not folder.is_dir():
            message = f"{origin} names {str(folder)!r}, which is not a folder"
            raise BadInput(message)
        folders.append((origin, folder))
    return folders
