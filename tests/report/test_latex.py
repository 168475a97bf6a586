"""LaTeX tables: every special character escaped, columns and braces in order."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qoslab.report.compare import compare
from qoslab.report.latex import escape, latex_table


@given(st.text(max_size=60))
def test_escaped_text_has_no_live_characters(text: str) -> None:
    """After the commands we write ourselves are taken away, nothing special is left, and braces are balanced."""
    out = escape(text)
    assert "\n" not in out
    rest = re.sub(r"\\text[a-z]+\{\}|\\dots\{\}|\$(?:-|\\times)\$|\\[{}$&#%_]", "", out)
    assert not set(rest) & set("\\{}$&#%_~^")


def test_escape_keeps_what_it_says() -> None:
    assert escape("a_b & 50 % {x} #1 ~ ^ \\ $") == (
        r"a\_b \& 50 \% \{x\} \#1 \textasciitilde{} \textasciicircum{} \textbackslash{} \$"
    )
    assert escape("−1.2 µs") == r"$-$1.2 \textmu{}s"


@pytest.fixture
def table(lab: SimpleNamespace) -> str:
    grid = [(0.7,), (0.9,)]
    values = {
        "lsq": {p: lab.sample(0.030, 0.001, key=1) for p in grid},
        "sed": {p: lab.sample(0.020, 0.001, key=2) for p in grid},
        "nq_50%&{x}\\": {p: lab.sample(0.030, 0.001, key=3) for p in grid},
    }
    frame = compare(lab.build(values, ["load_a"]))
    return latex_table(frame, lab.metrics[0], study="tails_1", level=0.95)


def test_rows_and_columns_agree(table: str) -> None:
    spec = re.search(r"\\begin\{tabular\}\{@\{\}([lr]+)@\{\}\}", table)
    assert spec is not None
    rows = [line for line in table.splitlines() if line.endswith(r"\\")]
    assert len(rows) == 1 + 6
    for row in rows:
        assert len(re.findall(r"(?<!\\)&", row)) == len(spec.group(1)) - 1
    assert table.count(r"\midrule") == 2
    assert r"\textbf{sed}" in table
    assert r"nq\_50\%\&\{x\}\textbackslash{}" in table


def test_braces_and_environments_are_balanced(table: str) -> None:
    code = "\n".join(line for line in table.splitlines() if not line.startswith("%"))
    plain = code.replace(r"\{", "").replace(r"\}", "")
    assert plain.count("{") == plain.count("}")
    assert re.findall(r"\\begin\{(\w+)\}", code) == list(reversed(re.findall(r"\\end\{(\w+)\}", code)))
    assert plain.count("$") % 2 == 0


@pytest.mark.full
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex with booktabs")
def test_latex_accepts_it(table: str, tmp_path: Path) -> None:
    text = (
        rf"\documentclass{{article}}\usepackage{{booktabs,textcomp}}\begin{{document}}{table}\end{{document}}"
    )
    (tmp_path / "t.tex").write_text(text, encoding="utf-8")
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "t.tex"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)
