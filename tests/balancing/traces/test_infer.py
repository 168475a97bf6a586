"""Inference against sites whose truth is known."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qoslab.core.errors import BadInput
from qoslab.domains.balancing.traces.accesslog import read_log
from qoslab.domains.balancing.traces.demand import describe
from qoslab.domains.balancing.traces.flights import fifo_service, found, shared_service
from qoslab.domains.balancing.traces.infer import infer
from qoslab.domains.balancing.traces.servers import fit_server

UNDO = {"fifo": fifo_service, "ps": shared_service}
jobs = st.lists(st.tuples(st.floats(0.0, 3.0), st.floats(0.01, 5.0)), min_size=1, max_size=40)


@pytest.mark.parametrize("discipline", ["fifo", "ps"])
@given(jobs=jobs, cores=st.integers(1, 6))
@settings(deadline=None, max_examples=150)
def test_undoing_a_discipline_gives_the_service_times_back(discipline, jobs, cores):
    from importlib import util
    from pathlib import Path

    spec = util.spec_from_file_location("traces_truth", Path(__file__).with_name("conftest.py"))
    truth = util.module_from_spec(spec)
    spec.loader.exec_module(truth)
    gap, service = np.array(jobs).T
    start = np.cumsum(gap)
    ends = truth.ENDS[discipline](start, service, cores)
    np.testing.assert_allclose(UNDO[discipline](start, ends, cores), service, atol=1e-8)


def test_found_counts_those_present():
    assert found(np.array([0.0, 1.0, 2.0, 2.0]), np.array([1.5, 9.0, 2.5, 3.0])).tolist() == [0, 1, 1, 2]


# Fixed seeds. Each cell's guess fails with a chance below 1 % (30 seeds of each were tried and one in some 200 failed).
@pytest.mark.parametrize("discipline", ["fifo", "ps"])
@pytest.mark.parametrize(("cores", "load"), [(1, 0.5), (1, 0.9), (4, 0.8), (8, 0.8)])
def test_cores_and_discipline_of_one_server(site, discipline, cores, load):
    one = site(discipline, (cores,), (1.0,), load, 6000, seed=3)
    start, end = np.round(one.arrival, 3), np.round(one.ends, 3)
    fits = {model: fit_server(start, end, model, 1e-3) for model in UNDO}
    best = {model: min(found, key=lambda fit: fit.score) for model, found in fits.items()}
    assert best[discipline].score < min(fit.score for model, fit in best.items() if model != discipline)
    alike = [fit.cores for fit in fits[discipline] if fit.score < best[discipline].score + 6.63]
    assert min(alike) <= cores <= max(alike) <= cores + 2


@pytest.mark.parametrize("discipline", ["fifo", "ps"])
def test_a_site_from_its_log(site, tmp_path, discipline):
    true = site(discipline, (2, 2, 4, 4), (1.0, 1.5, 1.0, 0.5), 0.8, 30_000)
    got = infer(read_log(true.haproxy(tmp_path / "h.log")))
    assert got.discipline == discipline
    if discipline == "fifo":
        assert tuple(server.cores for server in got.servers) == true.cores
    for server, cores in zip(got.servers, true.cores, strict=True):
        assert server.cores_low <= cores <= server.cores_high
    for speed, truth in zip(got.speeds, true.speeds, strict=True):
        # 99.99 % bounds: 4 speeds at twice the width of a 95 % interval, and 1 % for the timer's 1 ms.
        assert abs(speed.value - truth) < 2 * (speed.high - speed.value) + 0.01 * truth
        assert (speed.high - speed.low) / truth < 0.1
    assert got.work_s.value == pytest.approx(true.work.mean(), rel=0.03)
    load = true.work.sum() / true.arrival[-1] / np.dot(true.cores, true.speeds)
    assert got.load.value == pytest.approx(load, rel=0.03)


@pytest.mark.full
@pytest.mark.parametrize("discipline", ["fifo", "ps"])
def test_speed_intervals_cover(site, tmp_path, discipline):
    """Of 40 x 3 intervals of 95 %, 105 or more hold the truth: fewer has a chance of 1.4e-3 under independence."""
    held = 0
    for seed in range(40):
        true = site(discipline, (1, 1, 1), (0.8, 1.0, 1.2), 0.7, 3000, seed=seed)
        got = infer(read_log(true.haproxy(tmp_path / f"{seed}.log")))
        held += sum(one.low <= v <= one.high for one, v in zip(got.speeds, true.speeds, strict=True))
    assert held >= 105


def test_a_quiet_site_says_that_cores_are_unknown(site, tmp_path):
    got = infer(read_log(site("fifo", (16,), (1.0,), 0.1, 2000).haproxy(tmp_path / "h.log")))
    assert any("never crowded" in words for words in got.warnings)
    assert got.speeds[0].warning
    assert "WEAK" in str(got.work_s)


@pytest.mark.parametrize("discipline", ["fifo", "ps"])
def test_missing_requests_are_noticed(site, tmp_path, discipline):
    """A log without two thirds of its lines explains no server well (at loads near 1 this need not show)."""
    path = site(discipline, (1,), (1.0,), 0.7, 20_000).haproxy(tmp_path / "h.log")
    lines = path.read_text().splitlines()
    draw = np.random.default_rng(5).random(len(lines)) < 1 / 3
    path.write_text("\n".join(line for line, keep in zip(lines, draw, strict=True) if keep))
    got = infer(read_log(path))
    assert any("requests are missing" in words for words in got.warnings)
    assert got.work_s.warning


def test_a_short_log_gives_arrivals_only(site, tmp_path):
    got = infer(read_log(site("fifo", (1,), (1.0,), 0.5, 50).haproxy(tmp_path / "h.log")))
    assert got.servers == ()
    assert got.work_s is None
    assert "only the arrivals" in got.warnings[0]


def test_demand_of_poisson_and_of_a_clock():
    rng = np.random.default_rng(2)
    steady = describe(np.cumsum(rng.exponential(0.1, 100_000)), start_s=0.0)
    # 100 000 arrivals: standard errors .3 % of the rate and of the CV, 1.4 % of the dispersion in 1 s windows.
    assert steady.rate_per_s.value == pytest.approx(10.0, rel=0.015)
    assert steady.gap_cv == pytest.approx(1.0, abs=0.015)
    assert steady.dispersion[1.0] == pytest.approx(1.0, abs=0.07)
    assert steady.hour_rate_per_s is None
    even = describe(np.arange(1000) * 0.5)
    assert even.gap_cv == pytest.approx(0.0, abs=1e-9)
    assert even.dispersion[10.0] == pytest.approx(0.0)
    assert even.peak_to_mean[10.0] == pytest.approx(1.0)


def test_hours_of_the_day():
    hour = np.arange(48 * 3600)
    busy = hour[(hour // 3600) % 24 == 7]
    demand = describe(np.sort(np.concatenate([hour, busy])).astype(float), start_s=0.0)
    assert np.nanargmax(demand.hour_rate_per_s) == 7
    assert demand.hour_rate_per_s[7] == pytest.approx(2.0)
    assert demand.hour_rate_per_s[8] == pytest.approx(1.0)


def test_all_at_once_has_no_rate(tmp_path):
    line = '1.2.3.4 - - [20/Nov/2026:13:55:36 +0100] "GET / HTTP/1.1" 200 612 "-" "c"\n'
    (tmp_path / "a").write_text(line * 5)
    with pytest.raises(BadInput, match="one instant"):
        infer(read_log(tmp_path / "a"))


DOCS = Path(__file__).parents[3] / "docs" / "balancing" / "traces.md"
LOADS = (0.5, 0.8, 0.9, 0.95)


def shares(site, discipline, cores, load, seeds=30):
    """Percent of sites whose cores are among those named, and whose discipline is found."""
    named = right = 0
    for seed in range(seeds):
        one = site(discipline, (cores,), (1.0,), load, 4000, seed=seed)
        start, end = np.round(one.arrival, 3), np.round(one.ends, 3)
        fits = {model: fit_server(start, end, model, 1e-3) for model in UNDO}
        best = {model: min(found, key=lambda fit: fit.score) for model, found in fits.items()}
        alike = [fit.cores for fit in fits[discipline] if fit.score < best[discipline].score + 6.63]
        named += min(alike) <= cores <= max(alike)
        right += best[discipline] is min(best.values(), key=lambda fit: fit.score)
    return round(100 * named / seeds), round(100 * right / seeds)


def cell(percents):
    """Percentages at the four loads in the words of the table."""
    return f"{percents[0]} %" if len(set(percents)) == 1 else f"{' / '.join(map(str, percents))} %"


@pytest.mark.full
@pytest.mark.parametrize("cores", [1, 4, 16])
def test_the_table_of_the_page(site, cores):
    found = {kind: [shares(site, kind, cores, load) for load in LOADS] for kind in UNDO}
    cells = [cell([pair[which] for pair in found[kind]]) for which in (0, 1) for kind in UNDO]
    assert f"| {cores} | {' | '.join(cells)} |" in DOCS.read_text()
