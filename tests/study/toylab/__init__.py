"""A tiny domain for tests of the study room: arithmetic on the seed."""
