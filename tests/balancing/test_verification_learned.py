"""Rows of `qoslab verify balancing` on learned policies: the ratio's interval, what passes and what must not."""

from dataclasses import replace

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.errors import MissingExtra
from qoslab.domains.balancing import verification_learned
from qoslab.domains.balancing.verification_learned import LESSONS, SITES, learned, linearised_ratio


def test_a_ratio_of_proportional_figures_has_no_width():
    theirs = np.array([1.0, 2.0, 4.0])
    assert linearised_ratio(1.5 * theirs, theirs) == (pytest.approx(1.5), pytest.approx(0.0, abs=1e-12))


def test_the_interval_of_a_ratio_worked_out_by_hand():
    """Ratio 1; what is left is -1 and 1, with a deviation of sqrt(2); Student's quantile with one degree is 12.706."""
    ratio, half = linearised_ratio(np.array([1.0, 3.0]), np.array([2.0, 2.0]))
    assert ratio == 1.0
    assert half == pytest.approx(12.7062 * 2**0.5 / 2**0.5 / 2.0, rel=1e-5)


def test_the_interval_covers_the_ratio_as_often_as_it_says():
    """400 samples of 20 pairs: 95 % within four standard errors of a share of 400."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        common = rng.normal(10.0, 1.0, 20)
        ratio, half = linearised_ratio(1.1 * common + rng.normal(0.0, 0.5, 20), common)
        covered += abs(ratio - 1.1) <= half
    assert abs(covered / 400 - 0.95) <= 4 * (0.95 * 0.05 / 400) ** 0.5


def test_blind_inference_passes_and_equal_weights_are_found_out(monkeypatch):
    figures = verification_learned._figures
    assert [check.status for check in learned(Context(), quick=True)] == ["pass"]

    def without_inference(name, scenario, policy, *rest):
        return figures(name, scenario, "lsq" if policy == "blind_sed" else policy, *rest)

    monkeypatch.setattr(verification_learned, "_figures", without_inference)
    assert [check.status for check in learned(Context(), quick=True)] == ["fail"]


@pytest.fixture
def game():
    return next(lesson for lesson in LESSONS if lesson.method == "marllb_sac")


def test_learners_of_the_game_who_learned_nothing_do_not_pass(game):
    idle = replace(game, parameters={**game.parameters, "episodes": 1, "updates": 0}, seeds=4)
    check = verification_learned._lesson(idle, Context())
    assert check.status == "fail", check


@pytest.mark.full
def test_learners_of_the_game_pass(game):
    check = verification_learned._lesson(game, Context())
    assert check.status == "pass", check
    assert check.got < 0.99


def test_a_learner_without_its_extra_is_not_run(monkeypatch):
    def missing(*rest):
        who = "balancing/rlb_sac"
        raise MissingExtra(who, "learn")

    monkeypatch.setattr(verification_learned, "_figures", missing)
    check = verification_learned._lesson(LESSONS[0], Context())
    assert check.status == "not run"
    assert "learn" in check.note


def test_the_full_run_has_the_sites_of_the_committed_studies():
    assert [(site.scenario["balancers"], site.scenario["servers"]["count"]) for site in SITES] == [
        (1, 8),
        (2, 64),
        (4, 128),
    ]
