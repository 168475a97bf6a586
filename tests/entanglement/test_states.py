"""States against closed forms, against the circuit itself, and against the laws every channel keeps."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qoslab.domains.entanglement import states
from qoslab.engine.kernel import compiled

PAULIS = [np.eye(2), np.diag([1, -1]), np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]])]
PHI = np.array([1, 0, 0, 1]) / np.sqrt(2)
ROTATION = np.array([[1, -1j], [-1j, 1]]) / np.sqrt(2)
KINDS = [states.DEPHASING, states.DEPOLARISING, states.BIT_FLIP, states.AMPLITUDE_DAMPING]


def vector(rng: np.random.Generator) -> np.ndarray:
    return rng.dirichlet(np.ones(4))


def werner(w: float) -> np.ndarray:
    out = np.zeros(4)
    states.bell_of_werner(w, out)
    return out


def density(pair: np.ndarray) -> np.ndarray:
    kets = [np.kron(pauli, np.eye(2)) @ PHI for pauli in PAULIS]
    return sum(p * np.outer(ket, ket.conj()) for p, ket in zip(pair, kets, strict=True))


def on(gate: np.ndarray, qubits: list[int], rho: np.ndarray) -> np.ndarray:
    """A unitary on some of four qubits."""
    full = np.zeros((16, 16), complex)
    bits = list(product((0, 1), repeat=4))
    for column, before in enumerate(bits):
        inner = int("".join(str(before[q]) for q in qubits), 2)
        for row in range(len(gate)):
            after = list(before)
            for place, q in enumerate(qubits):
                after[q] = row >> (len(qubits) - 1 - place) & 1
            full[bits.index(tuple(after)), column] += gate[row, inner]
    return full @ rho @ full.conj().T


def mixed(qubits: list[int], rho: np.ndarray, good: float) -> np.ndarray:
    """White noise on two qubits, as the average over all Paulis."""
    noisy = sum(on(np.kron(a, b), qubits, rho) for a in PAULIS for b in PAULIS) / 16
    return good * rho + (1 - good) * noisy


def circuit(kept: np.ndarray, spent: np.ndarray, *, rotate: bool, gate: float, readout: float) -> tuple:
    """Purification carried out on four qubits (kept A, kept B, spent A, spent B)."""
    rho = np.kron(density(kept), density(spent))
    if rotate:
        for qubit, turn in ((0, ROTATION), (2, ROTATION), (1, ROTATION.conj()), (3, ROTATION.conj())):
            rho = on(turn, [qubit], rho)
    cnot = np.eye(4)[[0, 1, 3, 2]]
    for qubits in ([0, 2], [1, 3]):
        rho = mixed(qubits, on(cnot, qubits, rho), gate)
    blocks = rho.reshape(4, 4, 4, 4)
    after = np.zeros((4, 4), complex)
    for outcome in range(4):
        alike = outcome in (0, 3)
        seen = readout**2 + (1 - readout) ** 2 if alike else 2 * readout * (1 - readout)
        after += seen * blocks[:, outcome, :, outcome]
    success = after.trace().real
    kets = [np.kron(pauli, np.eye(2)) @ PHI for pauli in PAULIS]
    return success, np.array([(ket.conj() @ after @ ket).real for ket in kets]) / success


@pytest.mark.parametrize("rotate", [False, True])
@pytest.mark.parametrize(("gate", "readout"), [(1.0, 1.0), (0.97, 1.0), (1.0, 0.96), (0.95, 0.9)])
def test_purification_is_what_the_circuit_does(rotate: bool, gate: float, readout: float) -> None:
    rng = np.random.default_rng(1)
    for _ in range(3):
        kept, spent, out = vector(rng), vector(rng), np.zeros(4)
        success = states.purify(kept, spent, int(rotate), gate, readout, out)
        expected, pair = circuit(kept, spent, rotate=rotate, gate=gate, readout=readout)
        assert success == pytest.approx(expected, abs=1e-12)
        np.testing.assert_allclose(out, pair, atol=1e-12)


@given(*[st.floats(0.25, 1.0)] * 2, *[st.floats(0.8, 1.0)] * 2)
def test_bbpssw_is_the_general_round_on_werner_pairs(f: float, g: float, gate: float, readout: float) -> None:
    a, b = states.werner_of_fidelity(f), states.werner_of_fidelity(g)
    success, w = states.bbpssw_werner(a, b, gate, readout)
    out = np.zeros(4)
    expected = states.purify(werner(a), werner(b), states.BBPSSW, gate, readout, out)
    assert success == pytest.approx(expected, abs=1e-12)
    assert w == pytest.approx(states.twirl(out), abs=1e-12)


@given(st.floats(0.5, 1.0))
def test_bbpssw_of_equal_pairs(f: float) -> None:
    """Bennett et al. 1996."""
    w = states.werner_of_fidelity(f)
    success, after = states.bbpssw_werner(w, w, 1.0, 1.0)
    expected = f * f + 2 * f * (1 - f) / 3 + 5 * (1 - f) ** 2 / 9
    assert success == pytest.approx(expected)
    assert states.fidelity_of_werner(after) == pytest.approx((f * f + (1 - f) ** 2 / 9) / expected)
    assert states.fidelity_of_werner(after) >= f - 1e-12


@given(*[st.floats(0.25, 1.0)] * 2)
def test_swap_of_werner_pairs(f: float, g: float) -> None:
    a, b = states.werner_of_fidelity(f), states.werner_of_fidelity(g)
    out = np.zeros(4)
    states.compose(werner(a), werner(b), out)
    assert out[0] == pytest.approx(f * g + (1 - f) * (1 - g) / 3)
    assert states.swap_werner(a, b, 1.0) == pytest.approx(states.twirl(out))


@pytest.mark.parametrize("kind", KINDS)
def test_memories_forget_alike_in_one_go_and_in_two(kind: int) -> None:
    first, second, both, whole = np.zeros((4, 4))
    states.memory_errors(kind, 0.3, 1.7, first)
    states.memory_errors(kind, 0.9, 1.7, second)
    states.compose(first, second, both)
    states.memory_errors(kind, 1.2, 1.7, whole)
    np.testing.assert_allclose(both, whole, atol=1e-15)
    assert whole.min() >= 0
    assert whole.sum() == pytest.approx(1.0)
    assert whole[0] < 0.99


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (states.DEPHASING, lambda s: (1 + s * s) / 2),
        (states.BIT_FLIP, lambda s: (1 + s * s) / 2),
        (states.DEPOLARISING, lambda s: (3 * s * s + 1) / 4),
        (states.AMPLITUDE_DAMPING, lambda s: s + (1 - s) ** 2 / 4),
    ],
)
def test_fidelity_of_a_stored_pair(kind: int, expected: object) -> None:
    """Both qubits of Phi+ stored for t: the closed forms in exp(-t / T)."""
    one, both = np.zeros(4), np.zeros(4)
    states.memory_errors(kind, 0.4, 1.0, one)
    states.compose(one, one, both)
    assert both[0] == pytest.approx(expected(np.exp(-0.4)))  # type: ignore[operator]


def test_perfect_memory_and_endless_coherence_change_nothing() -> None:
    out = np.zeros(4)
    for kind, time in ((states.PERFECT, 1.0), (states.DEPHASING, np.inf)):
        states.memory_errors(kind, 5.0, time, out)
        assert out.tolist() == [1.0, 0.0, 0.0, 0.0]


def test_depolarising_multiplies_the_werner_parameter() -> None:
    errors = np.zeros(4)
    states.memory_errors(states.DEPOLARISING, 0.4, 1.0, errors)
    assert states.werner_factor(errors) == pytest.approx(np.exp(-0.4))


def test_compiled_and_plain_agree_to_the_bit() -> None:
    rng = np.random.default_rng(2)
    kept, spent, plain, fast = vector(rng), vector(rng), np.zeros(4), np.zeros(4)
    first = states.purify(kept, spent, states.DEJMPS, 0.98, 0.99, plain)
    second = compiled(states.purify)(kept, spent, states.DEJMPS, 0.98, 0.99, fast)
    assert (first, plain.tolist()) == (second, fast.tolist())
