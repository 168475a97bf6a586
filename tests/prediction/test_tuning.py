"""Tuning: nobody sees what is asked, all have the same budget, and what is found is the best of what was tried."""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import pytest
from pydantic import Field

from qoslab.app.main import main
from qoslab.core.context import Context, TimeLimitExceeded
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.prediction import tuning
from qoslab.domains.prediction.data import Known, make_task
from qoslab.domains.prediction.methods.amf import AMF
from qoslab.domains.prediction.methods.nimf import NIMF
from qoslab.domains.prediction.methods.pmf import PMF
from qoslab.domains.prediction.scenario import example
from qoslab.domains.prediction.tuning import Budget, _judged, draw, hide, tune, tuned
from qoslab.learning.training import DivergedTraining

SEEN: list[Known] = []


@dataclass(frozen=True)
class Level:
    """Predicts one value everywhere; the best is the median of what is asked."""

    level: Annotated[float, Field(gt=0)] = 1.0

    def predict(self, known, seed, context):
        SEEN.append(known)
        return np.full(known.values.shape, self.level)


@dataclass(frozen=True)
class Fails:
    """Cannot work with any other number than its own."""

    number: float = 2.0
    note: str = field(default="unchanged")

    def predict(self, known, seed, context):
        if self.number != 2.0:
            raise BadInput("no")
        return np.ones(known.values.shape)


@pytest.fixture
def task():
    SEEN.clear()
    return make_task(example(), Seed(), Context())


def test_trials_learn_from_training_cells_less_the_hidden_ones(task):
    list(tuned(Level(), task.known, Budget(trials=3), Seed(), Context()))
    hidden = hide(task.known, Seed())
    known = np.isfinite(task.known.values)
    assert hidden.any()
    assert not (hidden & ~known).any()
    for seen in SEEN:
        np.testing.assert_array_equal(np.isfinite(seen.values), known & ~hidden)


def test_a_tenth_is_hidden_and_the_same_cells_of_all_parameters():
    known = Known(("a", "b"), np.ones((2, 200, 300)))
    hidden = hide(known, Seed())
    np.testing.assert_array_equal(hidden[0], hidden[1])
    assert hidden.mean() == pytest.approx(0.1, abs=0.01)  # 60,000 cells: eight standard deviations


def test_the_best_level_is_found(task):
    """Errors of a constant are known: the trials are those numbers, and the best is nearest to the best constant."""
    trials = list(tuned(Level(), task.known, Budget(trials=40), Seed(), Context()))
    hidden = hide(task.known, Seed())
    for trial in trials:
        per = [
            np.abs(values[asked] - trial.method.level).mean() / values[asked].mean()
            for values, asked in zip(task.known.values, hidden, strict=True)
        ]
        assert trial.nmae == pytest.approx(np.mean(per))
    assert trials[0].method == Level()
    assert min(trial.nmae for trial in trials) < trials[0].nmae


def test_budgets_end_the_search(task):
    assert len(list(tuned(Level(), task.known, Budget(trials=7), Seed(), Context()))) == 7
    assert len(list(tuned(Level(), task.known, Budget(trials=7, cpu_s=0.0), Seed(), Context()))) == 0
    assert len(list(tuned(Level(), task.known, Budget(trials=7, cpu_s=1e-9), Seed(), Context()))) == 1


def test_parameters_that_fail_are_trials_that_lose(task):
    first, *others = tuned(Fails(), task.known, Budget(trials=4), Seed(), Context())
    assert np.isfinite(first.nmae)
    assert [trial.nmae for trial in others] == [np.inf] * 3


@dataclass(frozen=True)
class Slow:
    """At once with its own number; with any other it works for ten CPU seconds, unless it is told to stop."""

    number: float = 2.0

    def predict(self, known, seed, context):
        end = time.process_time() + 10
        while self.number != 2.0 and time.process_time() < end:
            context.check_time()
        return np.ones(known.values.shape)


def test_a_trial_that_takes_half_of_the_time_is_lost(task):
    """Two such trials are all the time there is; the parameters that a method has are never stopped."""
    first, *others = tuned(Slow(), task.known, Budget(trials=9, cpu_s=0.2), Seed(), Context())
    assert np.isfinite(first.nmae)
    assert [trial.nmae for trial in others] == [np.inf] * 2
    assert all(trial.cpu_s >= 0.1 for trial in others)


