"""Text files, whole or not at all."""

from __future__ import annotations

from pathlib import Path

from qoslab.core.files import write_whole

__all__ = ["write_text"]


def write_text(path: Path, text: str) -> Path:
    """Write a file so that readers see its old or its new content, never a part; its folder is made.

    Args:
        path: The file.
        text: The content.

    Returns:
        The file.

    Raises:
        DiskFull: There was no room; the old content stands.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text.encode())
    return path
