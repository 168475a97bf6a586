"""A matrix that was downloaded holds what the sample holds, or the check says in how many cells it does not."""

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.errors import MissingData
from qoslab.domains.prediction.published_matrices import MATRICES, SAMPLE, check_matrices

USERS, SERVICES, CERTAIN = 6, 4710, 4700
RNG = np.random.default_rng(0)
MATRIX = {name: np.round(RNG.uniform(0.01, 20, (USERS, SERVICES)), 3) for name in MATRICES}


@pytest.fixture
def folder(tmp_path):
    """Both matrices as text, and a sample of 2,000 cells that was kept with 32 bits."""
    arrays = {}
    for name, matrix in MATRIX.items():
        cells = RNG.choice(matrix.size, 2000, replace=False)
        users, services = np.unravel_index(cells, matrix.shape)
        arrays |= {f"{name}_u": users, f"{name}_s": services}
        values = matrix[users, services].astype(np.float32)
        values[services >= CERTAIN] += 1  # what is uncertain must not count
        assert (services >= CERTAIN).any()
        arrays[f"{name}_v"] = values
        write(tmp_path, name, matrix)
    np.savez(tmp_path / "ds1_5pct.npz", **arrays)
    return tmp_path


def write(folder, name, matrix):
    lines = [" ".join(f"{value:g}" for value in row) for row in matrix]
    (folder / MATRICES[name].partition("/")[2]).write_text("\n".join(lines) + "\n")


def context(folder):
    def find(name):
        path = folder / name.partition("/")[2]
        if not path.exists():
            raise MissingData(name)
        return path

    return Context(dataset=find)


def test_matrices_that_hold_the_sample_pass(folder):
    checks = list(check_matrices(context(folder)))
    assert [(check.status, check.got) for check in checks] == [("pass", 0), ("pass", 0)]


def test_each_cell_with_another_value_or_none_is_counted(folder):
    with np.load(folder / "ds1_5pct.npz") as sample:
        users, services = sample["rt_u"], sample["rt_s"]
    sure = np.flatnonzero(services < CERTAIN)[:7]
    wrong = MATRIX["rt"].copy()
    wrong[users[sure[:4]], services[sure[:4]]] += 0.001
    wrong[users[sure[4:]], services[sure[4:]]] = -1
    write(folder, "rt", wrong)
    checks = list(check_matrices(context(folder)))
    assert [(check.status, check.got) for check in checks] == [("fail", 7), ("pass", 0)]


def test_a_matrix_whose_services_stand_one_further_fails(folder):
    write(folder, "tp", np.roll(MATRIX["tp"], 1, axis=1))
    checks = list(check_matrices(context(folder)))
    assert checks[1].status == "fail"
    assert checks[1].got > 1900


def test_a_matrix_that_is_too_small_fails(folder):
    write(folder, "rt", MATRIX["rt"][:, :100])
    check = next(check_matrices(context(folder)))
    assert check.status == "fail"
    assert check.got > 1800


@pytest.mark.parametrize("gone", [SAMPLE, MATRICES["tp"]])
def test_what_is_not_there_is_not_checked(folder, gone):
    (folder / gone.partition("/")[2]).unlink()
    checks = list(check_matrices(context(folder)))
    assert checks[1].status == "not run"
    assert gone in checks[1].note
