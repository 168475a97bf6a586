"""Streams: nobody hears what he is asked, newcomers stay silent until half time, drift is followed; real slots."""

import os
from functools import partial

import numpy as np
import pytest

from qoslab.core.errors import BadInput
from qoslab.datasets.locate import resolver
from qoslab.domains.prediction import streaming
from qoslab.domains.prediction.online import Memory
from qoslab.domains.prediction.streaming import (
    CONTENDERS,
    DATASET,
    Amf,
    Online,
    Replay,
    Setting,
    compare,
    follow,
    means,
    open_slots,
    split,
    summary,
    tuned,
)


def drifting(users=30, services=60, step=0.15, seed=0):
    """Two factors; each slot every service moves, half of the noise of a cell stays."""
    rng = np.random.default_rng(seed)
    left, right = rng.standard_normal((users, 2)), rng.standard_normal((2, services))
    own = 0.2 * rng.standard_normal((users, services))
    tables = []
    for _ in range(12):
        right = np.sqrt(1 - step**2) * right + step * rng.standard_normal(right.shape)
        tables.append(np.exp(left @ right + own + 0.2 * rng.standard_normal(own.shape)))
    return lambda number: tables[number]


class Spy:
    """Remembers what it was told and always predicts one."""

    def __init__(self):
        self.told = []

    def take(self, told):
        self.told.append(told.copy())

    def table(self):
        return np.ones(self.told[0].shape)


def test_told_and_asked_share_nothing_and_leave_nothing_out():
    table = np.where(np.random.default_rng(0).random((50, 60)) < 0.8, 2.0, np.nan)
    told, asked = split(table, 0.3, np.random.default_rng(1))
    assert not (np.isfinite(told) & np.isfinite(asked)).any()
    np.testing.assert_array_equal(np.isfinite(told) | np.isfinite(asked), np.isfinite(table))
    assert np.isfinite(told).sum() / np.isfinite(table).sum() == pytest.approx(0.3, abs=0.05)


def test_newcomers_are_silent_until_half_time(monkeypatch):
    spy = Spy()
    monkeypatch.setitem(CONTENDERS, "spy", lambda rng: spy)
    rows = list(follow(drifting(), "spy", Setting(0.3, 8, 0.2, 0)))
    early = np.isfinite(np.stack(spy.told[:4])).any(axis=0)
    late = np.isfinite(np.stack(spy.told[4:])).any(axis=0)
    silent = ~early.any(axis=1)
    assert 0 < silent.sum() < 15
    assert late[silent].any(axis=1).all()
    assert [np.isnan(row["newcomers"]) for row in rows] == [True] * 3 + [False] * 4


def test_errors_are_those_of_the_asked_cells(monkeypatch):
    """A spy that predicts one everywhere, no newcomers: the mean of |value - 1| over what it was not told."""
    spy = Spy()
    monkeypatch.setitem(CONTENDERS, "spy", lambda rng: spy)
    source = drifting()
    rows = list(follow(source, "spy", Setting(0.3, 3, 0.0, 0)))
    for row, told in zip(rows, spy.told[1:], strict=True):
        asked = np.isnan(told)
        expected = np.abs(source(row["slot"]) - 1)[asked].mean()
        assert row["mae"] == row["forecast"] == pytest.approx(expected)


@pytest.mark.parametrize("name", list(CONTENDERS))
def test_everyone_follows_better_than_who_stands_still(name, monkeypatch):
    """Against the median of all: with 30 % told each contender errs less, newcomers included."""
    source = drifting()
    still = Spy()
    still.table = lambda: np.full((30, 60), np.median(source(0)))
    monkeypatch.setitem(CONTENDERS, "still", lambda rng: still)
    setting = Setting(0.3, 12, 0.1, 0)
    (mine, late), (other, other_late) = (
        (np.mean([row["mae"] for row in rows]), np.nanmean([row["newcomers"] for row in rows]))
        for rows in (list(follow(source, who, setting)) for who in (name, "still"))
    )
    assert mine < 0.8 * other
    assert late < 0.9 * other_late


def test_online_factors_beat_what_was_trained_on_one_slot():
    """Of a tenth of the cells, what earlier slots told is worth more than drift costs."""
    setting = Setting(0.1, 12, 0.0, 0)
    means = {}
    for name in ("online factors", "trained on the last slot"):
        means[name] = np.mean([row["mae"] for row in follow(drifting(step=0.05), name, setting)])
    assert means["online factors"] < 0.9 * means["trained on the last slot"]


def late_slots():
    """The drifting tables as slots 20 to 31; others are refused."""
    source = drifting()

    def slot(number):
        assert 20 <= number < 32
        return source(number - 20)

    return slot


@pytest.mark.parametrize("name", ["online factors", "AMF, cells replayed"])
def test_what_is_tuned_errs_least_in_the_slots_that_choose(name):
    """One trial is what the contender has; more of them never err more there, and nothing else is looked at."""
    setting = Setting(0.3, 64, 0.1, 0)
    first, best = (tuned(late_slots(), name, trials, setting) for trials in (1, 6))
    assert first in {Memory(), Replay()}
    assert best != first
    few = Setting(0.3, 12, 0.1, 0, "streaming/tuning")
    make = {"online factors": Online, "AMF, cells replayed": Amf}[name]
    errors = [
        np.mean([row["mae"] for row in follow(drifting(), partial(with_how, make, how), few)])
        for how in (first, best)
    ]
    assert errors[1] < errors[0]


