"""All datasets by name.

The tables of this package are read on the first look-up; domains and plug-ins add theirs with
`register_dataset` when they are imported. Registering opens no file and no socket.
"""

from __future__ import annotations

import importlib
import pkgutil

from qoslab.core.errors import BadInput, Problem, did_you_mean
from qoslab.datasets.dataset import DataFile, Dataset

__all__ = ["all_datasets", "get_dataset", "register_dataset", "resolve"]

_known: dict[str, Dataset] = {}
_TABLES = "qoslab.datasets.tables"


def register_dataset(new: Dataset) -> None:
    """Make a dataset known.

    Args:
        new: The dataset; registering an equal one again does nothing.

    Raises:
        ValueError: Another dataset has this id.
    """
    if _known.setdefault(new.id, new) != new:
        message = f"two datasets are named {new.id!r}"
        raise ValueError(message)


def _read_tables() -> None:
    package = importlib.import_module(_TABLES)
    for module in pkgutil.iter_modules(package.__path__, _TABLES + "."):
        importlib.import_module(module.name)


def all_datasets() -> list[Dataset]:
    """Every known dataset, by id."""
    _read_tables()
    return [_known[name] for name in sorted(_known)]


def get_dataset(name: str) -> Dataset:
    """The dataset of that id.

    Raises:
        BadInput: There is none.
    """
    _read_tables()
    if name not in _known:
        message = f"there is no dataset {name!r}"
        hint = did_you_mean(name, _known) or "`qoslab data list` shows them all"
        raise BadInput(Problem(message=message, hint=hint))
    return _known[name]


def resolve(reference: str) -> tuple[Dataset, DataFile]:
    """The dataset and the file that a reference names.

    Args:
        reference: `DATASET/FILE`, or `DATASET` alone where it has a single file.

    Returns:
        Both.

    Raises:
        BadInput: There is no such dataset or file, or the dataset has several files.
    """
    name, slash, file_name = reference.partition("/")
    found = get_dataset(name)
    if not slash and len(found.files) == 1:
        return found, found.files[0]
    for file in found.files:
        if file.name == file_name:
            return found, file
    names = [file.name for file in found.files]
    if slash:
        message = f"dataset {name!r} has no file {file_name!r}"
        raise BadInput(Problem(message=message, hint=did_you_mean(file_name, names)))
    message = f"dataset {name!r} has {len(names)} files; say which one, as in {name}/{names[0]}"
    raise BadInput(message)
