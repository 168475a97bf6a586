"""Tables for a console: aligned, quiet, without colour."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["aligned"]


def aligned(headers: Sequence[str], rows: Sequence[Sequence[str]], *, numeric: Sequence[bool]) -> str:
    """Columns two spaces apart under their heads and a rule; numbers to the right, words to the left.

    Args:
        headers: Column heads.
        rows: Cells as text, each row as long as the heads.
        numeric: Whether a column is set to the right.
    """
    lines = [list(headers), *(list(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(headers))]
    rule = ["-" * width for width in widths]
    out = []
    for line in [lines[0], rule, *lines[1:]]:
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ]
        out.append("  ".join(cells).rstrip())
    return "\n".join(out)
