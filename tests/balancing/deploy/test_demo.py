"""The study of a steered HAProxy: interleaving, going on where it was stopped, and what is claimed of the figures."""

import importlib.util
from pathlib import Path

import pytest

FILE = Path(__file__).parents[3] / "studies" / "balancing" / "haproxy_demo.py"


@pytest.fixture
def demo(monkeypatch):
    spec = importlib.util.spec_from_file_location("haproxy_demo", FILE)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(__import__("sys").modules, "haproxy_demo", module)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def played(demo, monkeypatch):
    """Runs that cost nothing; which were asked for, in order."""
    asked = []

    def one(repeat, row, seconds, *, slowed):
        asked.append((repeat, row[0]))
        p99 = 0.1 * (1.0 + 0.01 * repeat) * (0.5 if row[0] == demo.OURS else 1.0)
        phases = (demo.BEFORE, demo.AFTER) if slowed else (demo.BEFORE,)
        return [demo.Run(repeat, row[0], phase, seconds, p99 / 4, p99 / 2, p99, 0.3) for phase in phases]

    monkeypatch.setattr(demo, "one", one)
    monkeypatch.setattr(demo, "find_haproxy", lambda: "haproxy")
    return asked


def test_repeats_are_interleaved(demo, played):
    assert demo.main(["--repeats", "2"]) == 0
    names = [name for name, *_ in demo.ROWS]
    assert played == [(repeat, name) for repeat in range(2) for name in names]


def test_the_same_command_goes_on(demo, played, tmp_path, capsys):
    words = ["--repeats", "3", "--slowed", "--out", str(tmp_path / "runs.jsonl")]
    demo.main(words)
    whole, kept = capsys.readouterr().out, (tmp_path / "runs.jsonl").read_text()
    lines = kept.splitlines(keepends=True)
    assert len(lines) == 2 * 3 * len(demo.ROWS)
    (tmp_path / "runs.jsonl").write_text("".join(lines[:-2]) + lines[-2][:20])  # killed while it wrote
    played.clear()
    demo.main(words)
    assert played == [(2, demo.OURS)]
    assert capsys.readouterr().out == whole


def runs_of(demo, factor):
    """Five repeats; ours has `factor` times the 99th percentile of the static weights, and half of the others'."""
    found = []
    for repeat in range(5):
        for name, *_ in demo.ROWS:
            p99 = {demo.STATIC: 0.1, demo.OURS: 0.1 * factor}.get(name, 0.2 * factor) * (1 + 0.1 * repeat)
            found += [
                demo.Run(repeat, name, phase, 15.0, p99, p99, p99, 0.3) for phase in (demo.BEFORE, demo.AFTER)
            ]
    return found


@pytest.mark.parametrize(
    ("factor", "before", "after"), [(0.98, True, True), (1.04, True, False), (1.06, False, False)]
)
def test_claims_are_judged_by_the_upper_end(demo, factor, before, after):
    lines = demo.claims(runs_of(demo, factor))
    assert len(lines) == len(demo.CLAIMS)
    held = {
        (phase, name): line.endswith(": holds")
        for (phase, name, _), line in zip(demo.CLAIMS, lines, strict=True)
    }
    assert held.pop((demo.BEFORE, demo.STATIC)) == before
    assert held.pop((demo.AFTER, demo.STATIC)) == after
    assert all(held.values())


def test_one_repeat_proves_nothing(demo):
    assert demo.claims([run for run in runs_of(demo, 0.5) if run.repeat == 0]) == []
