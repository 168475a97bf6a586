"""The page: well-formed, offline, safe, small, the same every time."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from qoslab.core.domain import FigureEntry
from qoslab.core.registry import registry
from qoslab.report.html import write_report
from qoslab.report.verdict import verdict

EVIL = "sed-<script>alert(1)</script>"
VOID = {"meta", "br", "img", "input", "hr", "link", "wbr"}


class Page(HTMLParser):
    """Checks nesting, and collects text, addresses, ids and scripts."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.scripts: list[dict[str, str | None]] = []
        self.tags: list[str] = []
        self.handlers: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == [], f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        self.tags.append(tag)
        self.addresses += [
            known[key] or "" for key in ("src", "href", "action", "data", "srcset") if key in known
        ]
        self.handlers += [key for key in known if key.startswith("on")]
        if known.get("id"):
            self.ids.append(known["id"] or "")
        if tag == "script":
            self.scripts.append(known)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"closes nothing: {tag}"
        assert self.open[-1] == tag, f"{tag} closes {self.open[-1]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.words.append(data)


def _study(lab: Any, path: Path, **more: Any) -> Any:
    grid = [(0.7,), (0.8,), (0.9,)]
    values = {
        "lsq": {p: lab.sample(0.030, 0.001, key=1) for p in grid},
        "sed": {p: lab.sample(0.010 + (p[0] - 0.7) * 0.05, 0.001, key=2) for p in grid},
        "nq": {p: lab.sample(0.0143, 0.001, key=3) for p in grid},
        EVIL: {p: lab.sample(0.040, 0.001, key=4) for p in grid},
    }

    def status(method: str, point: tuple[float, ...], replication: int) -> tuple[str, str]:
        lost = method == "nq" and point == (0.9,) and replication < 2
        return ("failed", "<img src=x onerror=alert(2)>") if lost else ("done", "")

    return lab.build(values, ["load"], path=path / "tails.results", status=status, **more)


_WRITTEN: dict[str, tuple[str, Path, Any]] = {}


@pytest.fixture
def page(lab: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Any]:
    """One page for all tests that only read it."""
    if not _WRITTEN:
        results = _study(lab, tmp_path_factory.mktemp("page"))
        path = write_report(results)
        _WRITTEN["page"] = path.read_text(encoding="utf-8"), path, results
    return _WRITTEN["page"]


def test_the_verdict_comes_first_word_for_word(page: tuple[str, Path, Any]) -> None:
    text, _, results = page
    parsed = Page(text)
    body = " ".join("".join(parsed.words).replace("\u00a0", " ").split())
    at = 0
    for line in verdict(results).of(
        "question", "answer", "margin", "crossing", "undecided", "lost", "certainty", "next"
    ):
        for piece in (line.text, line.command):
            found = body.find(" ".join(piece.split()), at)
            assert found >= 0, piece
            at = found
    assert body.find("Figures") > body.find(verdict(results).lines[1].text)


def test_nothing_from_outside_and_nothing_smuggled_in(page: tuple[str, Path, Any]) -> None:
    text, path, _ = page
    parsed = Page(text)
    for address in parsed.addresses:
        assert address.startswith("#") or re.fullmatch(
            r"(figures|tables)/[a-z0-9-]+\.(pdf|svg|csv)|trials\.parquet", address
        )
        if not address.startswith("#") and address != "trials.parquet":
            assert (path.parent / address).is_file()
        elif address.startswith("#"):
            assert address[1:] in parsed.ids
    assert not re.search(r"https?://(?!www\.w3\.org)|@import|url\((?!#)", text)
    assert parsed.handlers == []
    assert len(parsed.scripts) == 2
    assert {"iframe", "object", "embed", "link", "form"}.isdisjoint(parsed.tags)
    assert "img" not in parsed.tags
    assert EVIL in "".join(parsed.words)
    assert "<script>alert" not in text
    assert "<img src=x" not in text


