"""Swap orders on a path: which repeater joins its two segments before which other.

The model is a batch: in one slot link i makes X_i ~ Bin(w_i, p_i) pairs; a repeater that holds i pairs on its left
and j on its right swaps min(i, j) times, and each swap succeeds with the repeater's own probability. An order is a
binary tree over the path, and its value the mean number of end-to-end pairs in a slot. Asynchronous waiting is not
in the model; the ranks that come out are to be checked by simulation.
"""
