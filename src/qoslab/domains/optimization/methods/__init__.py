"""Distributed optimisation methods, one file per published method."""
