"""Fused pairs against state vectors, and orders to fuse in runs."""

from dataclasses import dataclass
from functools import reduce
from itertools import product

import numpy as np
import pytest

from qoslab.core.context import Context
from qoslab.core.errors import BadInput
from qoslab.core.seeds import Seed
from qoslab.domains.entanglement.chain import CREATED, DELIVERED, FAILED, JOINED, WASTED
from qoslab.domains.entanglement.fusion import Way, components, fused_state, misread, way_between
from qoslab.domains.entanglement.protocol import Fusion, Plan, Swap
from qoslab.domains.entanglement.scenario import EntanglementScenario
from qoslab.domains.entanglement.slots import run_slots
from qoslab.domains.entanglement.states import DEPHASING
from qoslab.domains.entanglement.world import make_world

PAULIS = [
    np.eye(2),
    np.diag([1.0, -1.0]),
    np.array([[0.0, 1.0], [1.0, 0.0]]),
    np.array([[0.0, 1.0], [-1.0, 0.0]]),
]
"""I, Z, X and, up to a phase, Y: the order of errors."""
PHI = np.array([1.0, 0.0, 0.0, 1.0]) / np.sqrt(2.0)


def by_vectors(errors, fusions, kept, way, right=1.0):
    """Errors of the pair of two kept qubits, from state vectors and all outcomes of all measurements.

    Qubits are (pair, side). Bit parities are added along `way`, a list of (fusion, qubit, qubit); phases over all.
    Each read-out is right with a probability: a fusion's first tells the sign, each other the bit of its qubit.
    """
    pairs = len(errors)
    place = {(pair, side): 2 * pair + side for pair in range(pairs) for side in range(2)}
    taken = {qubit for fusion in fusions for qubit in fusion}
    leaves = [qubit for qubit in place if qubit not in taken and qubit not in kept]
    groups = [*fusions, *([leaf] for leaf in leaves)]
    kinds = list(product(range(4), repeat=pairs))
    chances = np.array([np.prod([errors[pair][kind] for pair, kind in enumerate(each)]) for each in kinds])
    order = [place[qubit] for group in groups for qubit in group] + [place[qubit] for qubit in kept]
    pair_of = [np.kron(np.eye(2), pauli) @ PHI for pauli in PAULIS]
    vectors = np.array([reduce(np.kron, [pair_of[kind] for kind in each]) for each in kinds])
    states = {(): vectors.reshape(-1, *(2,) * (2 * pairs)).transpose(0, *(1 + axis for axis in order))}
    for group in groups:
        after = {}
        for outcomes, left in states.items():
            # GHZ basis: (|b> + s |not b>) / sqrt 2 with b_0 = 0; for one qubit |+> and |->.
            for bits in product(range(2), repeat=len(group) - 1):
                one = (0, *bits)
                other = tuple(1 - bit for bit in one)
                for sign in (0, 1):
                    part = left[(slice(None), *one)] + (-1) ** sign * left[(slice(None), *other)]
                    after[(*outcomes, (one, sign))] = part / np.sqrt(2.0)
        states = after
    found = np.zeros(4)
    wrongs = (
        [*product(*(product(range(2), repeat=len(group)) for group in groups))] if right < 1.0 else [None]
    )
    for (outcomes, left), wrong in product(states.items(), wrongs):
        wrong = wrong or [(0,) * len(group) for group in groups]
        chance = np.prod([(1 - right) if each else right for group in wrong for each in group])
        phase = sum(sign ^ bad[0] for (_, sign), bad in zip(outcomes, wrong, strict=True)) % 2
        bit = 0
        for fusion, *ends in way:
            one = [0, *(b ^ bad for b, bad in zip(outcomes[fusion][0][1:], wrong[fusion][1:], strict=True))]
            for qubit in ends:
                bit ^= one[fusions[fusion].index(qubit)]
        mended = left @ np.linalg.matrix_power(PAULIS[1], phase).T @ np.linalg.matrix_power(PAULIS[2], bit).T
        found += [chance * (chances @ (mended.reshape(-1, 4) @ pair) ** 2) for pair in pair_of]
    return found


