"""The datasets that come with qoslab, one module per field; importing a module registers what it lists.

Every address names a full commit, and its checksum was taken from the bytes at that commit; files that no such address
has are checked against the checksums that several projects publish alike.
"""
