"""Leaders, rivals and corrections, against arithmetic done by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from qoslab.report.contrast import contrast
from qoslab.report.evidence import Evidence
from qoslab.report.standing import stand


def _standings(lab: SimpleNamespace, values: dict[str, object], axes: tuple[str, ...] = ()) -> object:
    return stand(Evidence.of(lab.build(values, axes)))


def test_one_case_is_bonferroni_over_the_rivals(lab: SimpleNamespace) -> None:
    generator = np.random.default_rng(1)
    samples = [generator.normal(mean, 1, 12) for mean in (0.0, 1.0, 1.2, 5.0)]
    found = _standings(lab, {f"m{i}": {(): list(10 + x)} for i, x in enumerate(samples)}).cases[0]  # type: ignore[attr-defined]
    order = sorted(range(4), key=lambda i: samples[i].mean())
    assert list(found.order) == order
    for rival in found.rivals:
        raw = stats.ttest_rel(samples[order[0]], samples[rival.method]).pvalue
        assert rival.p == pytest.approx(min(1.0, 3 * raw))
        assert rival.beaten == (3 * raw <= 0.05)


def test_cases_are_corrected_stepwise(lab: SimpleNamespace) -> None:
    """Two methods, three cases: Holm's steps 3, 2, 1 on the paired t tests."""
    generator = np.random.default_rng(4)
    base = {float(c): generator.normal(10, 1, 15) for c in range(3)}
    gaps = {0.0: 3.0, 1.0: 0.68, 2.0: 0.6}
    other = {c: x + gaps[c] + generator.normal(0, 1, 15) for c, x in base.items()}
    values = {"a": {(c,): list(x) for c, x in base.items()}, "b": {(c,): list(x) for c, x in other.items()}}
    raw = np.array([stats.ttest_rel(base[c], other[c]).pvalue for c in base])
    found = _standings(lab, values, ("load",)).cases  # type: ignore[attr-defined]
    order = np.argsort(raw)
    adjusted = np.empty(3)
    adjusted[order] = np.maximum.accumulate(raw[order] * np.array([3, 2, 1]))
    assert [standing.best is not None for standing in found] == [bool(p <= 0.05) for p in adjusted]
    assert sum(p <= 0.05 for p in adjusted) > 0


def test_identical_methods_are_told_apart_by_nothing(lab: SimpleNamespace) -> None:
    found = _standings(lab, {"a": {(): [1.0, 2.0, 3.0]}, "b": {(): [1.0, 2.0, 3.0]}}).cases[0]  # type: ignore[attr-defined]
    assert found.best is None
    assert found.rivals[0].contrast.identical
    assert found.rivals[0].needed is None


def test_rounding_is_no_difference() -> None:
    x = np.array([0.1, 0.2, 0.3])
    found = contrast(x * 3 / 3 + 1e-17, x, 0.95)
    assert found is not None
    assert found.identical
    assert found.p == 1.0


def test_the_ratio_excludes_one_exactly_where_the_difference_excludes_zero() -> None:
    generator = np.random.default_rng(8)
    seen = set()
    for _ in range(200):
        b = generator.lognormal(0, 0.5, 10)
        a = b * generator.lognormal(0.1, 0.3, 10)
        found = contrast(a, b, 0.95)
        assert found is not None
        assert found.ratio is not None
        apart = not found.ratio.contains(1.0)
        assert apart == (not found.difference.contains(0.0)) == (found.p < 0.05)
        seen.add(apart)
    assert seen == {True, False}


def test_no_common_seed_is_no_comparison(lab: SimpleNamespace) -> None:
    values = {"a": {(): [1.0, None, 1.1, None]}, "b": {(): [None, 5.0, None, 5.1]}}
    found = _standings(lab, values).cases[0]  # type: ignore[attr-defined]
    assert found.rivals[0].contrast is None
    assert found.best is None


def test_seeds_needed_do_decide(lab: SimpleNamespace) -> None:
    """Of 40 studies run with the advised number of seeds, 90 % should decide; below 28 has probability 3e-5."""
    generator = np.random.default_rng(3)
    first = [generator.normal(size=10) for _ in range(2)]
    first[1] = first[1] - first[1].mean() + first[0].mean() + 0.4
    scaled = first[1] - first[0]
    first[1] = first[0] + 0.4 + (scaled - scaled.mean()) / scaled.std(ddof=1)
    found = _standings(lab, {"a": {(): list(first[0])}, "b": {(): list(first[1])}}).cases[0]  # type: ignore[attr-defined]
    needed = found.rivals[0].needed
    assert 60 < needed < 75
    decided = 0
    for _ in range(40):
        a = generator.normal(size=needed)
        b = a + generator.normal(0.4, 1, size=needed)
        decided += _standings(lab, {"a": {(): list(a)}, "b": {(): list(b)}}).cases[0].best is not None  # type: ignore[attr-defined]
    assert decided >= 28