def with_how(make, how, rng):
    return make(rng, how)


def test_who_is_tuned_follows_beside_himself_untuned(monkeypatch):
    """Both see the same cells; what was found stands in the row."""
    monkeypatch.setattr(streaming, "open_slots", lambda path: lambda number: drifting()(number % 12))
    monkeypatch.setattr(streaming, "resolver", lambda: str)
    plain, found = compare(density=0.3, slots=4, contender=["AMF, cells replayed"], trials=6)
    assert (plain["method"], found["method"]) == ("AMF, cells replayed", "AMF, cells replayed, tuned")
    assert plain["parameters"] == ""
    assert found["parameters"].startswith("Replay(rank=")
    assert found["mae_s"] != plain["mae_s"]
    (alone,) = compare(density=0.3, slots=4, contender=["AMF, cells replayed"])
    assert alone["mae_s"] == plain["mae_s"]
    assert "parameters" not in alone


def test_a_stream_repeats():
    first, second = (list(follow(drifting(), "online factors", Setting(0.2, 4, 0.1, 5))) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        assert (a["mae"], a["forecast"]) == (b["mae"], b["forecast"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("density", 0.0),
        ("slots", 65),
        ("slots", 1),
        ("newcomers", 1.0),
        ("seeds", 0),
        ("seed", -1),
        ("trials", -1),
        ("contender", ["AMF"]),
    ],
)
def test_wrong_settings_are_named(field, value):
    with pytest.raises(BadInput, match=field):
        compare(**{field: value})


@pytest.mark.parametrize("name", list(CONTENDERS))
@pytest.mark.parametrize(("density", "use"), [(1e-9, "told"), (1 - 1e-9, "asked")])
def test_a_slot_without_cells_to_tell_or_to_ask_is_named(monkeypatch, name, density, use):
    monkeypatch.setattr(streaming, "open_slots", lambda path: drifting())
    monkeypatch.setattr(streaming, "resolver", lambda: str)
    with pytest.raises(BadInput, match=f"density: no cell of slot 0 is {use}"):
        compare(density=density, slots=3, contender=[name])


def test_means_over_seeds_and_paired_differences_by_hand():
    """Seeds differ by far more than methods; paired, 1.1 against 1 and 2.3 against 2 is .2 of 1.5 on average."""
    one, other = (
        [{"mae": 9.0, "other_slots": m, "forecast": 1.0, "newcomers": np.nan, "cpu_s": 0.1} for m in maes]
        for maes in ((1.0, 2.0), (1.1, 2.3))
    )
    near, far = summary({"near": one, "far": other})
    assert (near["other_slots_mae_s"], far["other_slots_mae_s"]) == (1.5, 1.7)
    assert (near["mae_s"], near["newcomers_mae_s"]) == (9.0, None)
    assert (near["more"], near["low"], near["high"]) == (0, 0, 0)
    half = 12.706 * 0.1 / 1.5  # t with one degree of freedom times the standard error of .1 and .3
    assert far["more"] == pytest.approx(0.2 / 1.5, abs=1e-4)
    assert (far["low"], far["high"]) == (
        pytest.approx(0.2 / 1.5 - half, abs=1e-4),
        pytest.approx(0.2 / 1.5 + half, abs=1e-4),
    )
    assert "more" not in summary({"near": one[:1]})[0]


def test_means_over_slots_by_hand():
    rows = [
        {"slot": 1, "mae": 1.0, "forecast": 2.0, "newcomers": np.nan, "cpu_s": 0.1},
        {"slot": 2, "mae": 3.0, "forecast": 6.0, "newcomers": 5.0, "cpu_s": 0.2},
        {"slot": 3, "mae": 5.0, "forecast": 1.0, "newcomers": 7.0, "cpu_s": 9.0},
    ]
    assert means(rows) == {"mae": 3.0, "other_slots": 3.0, "forecast": 3.0, "newcomers": 6.0, "cpu_s": 0.2}
    numbers = (19, 20, 31)
    late = [row | {"slot": slot} for row, slot in zip(rows, numbers, strict=True)]
    assert means(late)["other_slots"] == 1.0  # slots 20 to 31 chose the memory of online factors
    assert np.isnan(means(late[1:])["other_slots"])


def test_slots_of_a_file(tmp_path):
    raw = np.array([[[0, 1500], [65535, 20000]]], np.uint16)
    np.savez(tmp_path / "slots.npz", rt_ms=raw)
    found = open_slots(tmp_path / "slots.npz")(0)
    np.testing.assert_array_equal(found, [[np.nan, 1.5], [np.nan, 20.0]])


@pytest.mark.data
@pytest.mark.full
@pytest.mark.skipif(not os.environ.get("QOSLAB_DATA"), reason="QOSLAB_DATA does not name the data folder")
def test_online_factors_beat_training_on_the_slot_on_real_data():
    """WS-DREAM #2, four slots, 10 % told: nearer than AMF and than training on the slot alone."""
    slots, setting = open_slots(resolver()(DATASET)), Setting(0.1, 5, 0.1, 0)
    tables = [slots(number) for number in range(5)]
    mae = {
        name: np.mean([row["mae"] for row in follow(tables.__getitem__, name, setting)][1:])
        for name in ("online factors", "AMF, cells replayed", "trained on the last slot")
    }
    assert mae["online factors"] < min(mae["AMF, cells replayed"], mae["trained on the last slot"])
