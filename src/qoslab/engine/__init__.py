"""Compiled parts for event simulation: kernels, streams, heaps, statistics, hooks and the step protocol."""
