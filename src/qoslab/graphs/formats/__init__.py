"""Formats of the network file; each reads into a `Draft`, which is then judged in one place."""
