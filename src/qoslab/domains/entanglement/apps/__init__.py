"""What delivered pairs are for: keys (BB84 in its entangled form, E91) and teleportation.

Pairs are Bell-diagonal, four probabilities in the order (I, Z, X, Y) of the Pauli error on one half of Phi+.
"""