def test_the_limit_of_the_caller_ends_the_search(task):
    with pytest.raises(TimeLimitExceeded, match=r"its limit of 0\.1 s"):
        list(tuned(Slow(), task.known, Budget(trials=9), Seed(), Context(time_limit_s=0.1)))


@dataclass(frozen=True)
class Diverges:
    """With any other number than its own, where it learns from that many cells or more."""

    number: float = 2.0
    cells: str = "0"  # a word, which no trial draws

    def predict(self, known, seed, context):
        if self.number != 2.0 and np.isfinite(known.values).sum() >= int(self.cells):
            raise DivergedTraining
        return np.full(known.values.shape, self.number)


def test_a_training_that_diverges_is_a_trial_that_lost(task):
    _, other = tuned(Diverges(), task.known, Budget(trials=2), Seed(), Context())
    assert other.nmae == np.inf


def test_a_method_that_fails_with_its_own_parameters_ends_the_search(task):
    with pytest.raises(BadInput, match="no"):
        next(tuned(Fails(number=3.0), task.known, Budget(trials=2), Seed(), Context()))


def test_a_winner_that_fails_with_all_training_cells_is_passed_over(task):
    """Every drawn trial does here, so that the first is what tuning found."""
    start = Diverges(cells=str(np.isfinite(task.known.values).sum()))
    trials = list(tuned(start, task.known, Budget(trials=20), Seed(), Context()))
    assert min(trials, key=lambda trial: trial.nmae) is not trials[0]
    best, row = _judged(task, trials, Seed(), Context())
    assert best is trials[0]
    assert row["nmae"] == row["nmae_tuned"]
    assert (row["trials"], row["lost"]) == (20, 0)


@pytest.mark.parametrize("method", [PMF(), NIMF(), AMF(), PMF(rank=100)])
def test_draws_keep_bounds_and_types(method):
    rng = np.random.default_rng(0)
    drawn = [draw(method, 4.0, rng) for _ in range(200)]
    for one in drawn:
        assert isinstance(one.rank, int)
        assert max(1, round(method.rank / 4)) <= one.rank <= min(100, 4 * method.rank)
        assert method.ridge / 4.1 <= one.ridge <= 4.1 * method.ridge
    assert len({one.ridge for one in drawn}) > 100
    shares = [one.own for one in drawn if isinstance(one, NIMF)]
    assert all(0 < share < 1 for share in shares)
    if shares:  # .7 has odds of 7 to 3: a quarter of them to four times as many
        assert min(shares) == pytest.approx(0.37, abs=0.03)
        assert max(shares) == pytest.approx(0.90, abs=0.03)


@dataclass(frozen=True)
class Bounded:
    """Bounds that must not be touched."""

    above: Annotated[int, Field(gt=1)] = 2
    below: Annotated[float, Field(lt=3.0)] = 2.9
    share: Annotated[float, Field(ge=0, lt=1)] = 0.999
    some: Annotated[int, Field(ge=1)] | None = 1
    few: Annotated[int, Field(le=3)] | None = 3
    both: Annotated[int, Field(ge=2, le=8)] = 4
    within: Annotated[float, Field(ge=0.5, le=2)] = 1.0
    none: Annotated[int, Field(ge=1)] | None = None


def test_open_bounds_are_not_reached():
    rng = np.random.default_rng(0)
    drawn = [draw(Bounded(), 4.0, rng) for _ in range(200)]
    assert min(one.above for one in drawn) == 2
    assert max(one.below for one in drawn) < 3.0
    assert min(one.some for one in drawn) == 1  # a quarter of it is none
    assert max(one.few for one in drawn) == 3
    assert {one.both for one in drawn} == {2, 3, 4, 5, 6, 7, 8}  # its least, too
    assert min(one.within for one in drawn) == 0.5
    assert max(one.within for one in drawn) == 2.0
    assert {one.none for one in drawn} == {None}
    assert 0.99 < min(one.share for one in drawn) < max(one.share for one in drawn) < 1


def test_too_few_cells_are_named():
    values = np.full((1, 2, 3), np.nan)
    values[0, 0, 0] = 1.0
    with pytest.raises(BadInput, match="'a' has 1 training cells: too few"):
        hide(Known(("a",), values), Seed())


def test_hidden_cells_that_are_all_zero_judge_nobody():
    """Errors relative to their mean are no numbers then, and any order of trials would be chance."""
    values = np.random.default_rng(0).random((2, 30, 40))
    hidden = hide(Known(("a", "b"), values), Seed())
    values[1][hidden[1]] = 0.0
    with pytest.raises(BadInput, match="all hidden cells of 'b' are 0"):
        hide(Known(("a", "b"), values), Seed())


