"""Exports of synthetic results; the archive itself is tested in the study room."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest

from qoslab.report.export import bibtex, export
from qoslab.report.methods import method_pages


def test_every_table_is_written_once(
    lab: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def archive(results: Path, out: Path) -> Path:
        out.write_bytes(results.name.encode())
        return out

    monkeypatch.setattr("qoslab.study.archive.archive", archive)
    values = {m: {(): lab.sample(0.01, 0.001, key=k)} for k, m in enumerate(("lsq", "sed"))}
    results = lab.build(values, path=tmp_path / "tails.results")
    written = export(results)
    assert [path.name for path in written] == [
        "response-time-p99-s.tex",
        "response-time-p99-s.csv",
        "trials.csv",
        "methods.bib",
        "tails.zip",
    ]
    assert {path.parent for path in written} == {tmp_path / "tails.results" / "tables"}
    back = pl.read_csv(written[2])
    assert back["response_time_p99_s"].to_list() == results.table["response_time_p99_s"].to_list()


def _case(label: str, ident: str, file: str | None = None) -> SimpleNamespace:
    return SimpleNamespace(
        label=label, id=ident, source=SimpleNamespace(file=file, params={"d": 2, "rates": [1.0, 0.5]})
    )


def test_bibtex_leaves_out_what_is_the_users_own(lab: SimpleNamespace) -> None:
    cases = (_case("a", "synthetic/sed"), _case("b", "synthetic/sed"), _case("c", "synthetic/nq", "mine.py"))
    text = bibtex(lab.Study(methods=(*cases, _case("d", "synthetic/unknown"))))
    assert text.count("@inproceedings") == 1
    assert "sed2001" in text


def test_method_pages_know_parameters_and_origin(lab: SimpleNamespace) -> None:
    results = lab.build({"sed": {(): [1.0]}, "nq": {(): [1.0]}})
    cases = (_case("sed", "synthetic/sed"), _case("nq", "synthetic/nq", "mine.py"))
    sed, own = method_pages(dataclasses.replace(results, study=lab.Study(methods=cases)))
    assert sed.parameters == {"d": "2", "rates": "[1, 0.5]"}
    assert sed.reference == "A. Author. On sed. 2001."
    assert (own.origin, own.bibtex, own.summary) == ("the user's own file", "", "")
