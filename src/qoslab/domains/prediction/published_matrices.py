"""WS-DREAM #1 as somebody downloaded it, held against measurements of it that came another way."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from qoslab.core.check import Check
from qoslab.core.context import Context
from qoslab.core.errors import MissingData
from qoslab.domains.prediction.archives import CERTAIN_SERVICES, read_archive
from qoslab.domains.prediction.readers import read_matrices
from qoslab.domains.prediction.scenario import Dataset, Matrices

__all__ = ["MATRICES", "SAMPLE", "check_matrices"]

SAMPLE = "wsdream-1-sample/ds1_5pct.npz"
"""Cells of both matrices from a repository that does not hand on the matrices."""

MATRICES = {"rt": "wsdream-1/rtMatrix.txt", "tp": "wsdream-1/tpMatrix.txt"}

_HALF_A_DIGIT = 0.00051
"""Half of the third decimal, which both are given to, and what numbers of 32 bits add."""


def check_matrices(context: Context) -> Iterator[Check]:
    """Hold each matrix against the 5 % sample, cell by cell; the whole dataset's checksums say nothing of its meaning.

    Only services whose number is that of the matrix count: the sample's source left two rows out from 4700 on.
    """
    for parameter, name in MATRICES.items():
        context.check_time()
        what = f"{name}: cells of the 5 % sample that have another value there"
        source = "WS-DREAM #1, samples published with LDCF"
        try:
            other = _cells_that_differ(parameter, name, context)
        except MissingData as error:
            yield Check.not_run(what, source, expected=0, note=str(error))
            continue
        yield Check.within(what, source, expected=0, got=other, low=0, high=0)


def _cells_that_differ(parameter: str, name: str, context: Context) -> int:
    matrix = read_matrices(Matrices(kind="matrices", files={parameter: name}), context).values[0]
    sampled = Dataset(kind="dataset", name=SAMPLE, parameters=(parameter,), services=CERTAIN_SERVICES[SAMPLE])
    sample = read_archive(context.dataset(SAMPLE), sampled).values[0]
    users, services = np.nonzero(np.isfinite(sample))
    inside = (users < matrix.shape[0]) & (services < matrix.shape[1])
    users, services = users[inside], services[inside]
    same = np.abs(matrix[users, services] - sample[users, services]) <= _HALF_A_DIGIT
    return int(inside.size - same.sum())