def test_no_spread_is_no_change():
    assert draw(NIMF(), 1.0, np.random.default_rng(0)) == NIMF()


WORLD = """
[study]
name = "world"
domain = "prediction"

[scenario]
data = { kind = "planted", users = 20, services = 40 }
density = 0.3

[[method]]
id = "pmf"
sweeps = 5

[[method]]
id = "item_mean"
"""


def test_from_a_study_file_to_chosen_parameters(tmp_path, capsys, monkeypatch):
    """What is written is a study's methods; hidden errors never rise; a method without numbers stays as it was."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "world.toml").write_text(WORLD)
    rows = {row["method"]: row for row in tune(tmp_path / "world.toml", trials=6, to=tmp_path / "found.toml")}
    assert rows["pmf"]["hidden_nmae_tuned"] < rows["pmf"]["hidden_nmae"]
    assert rows["item_mean"]["chosen"] == "as it was"
    assert rows["item_mean"]["nmae"] == rows["item_mean"]["nmae_tuned"]
    text = (tmp_path / "found.toml").read_text()
    (tmp_path / "next.toml").write_text(WORLD[: WORLD.index("[[method]]")] + text)
    assert main(["check", "next.toml"]) == 0
    again = tune(tmp_path / "next.toml", trials=1)
    assert again[0]["nmae"] == pytest.approx(rows["pmf"]["nmae_tuned"], abs=1e-4)
    with pytest.raises(BadInput, match="exists already"):
        tune(tmp_path / "world.toml", trials=1, to=tmp_path / "found.toml")


def test_a_file_that_cannot_be_written_is_named_before_the_first_trial(tmp_path, monkeypatch):
    (tmp_path / "world.toml").write_text(WORLD)
    monkeypatch.setattr(tuning, "make_task", lambda *_: pytest.fail("something was tried"))
    for to in (tmp_path / "world.toml" / "t.toml", Path("/proc/none/t.toml")):
        with pytest.raises(BadInput, match=r"to: '.*t\.toml' cannot be written"):
            tune(tmp_path / "world.toml", to=to)


def test_what_was_found_is_said_where_it_cannot_be_written(tmp_path, monkeypatch, capsys):
    """The disk fails after the last trial: rows and chosen parameters are printed; and a missing folder is made."""
    (tmp_path / "world.toml").write_text(WORLD)
    rows = tune(tmp_path / "world.toml", trials=3, to=tmp_path / "new" / "t.toml")
    found = (tmp_path / "new" / "t.toml").read_text()

    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(tuning, "write_whole", fail)
    with pytest.raises(BadInput, match="cannot be written: Input/output error"):
        tune(tmp_path / "world.toml", trials=3, to=tmp_path / "other.toml")
    told = capsys.readouterr().err
    assert found in told
    said = [json.loads(line) for line in told.splitlines()[: len(rows)]]
    assert [row["nmae_tuned"] for row in said] == [row["nmae_tuned"] for row in rows]


@pytest.mark.parametrize(
    ("field", "value"), [("trials", 0), ("cpu_min", 0.0), ("spread", 0.5), ("split", -1)]
)
def test_wrong_settings_are_named(tmp_path, field, value):
    with pytest.raises(BadInput, match=field):
        tune(tmp_path / "world.toml", **{field: value})


def test_a_method_that_is_not_there_is_named(tmp_path):
    (tmp_path / "world.toml").write_text(WORLD)
    with pytest.raises(BadInput, match="pmff"):
        tune(tmp_path / "world.toml", method=["pmff"])


def test_two_methods_of_one_id_are_refused_and_others_beside_them_tuned(tmp_path):
    """Neither is dropped unsaid: the second is named with its line, under any of its names."""
    (tmp_path / "world.toml").write_text(
        WORLD + '[[method]]\nid = "prediction/pmf"\nlabel = "large"\nrank = 9\n'
    )
    to = tmp_path / "found.toml"
    with pytest.raises(BadInput, match=r"world\.toml:17:\d+: .*2 methods of the file have the id 'pmf'"):
        tune(tmp_path / "world.toml", trials=1, to=to)
    with pytest.raises(BadInput, match="have the id 'pmf'"):
        tune(tmp_path / "world.toml", method=["prediction/pmf"], trials=1, to=to)
    assert not to.exists()
    (row,) = tune(tmp_path / "world.toml", method=["item_mean"], trials=1)
    assert row["method"] == "item_mean"
