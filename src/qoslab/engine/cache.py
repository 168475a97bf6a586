"""The cache of compiled kernels on disk: where it lies, what keys it, and what happens when it cannot be used.

Numba's own cache does not see changes in other files and lets two processes write one data file. Here each kernel has
its own files, named by the fingerprint of all it depends on (`clone.fingerprint`); the layout of the NamedTuples it
is given is part of each key; data files have unique names, so that processes may warm the cache at the same time; and
anything unreadable counts as absent. Numba keeps compiled code as pickles: the folder must belong to the user alone.
"""

from __future__ import annotations

import functools
import os
import sys
import tempfile
from pathlib import Path
from types import FunctionType
from typing import Any

__all__ = ["disk_cache", "folder", "root"]

ENVIRONMENT = "QOSLAB_CACHE"


def root() -> Path:
    """The folder that all caches of qoslab lie in: the variable `QOSLAB_CACHE`, or the user's cache folder."""
    named = os.environ.get(ENVIRONMENT)
    if named:
        return Path(named).expanduser().absolute()
    from platformdirs import user_cache_path

    return user_cache_path("qoslab", appauthor=False)


def folder() -> Path | None:
    """The folder of compiled kernels, made where it did not exist.

    Returns:
        `<root>/kernels/<numba>-<python>-<cpu>`; a folder of this user under the temporary folder where that cannot be
        written; None where neither can, and then nothing is cached.
    """
    return _folder(root())


@functools.cache
def _folder(top: Path) -> Path | None:
    import llvmlite.binding as llvm
    import numba

    name = f"numba{numba.__version__}-{sys.implementation.cache_tag}-{llvm.get_host_cpu_name()}"
    user = os.getuid() if hasattr(os, "getuid") else "user"
    for base in (top, Path(tempfile.gettempdir()) / f"qoslab-{user}"):
        place = base / "kernels" / name
        if _usable(place):
            return place
    return None


def _usable(place: Path) -> bool:
    """Whether the folder exists or can be made, can be written, and is nobody else's to write."""
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=place).close()
        status = place.stat()
    except OSError:
        return False
    if not hasattr(os, "getuid"):
        return True
    return status.st_uid == os.getuid() and not status.st_mode & 0o022


def disk_cache(function: FunctionType, fingerprint: str) -> Any | None:
    """Numba's cache object for one kernel; None where nothing can be cached."""
    place = folder()
    if place is None:
        return None
    from qoslab.engine.diskcache import KernelCache

    return KernelCache(function, place, fingerprint)
