"""Figures as files: PDF and SVG with embedded type, CSV of what is drawn, the same bytes every time."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from qoslab.core.files import write_whole
from qoslab.draw.palette import INK
from qoslab.draw.style import attached, style

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure

__all__ = ["save", "svg_text"]


def save(figure: Figure, path_stem: Path | str) -> list[Path]:
    """Write a figure as PDF, SVG and CSV.

    Files hold no date and no machine's name: drawing the same numbers again gives the same bytes.

    Args:
        figure: The figure.
        path_stem: Path without extension; `.pdf`, `.svg` and `.csv` are added. Its folder is made.

    Returns:
        The files written. The CSV holds what `attach` left with the figure, else the lines found in it.
    """
    stem = Path(path_stem)
    stem.parent.mkdir(parents=True, exist_ok=True)
    data = attached(figure)
    table = _lines_of(figure) if data is None else data
    return [
        _write(stem, ".pdf", _rendered(figure, "pdf")),
        _write(stem, ".svg", _rendered(figure, "svg")),
        _write(stem, ".csv", table.write_csv(float_precision=None).encode()),
    ]


def svg_text(figure: Figure, *, prefix: str, title: str = "") -> str:
    """A figure as an `<svg>` element to stand inside a page.

    Its ink takes the page's text colour, its size follows the page's width, its ids carry the prefix so that
    several figures can stand in one page.

    Args:
        figure: The figure.
        prefix: Unique within the page; letters, digits and hyphens.
        title: What a screen reader says.
    """
    text = _rendered(figure, "svg").decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(
        r'(<g) id="(?:figure|axes|patch|line2d|text|matplotlib\.axis|xtick|ytick|legend)_\d+"', r"\1", text
    )
    text = re.sub(r'\bid="([^"]+)"', rf'id="{prefix}-\1"', text)
    text = re.sub(r'(href="#|url\(#)([^")]+)', rf"\1{prefix}-\2", text)
    text = text.replace(INK, "currentColor")
    opening, rest = text.split(">", 1)
    opening = re.sub(r'\s(width|height)="[^"]*pt"', "", opening)
    opening = re.sub(r'\sxmlns(:xlink)?="[^"]*"|\sversion="[^"]*"', "", opening)
    safe = title.replace("&", "&amp;").replace("<", "&lt;")
    width = float(figure.get_size_inches()[0]) * 96
    opening += f' role="img" style="max-width:{width * 1.35:.0f}px"'
    return f"{opening}><title>{safe}</title>{rest}".replace("xlink:href", "href").strip()


def _rendered(figure: Figure, kind: str) -> bytes:
    clean: dict[str, dict[str, None]] = {
        "pdf": {"CreationDate": None, "Producer": None, "Creator": None},
        "svg": {"Date": None, "Creator": None},
    }
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format=kind, metadata=clean[kind])
    return buffer.getvalue()


def _write(stem: Path, extension: str, content: bytes) -> Path:
    path = stem.with_name(stem.name + extension)
    write_whole(path, content)
    return path


def _lines_of(figure: Figure) -> pl.DataFrame:
    """The points of every labelled line: what a figure drawn without building blocks can tell of itself."""
    import polars as pl

    parts = [pl.DataFrame(schema={"axes": pl.Int64, "label": pl.String, "x": pl.Float64, "y": pl.Float64})]
    for number, axes in enumerate(figure.axes):
        for line in axes.get_lines():
            points, label = line.get_xydata(), str(line.get_label())
            if not label.startswith("_"):
                x, y = np.asarray(points, dtype=np.float64).T
                parts.append(
                    pl.DataFrame({"axes": number, "label": label, "x": x, "y": y}, schema=parts[0].schema)
                )
    return pl.concat(parts)
