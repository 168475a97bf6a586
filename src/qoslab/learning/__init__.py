"""The only shared torch code: sessions that repeat themselves, the training loop, safe checkpoints.

Nothing here loads torch before it is called, so importing this room is free.
"""
