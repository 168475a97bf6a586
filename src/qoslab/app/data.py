"""How runs and commands find data files: one lookup for all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

__all__ = ["dataset_lookup"]


def dataset_lookup(folder: Path | None = None) -> Callable[[str], Path]:
    """A function from `DATASET/FILE` to a verified local path, as `Context.dataset` wants it.

    Args:
        folder: A folder of data files that is looked at first; then `QOSLAB_DATA`, then the cache.
    """

    def lookup(name: str) -> Path:
        from qoslab.datasets.locate import locate

        return locate(name, data=folder)

    return lookup