def test_ids_are_unique(page: tuple[str, Path, Any]) -> None:
    ids = Page(page[0]).ids
    assert len(ids) == len(set(ids))


def test_the_policy_allows_this_script_and_no_other(page: tuple[str, Path, Any]) -> None:
    text, _, _ = page
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None
    allowed = policy.group(1).replace("&#39;", "'")
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in allowed
    assert "default-src 'none'" in allowed
    assert "unsafe-inline" not in allowed.split("script-src")[1]
    assert text.index("Content-Security-Policy") < text.index("<style")


def test_the_trials_in_the_page_are_those_of_the_table(page: tuple[str, Path, Any]) -> None:
    text, _, results = page
    (block,) = re.findall(r'<script type="application/json" id="trial-data">(.*?)</script>', text, re.DOTALL)
    data = json.loads(block)
    assert "<" not in block
    at = 0
    seen = {}
    for case, method, length in data["runs"]:
        for i in range(at, at + length):
            key = (data["cases"][case], data["methods"][method], i - at)
            seen[key] = (data["values"][0][i], data["states"].get(str(i), ["done"])[0])
        at += length
    assert data["replication"] is None
    assert len(seen) == results.table.height
    for row in results.table.iter_rows(named=True):
        value, state = seen[row["scenario"], row["method"], row["replication"]]
        assert state == row["status"]
        expected = row["response_time_p99_s"]
        assert (value is None) == (expected is None)
        assert value is None or value == pytest.approx(expected, rel=1e-4)


def test_same_results_same_bytes(lab: SimpleNamespace, tmp_path: Path) -> None:
    paths = [write_report(_study(lab, tmp_path / name)).parent for name in ("a", "b")]
    files = [sorted(p.relative_to(folder) for p in folder.rglob("*") if p.is_file()) for folder in paths]
    assert files[0] == files[1]
    assert len(files[0]) >= 8
    for name in files[0]:
        assert (paths[0] / name).read_bytes() == (paths[1] / name).read_bytes(), name


def test_methods_study_file_and_provenance_are_told(page: tuple[str, Path, Any]) -> None:
    words = "".join(Page(page[0]).words)
    for piece in ("The method sed.", "synthetic/sed", "@inproceedings{sed2001", "A. Author. On sed. 2001."):
        assert piece in words
    assert 'name = "tails" # <b>&' in words
    assert "python 3.11.7" in words
    assert "testhost" in words
    assert "sees its own observations only" in words


def test_out_elsewhere(lab: SimpleNamespace, tmp_path: Path) -> None:
    path = write_report(_study(lab, tmp_path), tmp_path / "deep" / "r.html")
    assert path == tmp_path / "deep" / "r.html"
    assert (tmp_path / "deep" / "figures" / "levels.pdf").is_file()
    assert not (tmp_path / "tails.results").exists()


@pytest.mark.parametrize("values", [{"sed": {(): [0.01]}}, {"sed": {(): [None, None]}}])
def test_poor_results_still_give_a_page(lab: SimpleNamespace, tmp_path: Path, values: Any) -> None:
    Page(write_report(lab.build(values, path=tmp_path / "x.results")).read_text(encoding="utf-8"))


def test_one_case_and_two_axes(lab: SimpleNamespace, tmp_path: Path) -> None:
    two = [(x, n) for x in (0.7, 0.9) for n in (16, 64)]
    values = {
        m: {p: lab.sample(0.01 * k * p[0], 0.001, key=k) for p in two}
        for k, m in enumerate(("lsq", "sed"), 1)
    }
    path = write_report(lab.build(values, ["load", "servers.count"], path=tmp_path / "two.results"))
    Page(path.read_text(encoding="utf-8"))
    names = {file.stem for file in (path.parent / "figures").glob("*.svg")}
    assert names == {"levels-servers-count-16", "levels-servers-count-64", "differences", "winners"}


