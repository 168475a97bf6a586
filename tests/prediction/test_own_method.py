"""A method in a file of the user's own: trained and tuned as in a study, and told what is wrong with its answers."""

import numpy as np
import pytest

from qoslab import Study
from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.located import read_toml
from qoslab.domains.prediction.data import Known
from qoslab.domains.prediction.deploy.commands import evaluate, train
from qoslab.domains.prediction.deploy.kept import load_model
from qoslab.domains.prediction.methods.conformal import completing
from qoslab.domains.prediction.model import Prediction, completed
from qoslab.domains.prediction.study_file import method_of, methods_of
from qoslab.domains.prediction.tuning import tune

KNOWN = Known(("rt", "tp"), np.ones((2, 3, 4)))

OWN = """from dataclasses import dataclass

import numpy as np

from qoslab.core.method import method


@method("prediction", "mine", summary="the known mean, times a number", origin="ours")
@dataclass(frozen=True)
class Mine:
    times: float = 1.0

    def predict(self, known, seed, context):
        mean = np.nanmean(known.values, axis=(1, 2), keepdims=True)
        return np.broadcast_to(ANSWER, known.values.shape)
"""
WORLD = """[study]
name = "own"
domain = "prediction"
seeds = 1
[scenario]
data = { kind = "planted", users = 12, services = 20 }
density = 0.5
[[method]]
id = "prediction/mine"
file = "mine.py"
times = 3.0
"""


@pytest.fixture
def world(tmp_path):
    (tmp_path / "mine.py").write_text(OWN.replace("ANSWER", "self.times * mean"))
    (tmp_path / "world.toml").write_text(WORLD)
    return tmp_path / "world.toml"


def test_a_method_of_ones_own_is_trained_with_its_parameters(world, tmp_path):
    pytest.importorskip("safetensors", reason="needs the extra 'learn'")
    train(world, to=tmp_path / "model", method="mine", folds=4, rounds=4)
    kept = load_model(tmp_path / "model")
    assert (kept.about.method, kept.about.method_parameters) == ("mine", {"times": 3.0})
    known = kept.arrays["known/values"].mean(axis=0)
    np.testing.assert_allclose(kept.arrays["values"][:, 0, 0], 3 * known, rtol=1e-5)
    assert len(evaluate(tmp_path / "model")) == 2


def test_a_method_of_ones_own_is_tuned_and_written_with_its_file(world, tmp_path):
    """Three times the mean is too much: some trial of eight is nearer, and the study file that is written runs."""
    rows = tune(world, trials=8, cpu_min=1.0, to=tmp_path / "tuned.toml")
    assert rows[0]["method"] == "mine"
    assert rows[0]["nmae_tuned"] < rows[0]["nmae"]
    written = read_toml(tmp_path / "tuned.toml")
    assert methods_of(written) == ["mine"]
    assert method_of(written, "mine").times < 3.0


def test_a_file_that_is_not_there_or_fails_is_named(world, tmp_path):
    (tmp_path / "mine.py").write_text("raise ValueError('no')\n")
    with pytest.raises(BadInput, match=r"mine\.py:1: the file failed: ValueError: no"):
        train(world, to=tmp_path / "model", method="mine")
    (tmp_path / "mine.py").unlink()
    with pytest.raises(BadInput, match=r"there is no file .*mine\.py"):
        train(world, to=tmp_path / "model", method="mine")
    assert not (tmp_path / "model").exists()


class Says:
    """A method with a fixed answer."""

    def __init__(self, answer):
        self.answer = answer

    def predict(self, known, seed, context):
        return self.answer


def but(value, *place):
    table = np.ones((2, 3, 4))
    table[place] = value
    return table


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (np.ones((3, 4)), r"method 'Says' gives predictions of shape \(3, 4\); \(2, 3, 4\) is asked"),
        (None, r"method 'Says' gives predictions of shape \(\)|gives NoneType as its predictions"),
        ("soon", "method 'Says' gives str as its predictions, not an array of numbers"),
        (
            but(np.nan, 1, 2, 0),
            "not finite: 1 of 24 cells, the first 'tp' of user 2 and service 0, which is nan",
        ),
        (
            but(-np.inf, 0, slice(None), 3),
            "3 of 24 cells, the first 'rt' of user 0 and service 3, which is -inf",
        ),
        (
            Prediction(np.ones((2, 3, 4)), np.ones((2, 3)), np.ones((2, 3, 4))),
            r"lower ends of shape \(2, 3\)",
        ),
        (Prediction(np.ones((2, 3, 4)), np.ones((2, 3, 4)), but(np.inf, 0, 0, 0)), "upper ends that are not"),
    ],
)
def test_an_answer_that_is_none_is_told_with_its_first_cell(answer, message):
    with pytest.raises(BadInput, match=message):
        completed(Says(answer), KNOWN, np.random.SeedSequence(0), Context())
    with pytest.raises(BadInput, match=message):
        completing(Says(answer), Context())(KNOWN, np.random.SeedSequence(0))


def test_a_study_tells_the_methods_name_and_the_cell(world, tmp_path):
    (tmp_path / "mine.py").write_text(OWN.replace("ANSWER", "np.where(np.arange(20) == 7, np.nan, mean)"))
    table = Study.from_file(world).run(tmp_path / "out", workers=0, quiet=True).table
    (reason,) = table["reason"].to_list()
    assert "method 'mine' gives predictions that are not finite: 24 of 480 cells" in reason
    assert "'q0' of user 0 and service 7" in reason
