"""Waiting for what another process does."""

import time


def eventually(condition, patience_s=90.0):
    """Whether a condition holds within some seconds."""
    until = time.monotonic() + patience_s
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.05)
    return False
