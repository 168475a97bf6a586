"""Networks: the network file, compressed arc arrays, generators, paths, spanning trees, mixing matrices.

Every domain that lives on a network takes the same `[scenario.network]` table (`qoslab.graphs.spec`) and gets
the same `qoslab.graphs.network.Network`.
"""