def test_words_between_backticks_are_code_and_the_console_keeps_them(
    lab: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lone backtick stays one, and nothing between two escapes the escaping."""
    step = ("sed", "qoslab list", "A proxy does it with `weight <b>`, not with ` alone; about it")
    domain = dataclasses.replace(registry.domain("synthetic"), next_steps=(step,))
    monkeypatch.setitem(registry._domains, "synthetic", domain)
    results = lab.build({name: {(): lab.sample(m, 0.001)} for name, m in (("lsq", 0.03), ("sed", 0.02))})
    text = write_report(results, tmp_path / "report.html").read_text(encoding="utf-8")
    said = "<dd>A proxy does it with <code>weight &lt;b&gt;</code>, not with ` alone; about it:<br>"
    assert f"{said}<code>qoslab list</code></dd>" in text
    assert step[2] in verdict(results).text


def drawn_figure(rows: pl.DataFrame, series: dict[str, pl.DataFrame]) -> Any:
    from qoslab.draw import Band, lines

    means = rows.group_by("method", maintain_order=True).agg(pl.col("response_time_p99_s").mean())
    return lines(["all"], {name: Band([value]) for name, value in means.iter_rows()})


def broken_figure(rows: pl.DataFrame, series: dict[str, pl.DataFrame]) -> Any:
    message = "no <column>"
    raise KeyError(message)


def test_domain_figures_are_drawn_and_broken_ones_named(
    lab: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = (
        FigureEntry("Means", "here:drawn_figure", "Means of everything"),
        FigureEntry("Broken", "here:broken_figure", "A figure with a fault"),
        FigureEntry("Series", "here:broken_figure", "Needs what nobody kept", ("nothing",)),
    )
    domain = dataclasses.replace(registry.domain("synthetic"), figures=entries)
    monkeypatch.setitem(registry._domains, "synthetic", domain)
    functions = {"here:drawn_figure": drawn_figure, "here:broken_figure": broken_figure}
    monkeypatch.setattr("qoslab.report.figures.load", functions.__getitem__)
    path = write_report(_study(lab, tmp_path))
    words = "".join(Page(path.read_text(encoding="utf-8")).words)
    assert "Means of everything" in words
    assert "A figure with a fault" in words
    assert "no <column>" in words
    assert "Needs what nobody kept" not in words
    assert (path.parent / "figures" / "means.pdf").is_file()


def _hundred_thousand(lab: Any, path: Path) -> Any:
    methods, cases, seeds = 5, 100, 200
    generator = np.random.default_rng(0)
    index = np.arange(methods * cases * seeds)
    load = np.round(0.5 + 0.0045 * ((index // seeds) % cases), 4)
    method = index // (cases * seeds)
    table = pl.DataFrame(
        {
            "scenario": [f"load={x}" for x in load],
            "load": load,
            "method": [f"m{m}" for m in method],
            "method_id": [f"synthetic/m{m}" for m in method],
            "replication": index % seeds,
            "status": np.where(generator.random(index.size) < 0.001, "timeout", "done"),
            "reason": [""] * index.size,
            **{
                metric.name: (1 + 0.05 * method) / (1 - load) * np.exp(generator.normal(0, 0.1, index.size))
                for metric in lab.metrics
            },
        }
    )
    return lab.Results(lab.Study(name="big", seeds=seeds), table, path / "big.results")


def test_a_hundred_thousand_rows_stay_below_five_megabytes(lab: SimpleNamespace, tmp_path: Path) -> None:
    path = write_report(_hundred_thousand(lab, tmp_path))
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 5_000_000
    assert 'id="trial-data"' in text
    assert len(re.findall("<td", text)) < 25_000, "what opens slowly is cells, not bytes"


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.mark.full
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install chromium")
def test_a_browser_shows_the_trials_under_the_policy(lab: SimpleNamespace, tmp_path: Path) -> None:
    path = write_report(_hundred_thousand(lab, tmp_path))
    text = path.read_text(encoding="utf-8").replace(
        "<details><summary>Show the", "<details open><summary>Show the"
    )
    path.write_text(text, encoding="utf-8")
    command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", path.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "1 to 50 of 100000" in done.stdout
