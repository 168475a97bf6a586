"""BibTeX: split, deduplicated, told in a line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from qoslab.report.cite import bibliography, entries, fields, reference

PAPER = r"""@article{mitzenmacher2001,
  author = {Mitzenmacher, Michael},
  title = {The Power of Two Choices in Randomized Load Balancing},
  journal = "IEEE Trans. Parallel Distrib. Syst.",
  volume = 12, pages = {1094--1104}, year = 2001
}"""
BOOK = (
    r"@book{erlang, author = {Erd{\H o}s, P. and R{\'e}nyi, A. and Kov{\'a}cs, {B.} and O'Neil, C.}, "
    r"title={On {SED} \& more}, publisher={X}, year={1960}}"
)


def test_fields_in_braces_quotes_and_bare() -> None:
    found = fields(PAPER)
    assert found["journal"] == "IEEE Trans. Parallel Distrib. Syst."
    assert (found["volume"], found["year"], found["pages"]) == ("12", "2001", "1094--1104")


def test_reference_reads_like_one() -> None:
    assert reference(PAPER) == (
        "Michael Mitzenmacher. The Power of Two Choices in Randomized Load Balancing. "
        "IEEE Trans. Parallel Distrib. Syst.. 2001."
    ).replace("Syst..", "Syst.")
    told = reference(BOOK)
    assert "A. Rényi, B. Kovács et al." in told
    assert "On SED & more" in told
    assert "{" not in told
    assert reference("") == ""
    assert reference("folk method") == ""


def test_bibliography_has_each_key_once_in_order() -> None:
    text = bibliography([PAPER, "", BOOK, PAPER + "\n" + BOOK])
    assert [key for key, _ in entries(text)] == ["erlang", "mitzenmacher2001"]
    assert text.endswith("}\n")
    assert bibliography([]) == ""


@given(st.text(alphabet="@{}\",= \nab\\'", max_size=80))
def test_any_text_is_survived(text: str) -> None:
    reference(text)
    again = bibliography([text])
    assert bibliography([again]) == again
