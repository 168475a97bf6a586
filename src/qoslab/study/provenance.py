"""Where a row comes from: versions, commit, machine, time."""

from __future__ import annotations

import json
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from qoslab import __version__

__all__ = ["commit", "now", "versions"]

_PACKAGES = ("numpy", "scipy", "numba", "networkx", "torch", "cvxpy")


def versions() -> str:
    """Versions of qoslab, Python and what computes, and the platform, as a JSON object."""
    found = {"qoslab": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    found["platform"] = f"{platform.system()} {platform.machine()}"
    return json.dumps(found)


def commit(folder: Path) -> str:
    """The git commit that a folder's files belong to, with `-dirty` where they differ from it.

    Returns:
        Empty where there is no repository, or no git.
    """
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def now() -> str:
    """The time in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
