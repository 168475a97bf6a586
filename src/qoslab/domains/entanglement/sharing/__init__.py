"""Paths that share memories: one store of pairs over all paths of a plan, each pair allotted at the time of its use."""
