"""The datasets that come with qoslab, one module per field; importing a module registers what it lists.

Every address names a full commit, and every checksum was taken from the bytes at that commit.
"""
