"""The cache of compiled kernels on disk: where it lies, what keys it, and what happens when it cannot be used.

Numba's own cache does not see changes in other files and lets two processes write one data file. Here each kernel has
its own files, named by the fingerprint of all it depends on (`clone.fingerprint`); the layout of the NamedTuples it
is given is part of each key; data files have unique names, so that processes may warm the cache at the same time; and
anything unreadable counts as absent. Numba keeps compiled code as pickles: nobody but the user may be able to put
files there, nor to put another folder in the place of ours.
"""

from __future__ import annotations

import functools
import os
import stat
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
    # The user's own folder may stand behind a link, and a group may write to it where the user's habit (umask) lets it;
    # the one under the temporary folder has a name anybody can guess.
    for base, shared in ((Path(os.path.realpath(top)), stat.S_IWGRP), (_temporary(), 0)):
        place = base / "kernels" / name
        if _is_ours(base, shared) and _usable(place):
            return place
    return None


def _temporary() -> Path:
    user = os.getuid() if hasattr(os, "getuid") else "user"
    return Path(tempfile.gettempdir()) / f"qoslab-{user}"


def _usable(place: Path) -> bool:
    """Whether the folder and the one above exist or can be made, are nobody else's, and can be written."""
    if not (_is_ours(place.parent) and _is_ours(place)):
        return False
    try:
        tempfile.TemporaryFile(dir=place).close()
    except OSError:
        return False
    return True


def _is_ours(folder: Path, shared: int = 0) -> bool:
    """Make a folder, or see whether it is one, no link to one, that this user owns and nobody else can write to."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError:
        return False
    if not stat.S_ISDIR(status.st_mode):
        return False
    others = (stat.S_IWGRP | stat.S_IWOTH) & ~shared
    return not hasattr(os, "getuid") or (status.st_uid == os.getuid() and not status.st_mode & others)


def disk_cache(function: FunctionType, fingerprint: str) -> Any | None:
    """Numba's cache object for one kernel; None where nothing can be cached."""
    place = folder()
    if place is None:
        return None
    from qoslab.engine.kept import KeptKernels

    return KeptKernels(function, place, fingerprint)
