"""What circuits make of Werner pairs without memories, from fidelities to fidelities."""

from qoslab.domains.entanglement.states import bbpssw_werner, fidelity_of_werner, werner_of_fidelity


def better(kept: float, spent: float, gate: float = 1.0, readout: float = 1.0) -> float:
    """Fidelity after BBPSSW, from the formula of two Werner pairs."""
    pair = float(werner_of_fidelity(kept)), float(werner_of_fidelity(spent))
    return float(fidelity_of_werner(bbpssw_werner(*pair, gate, readout)[1]))


def swapped(first: float, second: float | None = None, factor: float = 1.0) -> float:
    """Fidelity after a swap of two pairs, of two alike without the second, with the noise of the swap."""
    pair = float(werner_of_fidelity(first)), float(werner_of_fidelity(first if second is None else second))
    return float(fidelity_of_werner(pair[0] * pair[1] * factor))
