"""What was verified before: checksums are computed once per file, not once per run.

One small JSON file per verified file, in the user cache and never beside the data, which may be read-only. Whoever
can write stamps can write the cache itself, so they need no more trust than it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from pathlib import Path

from qoslab.core.files import DiskFull, write_whole
from qoslab.datasets.digest import Digest, digest_of
from qoslab.datasets.places import cache_root

__all__ = ["verified_digest"]

# A file changed twice within one tick of its disk's clock keeps its times (git's "racily clean" index entries);
# times this young prove nothing yet. Two seconds is the tick of the coarsest disks in use.
_YOUNG_NS = 2_000_000_000


def verified_digest(path: Path) -> Digest:
    """The checksums of a file, from memory where it was not touched since they were computed.

    Args:
        path: The file.

    Returns:
        Its checksums.

    Raises:
        OSError: The file cannot be read or changes all the time.
    """
    # Every path to one file gives the same stamp, however the folder was spelled.
    path = path.resolve()
    identity = _identity(path)
    stamp = _stamp_path(path)
    remembered = _read(stamp, identity)
    if remembered is not None:
        return remembered
    digest = digest_of(path)
    after = _identity(path)
    settled = time.time_ns() - max(after["mtime_ns"], after["ctime_ns"]) > _YOUNG_NS
    if after == identity and settled:
        _write(stamp, path, identity, digest)
    return digest


def _identity(path: Path) -> dict[str, int]:
    """What changes when a file is touched; ctime catches those who set the other times back."""
    stat = os.stat(path)
    return {
        "bytes": stat.st_size,
        "mtime_ns": stat.st_mtime_ns,
        "ctime_ns": stat.st_ctime_ns,
        "inode": stat.st_ino,
    }


def _stamp_path(path: Path) -> Path:
    name = hashlib.sha256(os.fsencode(path)).hexdigest()
    return cache_root() / ".verified" / f"{name}.json"


def _read(stamp: Path, identity: dict[str, int]) -> Digest | None:
    try:
        kept = json.loads(stamp.read_bytes())
        if kept["identity"] != identity:
            return None
        sha256, git_sha1 = str(kept["sha256"]), str(kept["git_sha1"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # Absent or damaged: compute again.
    return Digest(bytes=identity["bytes"], sha256=sha256, git_sha1=git_sha1)


def _write(stamp: Path, path: Path, identity: dict[str, int], digest: Digest) -> None:
    kept = {
        "path": os.fsdecode(path),
        "identity": identity,
        "sha256": digest.sha256,
        "git_sha1": digest.git_sha1,
    }
    # A cache that cannot be written costs time, never the run.
    with contextlib.suppress(OSError, DiskFull):
        stamp.parent.mkdir(parents=True, exist_ok=True)
        write_whole(stamp, json.dumps(kept, indent=1).encode())
