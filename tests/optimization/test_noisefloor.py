"""What noise leaves of the distance from the penalty approximation, against runs."""

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.seeds import Seed
from qoslab.domains.optimization.instances import c1, d1, known_to, work
from qoslab.domains.optimization.methods.penalty_consensus import PenaltyConsensus
from qoslab.domains.optimization.noisefloor import last_state, spread_of

CASES = [
    (c1, PenaltyConsensus(penalty=5.0, step=0.005), 2.0, 0.3),
    (d1, PenaltyConsensus(penalty=100.0, step=8e-4, decay=2000.0), 0.4, 1.0),
]


@pytest.mark.parametrize(("make", "method", "start", "noise"), CASES, ids=["C1", "D1"])
def test_ends_of_noisy_runs_are_spread_as_predicted(make, method, start, noise):
    """300 runs of 100 rounds: entries' variances to 4.4 sqrt(2 / 299) and 2 %, means to 4.4 / sqrt(300), in deviations.

    At most 10 entries in each of two cases: passed by chance once in 2,500.
    """
    task = make()
    own = known_to(task, method, start=start)
    mean, covariance = last_state(method, task, own, noise, 100)
    still = work(task, method, 100, Context(), start=start)
    np.testing.assert_array_equal(mean, still.x)
    ends = np.array(
        [
            work(task, method, 100, Context(), start=start, noise=noise, seed=Seed(replication=k)).x.ravel()
            for k in range(300)
        ]
    )
    variance = np.diag(covariance)
    assert np.abs(ends.var(axis=0, ddof=1) / variance - 1.0).max() < 4.4 * np.sqrt(2.0 / 299.0) + 0.02
    off = (ends.mean(axis=0) - mean.ravel()) / np.sqrt(variance / 300.0)
    # Curved costs move the mean by a share of the variance.
    assert np.abs(off).max() < 4.4 + 0.5
    twice = last_state(method, task, own, 2.0 * noise, 100)[1]
    np.testing.assert_allclose(twice, 4.0 * covariance, rtol=1e-12)


def test_of_a_chi_distribution_mean_and_deviation_are_known():
    """Lengths of standard normal vectors in three dimensions: 2 sqrt(2 / pi), sqrt(3 - 8 / pi); 5 standard errors."""
    found = spread_of(lambda x: np.linalg.norm(x, axis=1), np.zeros(3), np.eye(3))
    assert found.mean == pytest.approx(2.0 * np.sqrt(2.0 / np.pi), abs=5.0 * 0.673 / 200.0)
    assert found.std == pytest.approx(np.sqrt(3.0 - 8.0 / np.pi), rel=0.025)