def drawn(count, seed):
    rng = np.random.default_rng(seed)
    return [0.3 * np.array([1.0, 0, 0, 0]) + 0.7 * rng.dirichlet([6.0, 1.0, 1.5, 0.7]) for _ in range(count)]


SHAPES = {
    # S - v - T, which is a swap.
    "chain": ([[(0, 1), (1, 0)]], [(0, 0), (1, 1)], [(0, (0, 1), (1, 0))], [0, 1]),
    # v holds a third pair, whose other qubit is a leaf.
    "star": ([[(0, 1), (1, 0), (2, 0)]], [(0, 0), (1, 1)], [(0, (0, 1), (1, 0))], [0, 1]),
    # Two ways from S to T: both of S's qubits go to v, those of T come from w, two pairs join v and w.
    "double": (
        [[(0, 1), (1, 0), (2, 0)], [(1, 1), (2, 1), (3, 0)]],
        [(0, 0), (3, 1)],
        [(0, (0, 1), (1, 0)), (1, (1, 1), (3, 0))],
        [0, 1, 3],
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", ["chain", "star", "double"])
@pytest.mark.parametrize("seed", range(2))
def test_errors_are_those_of_state_vectors(shape, seed):
    fusions, kept, way, on = SHAPES[shape]
    count = 1 + max(pair for fusion in fusions for pair, _ in fusion)
    errors = drawn(count, seed)
    expected = by_vectors(errors, fusions, kept, way)
    assert expected.sum() == pytest.approx(1.0)
    found = fused_state(Way(tuple(on), ()), dict(enumerate(errors)), {})
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("shape", ["chain", "star", "branch"])
def test_wrong_read_outs_are_those_of_state_vectors(shape):
    """Every qubit misread or not; on the branch the way goes over no fusion's first pair."""
    branch = ([[(2, 0), (0, 1), (1, 0)]], [(0, 0), (1, 1)], [(0, (0, 1), (1, 0))], [0, 1])
    fusions, kept, way, on = branch if shape == "branch" else SHAPES[shape]
    errors = drawn(1 + max(pair for fusion in fusions for pair, _ in fusion), 7)
    told = {place: [pair for pair, _ in fusion] for place, fusion in enumerate(fusions)}
    over = Way(tuple(on), tuple(place for place, _, _ in way))
    leaves = [0.9] * (2 * len(errors) - 2 - sum(map(len, fusions)))
    perfect = fused_state(over, dict(enumerate(errors)), {})
    found = misread(perfect, over, told, dict.fromkeys(told, 0.9), leaves)
    assert found == pytest.approx(by_vectors(errors, fusions, kept, way, 0.9))
    assert found[0] < perfect[0] - 0.05


def test_two_at_a_time_a_fusion_is_a_swap():
    first, second = drawn(2, 5)
    composed = np.array([sum(first[k] * second[k ^ place] for k in range(4)) for place in range(4)])
    gate = 0.97
    assert fused_state(Way((0, 1), (7,)), {0: first, 1: second}, {7: gate}) == pytest.approx(
        gate * composed + (1 - gate) / 4
    )
    # Beside the way a measurement that tells nothing costs the phase alone.
    after = fused_state(Way((0,), ()), {0: first}, {7: gate})
    assert after == pytest.approx(gate * first + (1 - gate) / 2 * (first + first[[1, 0, 3, 2]]))


def test_groups_of_pairs():
    assert components([(1, 2), (3, 4)]) == [((1, 2), (0,)), ((3, 4), (1,))]
    assert components([(1, 2), (3, 4), (2, 3, 7)]) == [((1, 2, 3, 4, 7), (0, 1, 2))]
    assert components([(1, 2), (), (2,)]) == [((1, 2), (0, 2))]


def test_the_way_of_least_bit_error():
    good, bad, flat = (np.array([1 - x, 0.0, x, 0.0]) for x in (0.01, 0.2, 0.5))
    # 0 - {1 | 2 - 3} - 4: the longer branch has fewer bit errors.
    fusions = {0: (0, 1, 2), 1: (2, 3), 2: (1, 3, 4)}
    states = {0: good, 1: bad, 2: good, 3: good, 4: good}
    assert way_between([0], [4], fusions, states) == ((0, 2, 3, 4), (0, 1, 2))
    assert way_between([0], [4], fusions, states | {3: flat}) == ((0, 1, 4), (0, 2))
    assert way_between([0], [9], fusions, states) is None
    assert way_between([], [4], fusions, states) is None


@dataclass(frozen=True)
class Fusing:
    """Orders what a function says."""

    orders: object

    def plan(self, view, rng, context):
        return Plan(())

    def decide(self, view, rng, context):
        return self.orders(view)


def slots_of(fibres, orders, users=("S", "D"), **nodes):
    raw = {
        "network": {"links": [{"source": a, "target": b, "length_km": 5.0} for a, b in fibres]},
        "requests": [{"source": users[0], "target": users[1]}],
        "nodes": {"coherence_s": 10.0, "swap_success": 1.0} | nodes,
        "memory": {"state": "bell_diagonal"},
        "phases": {"external_s": 0.002},
        "horizon_s": 0.5,
    }
    scenario = EntanglementScenario.model_validate(raw)
    view = make_world(scenario, Seed(), Context()).view
    span = np.array([0.0, scenario.horizon_s])
    return run_slots(view, Fusing(orders), (DEPHASING, False), Seed(), span, scenario.phases, Context())


def held_by(view, name):
    node = view.network.index(name)
    return node, tuple(pair.ident for pair in view.live if node in (pair.first, pair.second))


CHAIN = [("S", "R"), ("R", "D")]
STAR = [("S", "R"), ("R", "D"), ("R", "E")]


def all_at(name, request=0):
    def orders(view):
        node, own = held_by(view, name)
        return [Fusion(node, own, request)] if len(own) > 1 else []

    return orders


def test_a_fusion_of_two_is_a_swap_in_a_run():
    def swap(view):
        node, own = held_by(view, "R")
        return [Swap(node, *own, 0)] if len(own) == 2 else []

    noisy = {"swap_success": 0.6, "gate_fidelity": 0.98, "coherence_s": 0.01, "readout_fidelity": 0.93}
    for more in ({}, noisy):
        fused, swapped = slots_of(CHAIN, all_at("R"), **more), slots_of(CHAIN, swap, **more)
        assert fused.deliveries == [
            each._replace(fidelity=pytest.approx(each.fidelity), errors=pytest.approx(each.errors))
            for each in swapped.deliveries
        ]
        assert len(fused.deliveries) > 20
        assert fused.held_s == pytest.approx(swapped.held_s)
        assert (fused.counts[[CREATED, JOINED, FAILED]] == swapped.counts[[CREATED, JOINED, FAILED]]).all()


def test_a_leaf_is_used_up_and_costs_fidelity():
    def only_all(view):
        node, own = held_by(view, "R")
        return [Fusion(node, own, 0)] if len(own) == 3 else []

    found = slots_of(STAR, only_all)
    chain = slots_of(CHAIN, all_at("R"))
    assert found.counts[JOINED] == 2 * found.counts[DELIVERED] > 0
    assert set(found.deliveries[0].links) == {0, 1, 2}
    assert found.deliveries[0].fidelity < chain.deliveries[0].fidelity


def test_pairs_that_join_no_users_are_wasted():
    found = slots_of(STAR, all_at("R"), users=("S", "D"), swap_success=0.7)
    counts = found.counts
    assert min(counts[WASTED], counts[FAILED], counts[DELIVERED]) > 0


@pytest.mark.parametrize(
    ("orders", "words"),
    [
        (lambda view: [Fusion(view.network.index("R"), held_by(view, "R")[1][:1] * 2, 0)], "fewer than two"),
        (lambda view: [Fusion(view.network.index("R"), (998, 999), 0)], "does not live"),
        (lambda view: [Fusion(view.network.index("S"), held_by(view, "R")[1], 0)], "no end there"),
        (lambda view: all_at("R")(view) * 2, "used before"),
        (lambda view: [*all_at("R")(view), *([Swap(view.network.index("R"), *held_by(view, "R")[1], 0)]
                       if len(held_by(view, "R")[1]) == 2 else [])], "does not live"),
    ],
)  # fmt: skip
def test_fusions_that_cannot_be_are_refused(orders, words):
    with pytest.raises(BadInput, match=words):
        slots_of(CHAIN, orders)
